//! Plays a sequence in an account of its own, and checks after each step that everything is as it should be.

use adc_core::record::Kind;
use reqwest::Method;
use serde_json::{Value, json};

use super::directory::{Directory, UNIQUE};
use super::endings::{agrees, assert_may_end_so, told};
use super::ledger::Ledger;
use super::model::{self, Model};
use super::puppet::{Configuration, Ended, Puppet, Request};
use super::script::{Edit, Manner, SWITCHES, Script, Step};
use super::snapshot::Snapshot;
use super::stage::{Account, Stage, text};

/// States of a run that is no longer under way.
const STATES_OF_AN_END: [&str; 6] = ["applied", "previewed", "held", "failed", "cancelled", "interrupted"];

/// A company, its account, and what the account should be.
pub(super) struct Play<'s> {
    stage: &'s mut Stage,
    account: Account,
    directory: Directory,
    configuration: Configuration,
    model: Model,
    ledger: Ledger,
    shown: Snapshot,
    /// How many faults have happened.
    faults: usize,
}

/// Says in which step a test failed.
struct During<'a>(usize, &'a Step);

impl<'s> Play<'s> {
    pub(super) fn new(stage: &'s mut Stage) -> Self {
        let account = stage.account();
        let unique = json!([{ "name": UNIQUE, "from": UNIQUE, "unique": true }]);
        let policy = json!({ "policy": { "mapping": { "fields": unique } } });
        let path = format!("/synchronizations/{}", account.synchronization);
        stage.administer(&account, Method::PATCH, &path, &policy).ok();
        let shown = Snapshot::of(stage, &account);
        Self {
            stage,
            account,
            directory: Directory::small(),
            configuration: Configuration::default(),
            model: Model::default(),
            ledger: Ledger::default(),
            shown,
            faults: 0,
        }
    }

    /// How many of the faults that runs had in store have happened.
    pub(super) fn faults(&self) -> usize {
        self.faults
    }

