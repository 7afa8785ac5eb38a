//! Random histories of a directory: the same on a real slapd and on a real domain controller.
//!
//! Every run that is compared is played twice: as it comes, and as a full one on a copy of what the control plane held
//! before it. Both must come to the same, object by object; and where nothing holds anything back, so must a first import
//! into an empty account.

mod oracle;
mod step;

use std::fmt::{Debug, Write as _};
use std::time::SystemTime;

use adc_tests::Scene;
use serde_json::{Value, json};

use oracle::{Held, Ran};
use step::{DEFAULT, EXCLUDES_JUNIORS, HOLDS_LEAVERS, JUNIOR, LASTING, SWITCHES};
pub(crate) use step::{Expiry, Step, Verdict, steps};

const PLACES: [&str; 2] = ["Sales", "Support"];
const BASE: &str = "DC=lg,DC=local";
/// Where everybody lives.
const PEOPLE: &str = "OU=People";
/// How many groups there are for people and each other to join and leave.
const GROUPS: usize = 3;

/// `userAccountControl` of somebody who may sign in: `ADS_UF_NORMAL_ACCOUNT | ADS_UF_PASSWD_NOTREQD`.
const ENABLED: u32 = 0x220;
/// `ADS_UF_ACCOUNTDISABLE`
const DISABLED: u32 = 0x2;
/// `accountExpires` of somebody who may stay.
const NEVER: i64 = 0;
/// 1970-01-01 as `accountExpires` counts: units of 100 ns since 1601-01-01.
const UNIX_EPOCH: i64 = 116_444_736_000_000_000;
/// Those units in a millisecond.
const PER_MILLISECOND: i64 = 10_000;
/// How long an account lives that expires soon (milliseconds): a run sees it alive in that time.
const SOON: i64 = 1_000;
/// What is written of somebody who is not synchronized.
const HIDDEN: &str = "employeeType: hidden";
/// So many applied runs lie between two comparisons with a first import, which costs several processes.
const FIRST_IMPORT_EVERY: usize = 3;

/// A directory that is imported.
pub(crate) trait Stage {
    type Directory;
    /// What happens to such a directory alone.
    type Own: Debug + Clone + 'static;
    /// How many people there may be at a time.
    const PEOPLE: usize;
    /// Whether whoever lies in an org unit that is renamed is listed by their new name.
    const LISTS_FOLLOW_UNITS: bool;

    fn scene(&self) -> &Scene<Self::Directory>;
    /// Applies LDIF change records.
    fn change(&self, ldif: &str);
    fn join(&self, dn: &str, account: &str);
    /// What stays the same of an entry, whatever it is called.
    fn identity(&self, dn: &str, account: &str) -> String;
    /// Brings somebody back who was removed.
    fn restore(&self, dn: &str, account: &str, identity: &str);
    /// `people` are where they are.
    fn happen(&mut self, own: &Self::Own, people: &[Option<String>]);
}

/// The agent's filter: `people` without those who are hidden.
pub(crate) fn in_sight(people: &str) -> String {
    format!("(&{people}(!({})))", HIDDEN.replace(": ", "="))
}

/// Plays these steps on a directory that holds [`org_units`] and [`group_places`], and runs once more with nothing held back.
pub(crate) fn play<S: Stage>(stage: S, steps: &[Step<S::Own>]) {
    let mut history = History {
        stage,
        units: PLACES.map(|place| below(&format!("OU={place},{PEOPLE}"))),
        groups: (0..GROUPS).map(|group| (format!("CN=G{group}"), Vec::new())).collect(),
        people: vec![None; S::PEOPLE],
        hidden: vec![false; S::PEOPLE],
        removed: vec![None; S::PEOPLE],
        switches: [false; SWITCHES.len()],
        left_traces: false,
        applied: 0,
    };
    for step in steps {
        history.happen(step);
    }
    for which in 0..SWITCHES.len() {
        history.happen(&Step::Switch { which, on: false });
    }
    history.applied = 0;
    history.happen(&Step::Run(Verdict::Approved));
}

/// The org units of the beginning, by their places below the base.
pub(crate) fn org_units() -> Vec<String> {
    let places = PLACES.map(|place| format!("OU={place},{PEOPLE}"));
    [PEOPLE.to_owned(), "OU=Groups".to_owned()].into_iter().chain(places).collect()
}

/// The groups of the beginning, by their places below the base.
pub(crate) fn group_places() -> Vec<String> {
    (0..GROUPS).map(|group| format!("CN=G{group},OU=Groups")).collect()
}

fn below(place: &str) -> String {
    format!("{place},{BASE}")
}

/// What a directory holds, as far as the steps need to know.
struct History<S> {
    stage: S,
    /// Where the departments are.
    units: [String; PLACES.len()],
    /// The groups' relative names and the names that they list.
    groups: Vec<(String, Vec<String>)>,
    /// Everybody's relative name and department.
    people: Vec<Option<(String, usize)>>,
    hidden: Vec<bool>,
    /// The relative name and identity of those who were removed last.
    removed: Vec<Option<(String, String)>>,
    switches: [bool; SWITCHES.len()],
    /// Whether a switch was on whose doings no first import repeats.
    left_traces: bool,
    applied: usize,
}

