//! Rules that are edited while what they look for is out of sight: people are compared with themselves, not rules with each other.

use crate::{
    configuration::{assert_let_in, rule},
    world::{BASE, Directory, World},
};
use adc_core::{
    entry::Entry,
    mapping::{Bounds, Mapping, RootDse},
    policy::Policy,
    protocol::{RunReport, RunState},
    reason::Reason,
    record::{Kind, Problem},
    settings::Settings,
};
use serde_json::json;

const ROBOTS: &str = "(kind=robot)";

/// A policy of these exclude rules.
pub(crate) fn excluding(rules: &[(&str, &str)]) -> Policy {
    let rule = |(name, filter): &(&str, &str)| json!({ "name": name, "filter": filter });
    let exclude: Vec<_> = rules.iter().map(rule).collect();
    serde_json::from_value(json!({ "exclude": exclude })).expect("a policy")
}

/// A policy of this include filter.
fn including(filter: &str) -> Policy {
    serde_json::from_value(json!({ "include": [filter] })).expect("a policy")
}

/// A directory of four robots, `r0` to `r3`, and six people, `p0` to `p5`, who have titles too.
struct Company {
    entries: Vec<Entry>,
}

impl Company {
    fn new() -> Self {
        let person = |name: String, title: &str| {
            Entry::new(format!("uid={name},ou=people,{BASE}"))
                .with("entryUUID", &[&name])
                .with("uid", &[&name])
                .with("mail", &[&format!("{name}@lg.local")])
                .with("title", &[title])
        };
        let people = (0..6).map(|number| person(format!("p{number}"), "staff"));
        let robots = (0..4).map(|number| person(format!("r{number}"), "arm").with("kind", &["robot"]));
        Self { entries: people.chain(robots).collect() }
    }

    /// With another kind of the robots of these names; none is one that is out of sight.
    fn with_kind(mut self, robots: &[&str], kind: Option<&str>) -> Self {
        for entry in
            self.entries.iter_mut().filter(|entry| robots.iter().any(|name| entry.text("uid") == Some(name)))
        {
            entry.attributes_mut().retain(|attribute| attribute.name != "kind");
            if let Some(kind) = kind {
                entry.push("kind", vec![kind.as_bytes().to_vec()]);
            }
        }
        self
    }

    /// As the agent maps it under a policy.
    fn under(&self, policy: &Policy) -> Directory {
        let attributes = ["uid", "mail", "title", "kind"].map(str::to_owned).to_vec();
        let bounds = Bounds { attributes: Some(attributes), ..Bounds::default() };
        let mapping = Mapping::compile(policy, &bounds, &RootDse::default()).expect("compiles");
        let mut directory = Directory::default();
        self.entries.iter().for_each(|entry| directory.put(mapping.map(Kind::User, entry)));
        directory
    }
}

const ALL: [&str; 4] = ["r0", "r1", "r2", "r3"];

fn hidden() -> Company {
    Company::new().with_kind(&ALL, None)
}

async fn world(policy: &Policy) -> World {
    let world = World::with(Settings::default(), Some(policy.clone()), None).await;
    let first = world.import(&Company::new().under(policy)).await.expect("imports");
    assert_eq!(first.counts.create, 6);
    world
}

fn assert_all_held(report: &RunReport) {
    assert_let_in(report, 4);
    let detail = &report.held_because[0].detail;
    assert!(detail.starts_with("4 of 4 people whom rules left out for their kind would come in"), "{detail}");
}

fn assert_came_in(report: &RunReport, create: u64) {
    assert_eq!((report.state, report.counts.create), (RunState::Applied, create), "{report:?}");
}

#[tokio::test]
async fn a_rule_was_edited_while_what_it_looks_for_was_hidden_and_let_everybody_in() {
    let edits = [
        excluding(&[("robots", ROBOTS)]),
        excluding(&[("machines", ROBOTS)]),
        excluding(&[("robots", "(title=boss)"), ("bosses", ROBOTS)]),
        excluding(&[("first", "(&(kind=robot)(uid=r0))"), ("others", "(&(kind=robot)(!(uid=r0)))")]),
        excluding(&[("robots", "(&(kind=robot)(!(uid=r0)))")]),
        excluding(&[("robots", "(kind=rob*)")]),
        excluding(&[("robots", "(KIND=*)")]),
        including("(!(kind=robot))"),
        including("(&(title=*)(!(kind=robot)))"),
    ];
    let before = [
        excluding(&[("robots", ROBOTS)]),
        excluding(&[("robots", "(&(kind=robot)(uid=r*))")]),
        including("(!(kind=robot))"),
    ];
    for before in &before {
        for edited in &edits {
            let world = world(before).await;
            rule(&world, edited.clone()).await;
            assert_all_held(&world.import(&hidden().under(edited)).await.expect("runs"));
        }
    }
}