    /// Plays the whole sequence, and then a plain run, which must heal whatever is left.
    pub(super) fn play(&mut self, script: &Script) {
        for (number, step) in script.0.iter().enumerate() {
            let _during = During(number, step);
            self.step(step);
        }
        self.heal();
        self.remove();
        self.ledger.assert_reads_the_same_again(self.stage, &self.account);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Directory(change) => self.directory.change(change),
            Step::Client(which, value) => model::set(&mut self.configuration.settings, *which, *value),
            Step::Reconfigured(number) => self.configuration.number = *number,
            Step::Admin(edit) => self.administer(edit),
            Step::Run(manner) => self.run_and_check(manner),
            Step::Approve(killed) => self.approve(*killed),
            Step::Reject => self.reject(),
            Step::Killed => {
                self.stage.crash();
                self.assert_nothing_changed("a restart");
            }
        }
    }

    /// Nobody shares a name any more, all switches are off, and what is held is approved: everything is settled, and
    /// the account is what it would have been without all that went before.
    fn heal(&mut self) {
        self.directory = self.directory.inhabited().mended();
        self.configuration.settings = adc_core::settings::Settings::default();
        for which in 0..SWITCHES.len() {
            self.administer(&Edit::Switch(which, None));
        }
        self.administer(&Edit::Guards(None));
        for who in 0..self.shown.users.len() {
            self.administer(&Edit::Owner(who, false));
            self.administer(&Edit::Owns(who, false));
        }
        self.run_and_check(&Manner::calm());
        self.approve(None);
        assert_eq!(self.model.unsettled(), Vec::<String>::new(), "a plain run did not settle everything");
        self.shown.assert_is_what_is_in(&self.directory);
    }

    /// The synchronization is removed: its people stay, nothing else of it does, and the events say so one by one.
    fn remove(&mut self) {
        let path = format!("/synchronizations/{}", self.account.synchronization);
        let answer = self.stage.administer(&self.account, Method::DELETE, &path, &Value::Null);
        assert_eq!(answer.status, 204, "{}", answer.body);
        self.ledger.follow(self.stage, &self.account);
        let left = Snapshot::without_synchronization(self.stage, &self.account);
        assert_eq!((left.groups.len(), left.org_units.len()), (0, 0));
        assert!(left.users.keys().eq(self.shown.users.keys()), "somebody was lost with the synchronization");
        self.ledger.assert_tells_all_of(&left);
    }

    fn administer(&mut self, edit: &Edit) {
        let (request, who) = self.request(edit);
        if let Some(request) = request {
            let answer = self.stage.administer(&self.account, request.method, &request.path, &request.body);
            assert!([200, 201, 409].contains(&answer.status), "{edit:?}: {}", answer.body);
        }
        self.model.edit(edit, who);
        self.check(vec![self.model.clone()]);
    }

    /// The request of an edit, and the user it concerns; none if there is nobody it could concern.
    fn request(&self, edit: &Edit) -> (Option<Request>, Option<usize>) {
        let synchronization = format!("/synchronizations/{}", self.account.synchronization);
        let who = self.model.meant(edit);
        let (method, path, body) = match edit {
            Edit::Adds(name) => (Method::POST, "/users".to_owned(), json!({ "username": name })),
            Edit::Switch(which, value) => {
                (Method::PATCH, synchronization, json!({ "settings": { SWITCHES[*which]: value } }))
            }
            Edit::Guards(None) => (Method::PATCH, synchronization, json!({ "policy": { "guards": null } })),
            Edit::Guards(Some((removals, percent))) => {
                let guards = json!({ "max_removals": removals, "max_removals_percent": percent });
                (Method::PATCH, synchronization, json!({ "policy": { "guards": guards } }))
            }
            Edit::Disables(_) | Edit::Enables(_) | Edit::Owner(..) | Edit::Owns(..) => {
                let Some(who) = who else { return (None, None) };
                (Method::PATCH, format!("/users/{}", self.model.id(who)), user_patch(edit))
            }
        };
        (Some(Request { method, path, body }), who)
    }

    fn run_and_check(&mut self, manner: &Manner) {
        let preview = manner.preview.map(|order| {
            let manner = Manner { order, dry: true, misses: manner.misses, ..Manner::calm() };
            self.run(&manner)
        });
        let untouched = preview.flatten().filter(|_| manner.meanwhile.is_none());
        let run = self.run(manner);
        if let (Some(preview), Some(run)) = (&untouched, &run) {
            assert_eq!(self.changes(run), self.changes(preview), "the preview said something else");
        }
        if run.as_deref().is_some_and(|run| self.model.was_applied_last(run)) {
            // What was just applied is not planned again.
            let again = Manner { dry: true, misses: manner.misses, ..Manner::calm() };
            let again = self.run(&again).expect("a calm run ends");
            let counts = &self.stage.get(&self.account, &format!("/runs/{again}"))["counts"];
            for action in ["create", "update", "disable", "enable", "delete", "restore"] {
                assert_eq!(counts[action], 0, "what was just applied is planned again: {counts}");
            }
        }
    }

    /// One run; its id if it ended with a plan.
    fn run(&mut self, manner: &Manner) -> Option<String> {
        let run_id = self.stage.run_id();
        let (read, found) = self.views(manner);
        let terms = self.model.terms(&self.configuration, manner.dry);
        let (meanwhile, who) = match &manner.meanwhile {
            Some((_, edit, _)) => self.request(edit),
            None => (None, None),
        };
        let mut puppet = Puppet {
            stage: self.stage,
            account: &self.account,
            run_id: run_id.clone(),
            configuration: &self.configuration,
            read: &read,
            directory: &found,
            manner,
            meanwhile,
            batches: (0, 0),
            fault: manner.fault,
        };
        let ended = puppet.run();
        let interfered = puppet.was_interfered_with();
        self.faults += usize::from(puppet.fault.is_none() && manner.fault.is_some());
        let run = self.conclusion(&run_id, &ended);
        let state =
            run.as_ref().map_or("never opened", |run| run["state"].as_str().expect("a run has a state"));

        let edit = |model: &mut Model| {
            if let Some((_, edit, _)) = manner.meanwhile.as_ref().filter(|_| interfered) {
                model.edit(edit, who);
            }
        };
        let mut worlds = Vec::new();
        for edited_first in if interfered { vec![true, false] } else { vec![false] } {
            let mut model = self.model.clone();
            if edited_first {
                edit(&mut model);
            }
            let outcome = match state {
                "applied" | "previewed" | "held" | "failed" => {
                    Some(model.finish(&run_id, &terms, &read, &found))
                }
                _ => None,
            };
            if !edited_first {
                edit(&mut model);
            }
            if outcome.as_ref().is_none_or(|outcome| agrees(outcome, run.as_ref(), &ended)) {
                worlds.push(model);
            }
        }
        assert!(!worlds.is_empty(), "{}", {
            let should = self.model.clone().finish(&run_id, &terms, &read, &found);
            format!("the run should have been {should:?}\nand is {}", told(run.as_ref()))
        });
        assert_may_end_so(state, &ended, manner);
        let changed = ["applied", "held"].contains(&state) || interfered;
        if changed {
            self.check(worlds);
        } else {
            self.assert_nothing_changed(&format!("a run that is {state}"));
        }
        (state == "applied" || state == "previewed" || state == "held").then_some(run_id)
    }

    /// What the read returns, and what is found in the end: who is missed and never was seen stays unknown.
    fn views(&self, manner: &Manner) -> (Directory, Directory) {
        let Some(missed) = manner.misses else { return (self.directory.clone(), self.directory.clone()) };
        let read = self.directory.missing(missed);
        let looked_up = self.model.expects(Kind::User, &format!("p{missed}"));
        (read.clone(), if looked_up { self.directory.clone() } else { read })
    }

    /// The run as it ended; a dead agent's is waited for or cancelled. `None` if it never was opened.
    fn conclusion(&self, run_id: &str, ended: &Ended) -> Option<Value> {
        let path = format!("/runs/{run_id}");
        let runs = || {
            self.stage.all(&self.account, &format!("/synchronizations/{}/runs", self.account.synchronization))
        };
        if !runs().iter().any(|run| run["id"] == run_id) && matches!(ended, Ended::Dead) {
            // It may have been sent; if so, it is opened by now or not at all.
            return None;
        }
        loop {
            let run = self.stage.get(&self.account, &path);
            if STATES_OF_AN_END.contains(&run["state"].as_str().expect("a run has a state")) {
                return Some(run);
            }
            assert!(matches!(ended, Ended::Dead), "the agent is done, {ended:?}, and the run is not: {run}");
            let cancel = format!("{path}/cancel");
            let answer = self.stage.administer(&self.account, Method::POST, &cancel, &Value::Null);
            assert!([200, 409].contains(&answer.status), "{}", answer.body);
        }
    }

    fn changes(&self, run_id: &str) -> Vec<Value> {
        self.stage.all(&self.account, &format!("/runs/{run_id}/changes"))
    }

    fn approve(&mut self, killed: Option<u32>) {
        let Some(held) = self.model.held.clone() else { return };
        if let Some(wait) = killed {
            let _fired = self.stage.fire_approval(&self.account, &held.run_id, wait);
            self.stage.crash();
        }
        let path = format!("/runs/{}/approve", held.run_id);
        let answer = self.stage.administer(&self.account, Method::POST, &path, &Value::Null);
        let state = text(&self.stage.get(&self.account, &format!("/runs/{}", held.run_id))["state"]);
        let mut approved = self.model.clone();
        let may_be = approved.approve();
        match (state.as_str(), may_be) {
            ("applied", Ok(()) | Err(false)) => {
                assert!(answer.status == 200 || killed.is_some(), "{}", answer.body);
                self.check(vec![approved]);
            }
            ("held", Err(_)) => {
                assert_eq!(answer.problem(), (409, "plan-stale"));
                self.assert_nothing_changed("a stale approval");
            }
            (state, may_be) => panic!("approved, it is {state} and should be {may_be:?}: {}", answer.body),
        }
    }

    fn reject(&mut self) {
        let Some(held) = self.model.held.clone() else { return };
        let path = format!("/runs/{}/reject", held.run_id);
        let answer = self.stage.administer(&self.account, Method::POST, &path, &Value::Null);
        assert_eq!(answer.ok()["state"], "rejected");
        self.model.reject();
        self.check(vec![self.model.clone()]);
    }

    /// Checks that the account is now as one of these says, which it may have become.
    fn check(&mut self, worlds: Vec<Model>) {
        let shown = Snapshot::of(self.stage, &self.account);
        shown.assert_sound();
        self.ledger.follow(self.stage, &self.account);
        self.ledger.assert_tells_all_of(&shown);
        let mut differences = Vec::new();
        for mut model in worlds {
            let differs = model.differences(&shown);
            if differs.is_empty() {
                model.learn_ids(&shown);
                (self.model, self.shown) = (model, shown);
                return;
            }
            differences.push(differs.join("\n"));
        }
        panic!("the account is not as it should be:\n{}", differences.join("\nor:\n"));
    }

    /// Checks that not even a time has changed.
    fn assert_nothing_changed(&mut self, through: &str) {
        assert_eq!(self.ledger.follow(self.stage, &self.account), 0, "{through} left events");
        let shown = Snapshot::of(self.stage, &self.account);
        assert_eq!(shown, self.shown, "{through} changed something");
    }
}

fn user_patch(edit: &Edit) -> Value {
    match edit {
        Edit::Disables(_) => json!({ "status": "disabled" }),
        Edit::Enables(_) => json!({ "status": "active" }),
        Edit::Owner(_, owner) => json!({ "account_owner": owner }),
        Edit::Owns(_, true) => json!({ "owns": ["bot:42"] }),
        Edit::Owns(_, false) => json!({ "owns": [] }),
        Edit::Adds(_) | Edit::Switch(..) | Edit::Guards(_) => unreachable!("{edit:?} changes no user"),
    }
}

impl Drop for During<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("… in step {}: {:?}", self.0, self.1);
        }
    }
}