impl<S: Stage> History<S> {
    fn happen(&mut self, step: &Step<S::Own>) {
        match *step {
            Step::Join { who, place } => self.join(who, place),
            Step::Leave { who } => self.leave(who),
            Step::Replace { who } => self.replace(who),
            Step::Return { who, place } => self.come_back(who, place),
            Step::Title { who, title } => self.set(who, "title", &format!("title {title}")),
            Step::Rename { who, name } => {
                if let Some((_, place)) = self.people[who] {
                    self.go(who, (format!("CN=p{who}.{name}"), place));
                }
            }
            Step::Move { who, place } => {
                if let Some((name, _)) = self.people[who].clone() {
                    self.go(who, (name, place));
                }
            }
            Step::Hide { who } => self.hide(who),
            Step::Lock { who, locked } => {
                let control = if locked { ENABLED | DISABLED } else { ENABLED };
                self.set(who, "userAccountControl", &control.to_string());
            }
            Step::Expire { who, when } => self.expire(who, when),
            Step::Boss { who, boss } => {
                if let Some(boss) = self.dn(boss) {
                    self.set(who, "manager", &boss);
                }
            }
            Step::Member { group, who } => {
                if let Some(dn) = self.dn(who) {
                    self.list(group, dn);
                }
            }
            // Some servers refuse a group that is its own member.
            Step::Nest { group, inner } if group == inner => {}
            Step::Nest { group, inner } => self.list(group, self.group(inner)),
            Step::RenameGroup { group, name } => self.rename_group(group, name),
            Step::RenameUnit { place, name } => self.rename_unit(place, name),
            Step::Switch { which, on } => self.switch(which, on),
            Step::Policy { which } => self.stage.scene().patch(&json!({ "policy": policy(which) })),
            Step::AgentDies { after } => self.agent_dies(after),
            Step::Own(ref own) => {
                let people: Vec<Option<String>> = (0..S::PEOPLE).map(|who| self.dn(who)).collect();
                self.stage.happen(own, &people);
            }
            Step::Run(verdict) => self.run(verdict),
        }
    }

    /// An import, against a full one that knows what this one knew.
    fn run(&mut self, verdict: Verdict) {
        let scene = self.stage.scene();
        let copy = scene.copy();
        let ran = Ran::once(scene, &[], verdict);
        assert_eq!(ran, Ran::once(&copy, &["--full"], verdict), "a run against a full one");
        let held = Held::by(scene);
        held.assert_equals(&Held::by(&copy), "a run against a full one");
        let is_comparable = ran.state == "applied"
            && !self.left_traces
            && !self.switches.contains(&true)
            && held.is_settled();
        if is_comparable {
            self.applied += 1;
        }
        if is_comparable && self.applied % FIRST_IMPORT_EVERY == 1 {
            let empty = copy.emptied();
            let first = Ran::once(&empty, &[], Verdict::Approved);
            assert_eq!((first.code, first.state.as_str()), (0, "applied"));
            held.of_those_who_are_there()
                .assert_equals(&Held::by(&empty).of_those_who_are_there(), "a run against a first import");
        }
    }

    fn set(&self, who: usize, attribute: &str, value: &str) {
        if let Some(dn) = self.dn(who) {
            self.change(&dn, &format!("modify\nreplace: {attribute}\n{attribute}: {value}"));
        }
    }

    fn change(&self, dn: &str, what: &str) {
        self.stage.change(&format!("dn: {dn}\nchangetype: {what}\n"));
    }

    fn dn(&self, who: usize) -> Option<String> {
        self.people[who].as_ref().map(|(name, place)| format!("{name},{}", self.units[*place]))
    }

    fn group(&self, group: usize) -> String {
        below(&format!("{},OU=Groups", self.groups[group].0))
    }

    fn join(&mut self, who: usize, place: usize) {
        if self.people[who].is_none() {
            self.people[who] = Some((format!("CN=p{who}"), place));
            self.stage.join(&self.dn(who).expect("just joined"), &account(who));
        }
    }

    fn leave(&mut self, who: usize) {
        if let Some(dn) = self.dn(who) {
            let identity = self.stage.identity(&dn, &account(who));
            self.change(&dn, "delete");
            self.hidden[who] = false;
            self.removed[who] = self.people[who].take().map(|(name, _)| (name, identity));
            // Every such directory keeps its lists in step.
            self.relist(&dn, None);
        }
    }

    fn hide(&mut self, who: usize) {
        if let Some(dn) = self.dn(who) {
            self.hidden[who] = !self.hidden[who];
            let value = if self.hidden[who] { format!("\n{HIDDEN}") } else { String::new() };
            self.change(&dn, &format!("modify\nreplace: employeeType{value}"));
        }
    }

    fn replace(&mut self, who: usize) {
        if let (Some(dn), Some(place)) = (self.dn(who), self.people[who].clone()) {
            self.leave(who);
            self.people[who] = Some(place);
            self.stage.join(&dn, &account(who));
        }
    }