#[tokio::test]
async fn a_rule_renamed_twice_forgot_whom_it_had_left_out_and_who_were_not_to_be_seen_since() {
    let robots = || excluding(&[("robots", ROBOTS)]);
    for out_of_sight in ["pending", "in conflict", "absent"] {
        let mut world = world(&robots()).await;
        world.settings.no_create = (out_of_sight == "pending").then_some(true);
        for name in ["machines", "devices"] {
            let renamed = excluding(&[(name, ROBOTS)]);
            rule(&world, renamed.clone()).await;
            let mut directory = hidden().under(&renamed);
            for id in ALL {
                match out_of_sight {
                    "in conflict" => {
                        let problem = Problem { reason: Reason::ClassHidden, detail: "the entry".to_owned() };
                        directory.user(id).problem = Some(problem);
                    }
                    "absent" => drop(directory.remove(id)),
                    _ => {}
                }
            }
            let applied = world.import(&directory).await.expect("imports");
            assert_eq!((applied.state, applied.counts.effective()), (RunState::Applied, 0), "{out_of_sight}");
        }
        world.settings.no_create = None;
        rule(&world, robots()).await;
        assert_all_held(&world.import(&hidden().under(&robots())).await.expect("runs"));
    }
}

#[tokio::test]
async fn a_rule_replaced_while_what_it_looks_for_was_hidden_let_everybody_in_when_it_was_back() {
    let robots = excluding(&[("robots", ROBOTS)]);
    for meanwhile in [
        excluding(&[("robots", "(|(kind=robot)(uid=r*))")]),
        excluding(&[("robots", ROBOTS), ("names", "(uid=r*)")]),
        excluding(&[("names", "(uid=r*)")]),
        including("(uid=p*)"),
    ] {
        let world = world(&robots).await;
        rule(&world, meanwhile.clone()).await;
        for mail in ["robot", "machine"] {
            let mut company = hidden();
            for entry in &mut company.entries {
                if let Some(robot) = entry.text("uid").filter(|uid| uid.starts_with('r')).map(str::to_owned) {
                    entry.attributes_mut().retain(|attribute| attribute.name != "mail");
                    entry.push("mail", vec![format!("{mail}.{robot}@lg.local").into_bytes()]);
                }
            }
            let applied = world.import(&company.under(&meanwhile)).await.expect("imports");
            assert_eq!((applied.state, applied.counts.effective()), (RunState::Applied, 0));
        }
        rule(&world, robots.clone()).await;
        assert_all_held(&world.import(&hidden().under(&robots)).await.expect("runs"));
        let shown = world.import(&Company::new().under(&robots)).await.expect("imports");
        assert_eq!((shown.state, shown.counts.effective()), (RunState::Applied, 0));
    }
}

#[tokio::test]
async fn a_rule_split_in_two_forgot_who_had_come_in_within_the_day() {
    let robots = excluding(&[("robots", ROBOTS)]);
    let world = world(&robots).await;
    let one = Company::new().with_kind(&["r0"], None).under(&robots);
    assert_came_in(&world.import(&one).await.expect("imports"), 1);
    let split = excluding(&[("a", "(&(kind=robot)(uid=r1))"), ("b", "(&(kind=robot)(!(uid=r1)))")]);
    rule(&world, split.clone()).await;
    let others = Company::new().with_kind(&["r0", "r1", "r2"], None).under(&split);
    let held = world.import(&others).await.expect("runs");
    assert_let_in(&held, 2);
    assert!(held.held_because[0].detail.starts_with("3 of 4 people"), "{held:?}");
}

#[tokio::test]
async fn robots_that_visibly_became_something_else_were_held_as_if_hidden() {
    let robots = excluding(&[("robots", ROBOTS)]);
    let world = world(&robots).await;
    let people = Company::new().with_kind(&ALL, Some("person")).under(&robots);
    assert_came_in(&world.import(&people).await.expect("imports"), 4);
}

#[tokio::test]
async fn whom_the_author_of_a_rule_lets_in_comes_in() {
    let dropped = [Policy::default(), excluding(&[("bosses", "(title=boss)")])];
    let narrowed = excluding(&[("robots", "(&(kind=robot)(title=boss))")]);
    let shown_and_hidden = dropped.iter().flat_map(|edited| [(edited, Company::new()), (edited, hidden())]);
    for (edited, company) in shown_and_hidden.chain([(&narrowed, Company::new())]) {
        let world = world(&excluding(&[("robots", ROBOTS)])).await;
        rule(&world, edited.clone()).await;
        assert_came_in(&world.import(&company.under(edited)).await.expect("imports"), 4);
    }
}

#[tokio::test]
async fn a_rule_narrowed_while_nobody_was_created_was_said_not_to_have_been_changed() {
    let mut world = world(&excluding(&[("robots", ROBOTS)])).await;
    world.settings.no_create = Some(true);
    let narrowed = excluding(&[("robots", "(&(kind=robot)(uid=r0))")]);
    rule(&world, narrowed.clone()).await;
    let directory = Company::new().under(&narrowed);
    assert_eq!(world.import(&directory).await.expect("imports").counts.skip, 3);
    world.settings.no_create = None;
    assert_came_in(&world.import(&directory).await.expect("imports"), 3);
}

#[tokio::test]
async fn a_right_was_given_back_while_nobody_was_created_and_what_was_shown_since_was_not_heard_of() {
    let robots = excluding(&[("robots", ROBOTS)]);
    let mut world = world(&robots).await;
    world.settings.no_create = Some(true);
    world.import(&hidden().under(&robots)).await.expect("imports");
    let people = Company::new().with_kind(&ALL, Some("person")).under(&robots);
    world.import(&people).await.expect("imports");
    world.settings.no_create = None;
    assert_came_in(&world.import(&people).await.expect("imports"), 4);
}

#[tokio::test]
async fn those_who_are_left_out_anyway_hid_among_them_all_who_came_in() {
    // People are left out for title and kind, and for the title alone.
    let policy =
        excluding(&[("staff", "(&(title=staff)(kind=*))"), ("robots", ROBOTS), ("people", "(title=staff)")]);
    let mut company = Company::new();
    for entry in company.entries.iter_mut().filter(|entry| entry.text("title") == Some("staff")) {
        entry.push("kind", vec![b"person".to_vec()]);
    }
    let world = World::with(Settings::default(), Some(policy.clone()), None).await;
    world.import(&company.under(&policy)).await.expect("imports");
    let everybody = ["p0", "p1", "p2", "p3", "p4", "p5", "r0", "r1", "r2", "r3"];
    assert_all_held(&world.import(&company.with_kind(&everybody, None).under(&policy)).await.expect("runs"));
}

/// As an agent says it that does not know what [`adc_core::record::Record::shows`] is.
fn from_before(mut directory: Directory) -> Directory {
    directory.objects.values_mut().for_each(|record| record.shows = None);
    directory
}

#[tokio::test]
async fn an_agent_of_before_let_in_everybody_whom_a_rule_left_out_for_what_is_hidden() {
    let policy = excluding(&[("robots", ROBOTS)]);
    let world = World::with(Settings::default(), Some(policy.clone()), None).await;
    let shown = from_before(Company::new().under(&policy));
    assert_came_in(&world.import(&shown).await.expect("imports"), 6);
    let one = Company::new().with_kind(&["r0"], Some("person"));
    assert_came_in(&world.import(&from_before(one.under(&policy))).await.expect("imports"), 1);
    let hidden = world.import(&from_before(hidden().under(&policy))).await.expect("ends");
    assert_let_in(&hidden, 3);
    // The rule goes: nobody asks for the kind any more.
    rule(&world, Policy::default()).await;
    let meant = from_before(Company::new().under(&Policy::default()));
    assert_came_in(&world.import(&meant).await.expect("imports"), 3);
}

#[tokio::test]
async fn after_an_upgrade_of_both_everybody_came_in_whom_a_rule_had_left_out() {
    let policy = excluding(&[("robots", ROBOTS)]);
    let world = World::with(Settings::default(), Some(policy.clone()), None).await;
    world.import(&from_before(Company::new().under(&policy))).await.expect("imports");
    assert_all_held(&world.import(&hidden().under(&policy)).await.expect("ends"));
    // Who is seen again says what they show, and is compared as ever.
    world.import(&Company::new().under(&policy)).await.expect("imports");
    assert_all_held(&world.import(&hidden().under(&policy)).await.expect("ends"));
}