    fn come_back(&mut self, who: usize, place: usize) {
        if self.people[who].is_none()
            && let Some((name, identity)) = self.removed[who].take()
        {
            self.people[who] = Some((name, place));
            self.stage.restore(&self.dn(who).expect("is back"), &account(who), &identity);
        }
    }

    fn go(&mut self, who: usize, (name, place): (String, usize)) {
        let Some(before) = self.dn(who) else { return };
        let mut rename = format!("modrdn\nnewrdn: {name}\ndeleteoldrdn: 1");
        if self.people[who].as_ref().is_some_and(|(_, here)| *here != place) {
            write!(rename, "\nnewsuperior: {}", self.units[place]).expect("a String takes everything");
        }
        self.people[who] = Some((name, place));
        let now = self.dn(who).expect("is there");
        if now != before {
            self.change(&before, &rename);
            self.relist(&before, Some(&now));
        }
    }

    fn expire(&self, who: usize, when: Expiry) {
        if self.people[who].is_none() {
            return;
        }
        let now = now();
        let until = match when {
            Expiry::Never => None,
            Expiry::Past => Some(now - SOON),
            Expiry::Soon => Some(now + SOON),
        };
        let written = until.map_or(NEVER, |until| UNIX_EPOCH + until * PER_MILLISECOND);
        self.set(who, "accountExpires", &written.to_string());
        // Until it has come true, no two runs could be compared; those in between see somebody who is still welcome.
        while until.is_some_and(|until| self::now() <= until) {
            Ran::once(self.stage.scene(), &[], Verdict::Left);
        }
    }

    fn list(&mut self, group: usize, dn: String) {
        let listed = self.groups[group].1.iter().position(|member| *member == dn);
        let action = if listed.is_some() { "delete" } else { "add" };
        self.change(&self.group(group), &format!("modify\n{action}: member\nmember: {dn}"));
        match listed {
            Some(position) => drop(self.groups[group].1.remove(position)),
            None => self.groups[group].1.push(dn),
        }
    }

    fn rename_group(&mut self, group: usize, name: u8) {
        let (before, rdn) = (self.group(group), format!("CN=G{group}.{name}"));
        if self.groups[group].0 != rdn {
            self.change(&before, &format!("modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1"));
            self.groups[group].0 = rdn;
            self.relist(&before, Some(&self.group(group)));
        }
    }

    /// Whoever is listed by one name is listed by another, or no longer.
    fn relist(&mut self, before: &str, now: Option<&str>) {
        for (_, members) in &mut self.groups {
            let Some(position) = members.iter().position(|member| member == before) else { continue };
            match now {
                Some(now) => now.clone_into(&mut members[position]),
                None => drop(members.remove(position)),
            }
        }
    }

    fn rename_unit(&mut self, place: usize, name: u8) {
        let rdn = format!("OU={}{name}", PLACES[place]);
        let now = below(&format!("{rdn},{PEOPLE}"));
        let before = std::mem::replace(&mut self.units[place], now.clone());
        if before == now {
            return;
        }
        self.change(&before, &format!("modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1"));
        if S::LISTS_FOLLOW_UNITS {
            for member in self.groups.iter_mut().flat_map(|(_, members)| members) {
                *member = member.replace(&before, &now);
            }
        }
    }

    fn switch(&mut self, which: usize, on: bool) {
        if self.switches[which] != on {
            self.switches[which] = on;
            self.left_traces |= which == LASTING;
            self.stage.scene().set(&json!({ SWITCHES[which]: on }));
        }
    }

    /// An agent is killed in the middle of its run, whose place an administrator gives to the next: nobody waits here
    /// until the control plane has missed it.
    fn agent_dies(&self, after: u8) {
        let scene = self.stage.scene();
        let synchronization = format!("/synchronizations/{}", scene.synchronization.id);
        let active = || scene.api.get(&synchronization).ok()["active_run"].as_str().map(str::to_owned);
        let mut agent = scene.agent.start(&["imp"]);
        while active().is_none() && agent.daemon().ended().is_none() {}
        for _ in 0..after {
            active();
        }
        agent.daemon().kill();
        if let Some(run) = active() {
            // A run that is being applied cannot be stopped any more.
            scene.api.post(&format!("/runs/{run}/cancel"), &json!({}));
        }
        while active().is_some() {}
    }
}

fn account(who: usize) -> String {
    format!("p{who}")
}

fn policy(which: usize) -> Value {
    match which {
        DEFAULT => Value::Null,
        EXCLUDES_JUNIORS => {
            json!({ "exclude": [{ "name": "juniors", "filter": format!("(title=title {JUNIOR})") }] })
        }
        HOLDS_LEAVERS => json!({ "guards": { "max_removals": 0, "max_removals_percent": 0 } }),
        _ => json!({ "mapping": { "fields": [{ "name": "role", "from": "title" }, { "name": "title" }] } }),
    }
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "an account expires by the clock of the real control plane")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("1970 is over");
    i64::try_from(since.as_millis()).expect("the year is no larger than that")
}
