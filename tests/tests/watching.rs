//! Following a directory: `adc imp --watch` between a real slapd and a real control plane.

use std::collections::VecDeque;
use std::time::Instant;

use adc_tests::{Agent, Company, Running, Scene, Slapd};
use rustix::process::Signal;
use serde_json::{Value, json};

fn company() -> Company {
    Company::new("dc=lg,dc=local").ou("people").person("jane").crowd(30)
}

fn scene() -> Scene {
    let company = company();
    let slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    Scene::between(company, slapd)
}

/// An agent that follows, and what it said of itself: on two streams, of which either may be read first.
pub(crate) struct Follower {
    agent: Running,
    ended: VecDeque<Value>,
    following: usize,
}

impl Follower {
    pub(crate) fn of<D>(scene: &Scene<D>) -> Self {
        let agent = scene.agent.start(&["imp", "--watch", "--output", "json"]);
        Self { agent, ended: VecDeque::new(), following: 0 }
    }

    #[track_caller]
    fn hear(&mut self) {
        let line =
            self.agent.daemon().wait_for("anything", |line| Some(line.to_owned())).expect("it goes on");
        match serde_json::from_str(&line) {
            Ok(run @ Value::Object(_)) => self.ended.push_back(run),
            _ => self.following += usize::from(line.contains("following the directory's changes")),
        }
    }

    /// How the next run ended.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        while self.ended.is_empty() {
            self.hear();
        }
        self.ended.pop_front().expect("heard")
    }

    /// The next run that did something.
    #[track_caller]
    pub(crate) fn next_with_changes(&mut self) -> Value {
        loop {
            let run = self.next();
            if run["error"] != Value::Null || run["counts"]["unchanged"] != total(&run) {
                return run;
            }
        }
    }

    /// The next run without an error.
    #[track_caller]
    fn next_that_went_well(&mut self) -> Value {
        loop {
            let run = self.next();
            if run["error"] == Value::Null {
                return run;
            }
        }
    }

    #[track_caller]
    pub(crate) fn wait_until_it_follows(&mut self) {
        while self.following == 0 {
            self.hear();
        }
        self.following = 0;
    }

    fn stop(mut self) -> (i32, String) {
        self.agent.daemon().signal(Signal::TERM);
        self.agent.finish()
    }
}

/// Everything a run counted.
fn total(run: &Value) -> Value {
    let counts = run["counts"].as_object().expect("counts");
    json!(counts.values().filter_map(Value::as_u64).sum::<u64>())
}

#[test]
fn a_change_is_followed_as_it_comes() {
    let scene = scene();
    let mut follower = Follower::of(&scene);
    assert_eq!(follower.next()["counts"]["create"], 32);
    follower.wait_until_it_follows();
    scene.join("people", "zoe");
    let run = follower.next_with_changes();
    assert_eq!((&run["mode"], &run["counts"]["create"]), (&json!("delta"), &json!(1)));
    assert_eq!(scene.user("zoe@lg.local")["status"], "active");
    follower.wait_until_it_follows();
    scene.leave("jane");
    assert_eq!(follower.next_with_changes()["counts"]["delete"], 1);
    follower.wait_until_it_follows();
    let (code, log) = follower.stop();
    assert_eq!(code, 143, "{log}");
    let triggers: Vec<Value> = runs(&scene).iter().map(|run| run["trigger"].clone()).collect();
    assert_eq!(triggers.last(), Some(&json!("agent")));
    assert!(triggers.contains(&json!("change")));
}

#[test]
fn many_changes_at_once_are_one_run_or_two() {
    let scene = scene();
    let mut follower = Follower::of(&scene);
    follower.next();
    follower.wait_until_it_follows();
    let (before, began) = (runs(&scene).len(), Instant::now());
    let titles: Vec<String> = (1..=30)
        .map(|number| {
            let dn = scene.dn(&format!("user{number:05}"));
            format!("dn: {dn}\nchangetype: modify\nreplace: title\ntitle: Lead\n\n")
        })
        .collect();
    scene.directory.modify(&titles.concat());
    let mut updated = 0;
    while updated < 30 {
        updated += follower.next()["counts"]["update"].as_u64().expect("a count");
    }
    // One a second: the changes of a machine that has much to do take longer than that.
    let (more, took) = (runs(&scene).len() - before, began.elapsed());
    let most = usize::try_from(took.as_secs()).expect("not for ever") + 3;
    assert!(more <= most, "{more} in {took:?}: {:?}", runs(&scene));
    follower.stop();
}

#[test]
fn a_dry_run_is_previewed_and_not_followed() {
    let scene = scene();
    scene.set(&json!({ "dry-run": true }));
    let outcome = scene.agent.imp_with(&["--watch"]).expect_code(0);
    assert!(outcome.stderr.contains("a dry run is not followed"), "{}", outcome.stderr);
}

#[test]
fn a_feed_that_serves_other_databases_only_is_not_waited_for_and_times_are_compared() {
    let company = company();
    let slapd = Slapd::builder(&company).module("syncprov").start();
    let scene = Scene::between(company, slapd);
    let checked = scene.agent.run(&["check"]);
    assert!(
        checked.stdout.contains("timestamps: ") && checked.stdout.contains("add `overlay syncprov`"),
        "{}",
        checked.stdout
    );
    let mut follower = Follower::of(&scene);
    assert_eq!(follower.next()["counts"]["create"], 32);
    follower.wait_until_it_follows();
    scene.join("people", "zoe");
    let run = follower.next();
    assert_eq!((&run["mode"], &run["counts"]["create"]), (&json!("delta"), &json!(1)));
    follower.stop();
    assert_eq!(runs(&scene).len(), 2, "none while nothing changed");
}

#[test]
fn a_directory_that_does_not_say_what_changed_is_asked_now_and_then() {
    let scene = Scene::of(company());
    let mut follower = Follower::of(&scene);
    assert_eq!(follower.next()["counts"]["create"], 32);
    follower.wait_until_it_follows();
    scene.join("people", "zoe");
    let run = follower.next();
    assert_eq!((&run["mode"], &run["counts"]["create"]), (&json!("delta"), &json!(1)));
    scene.leave("jane");
    assert_eq!(follower.next()["counts"]["delete"], 1);
    follower.stop();
    assert_eq!(runs(&scene).len(), 3, "none while nothing changed");
}

#[test]
fn a_bind_that_is_refused_was_tried_again_until_the_account_was_locked() {
    let scene = scene();
    let agent = Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization)
        .ldap("bind_password", "the one from before");
    let outcome = agent.imp_with(&["--watch"]).expect_code(3);
    let document: Value = serde_json::from_str(&outcome.stdout).expect("one JSON document: one try");
    assert_eq!(document["error"]["code"], "bind-refused");
}

#[test]
fn a_directory_that_went_away_is_followed_again() {
    let mut scene = scene();
    let mut follower = Follower::of(&scene);
    follower.next();
    follower.wait_until_it_follows();
    scene.directory.crash();
    scene.join("people", "zoe");
    // It may be there again before she joins: what is read first is everything, and she is in it or in the next one.
    let first = follower.next_that_went_well();
    assert_eq!(first["mode"], "full");
    let mut run = first;
    while run["counts"]["create"] == 0 {
        run = follower.next_that_went_well();
    }
    assert_eq!(run["counts"]["create"], 1);
    follower.stop();
}

#[test]
fn while_a_plan_is_held_changes_start_no_run() {
    let scene = scene();
    let mut follower = Follower::of(&scene);
    follower.next();
    follower.wait_until_it_follows();
    let leavers: Vec<String> = (1..=15)
        .map(|number| format!("dn: {}\nchangetype: delete\n\n", scene.dn(&format!("user{number:05}"))))
        .collect();
    scene.directory.modify(&leavers.concat());
    // The first of them may have left by a run of their own.
    let held = loop {
        let run = follower.next_that_went_well();
        if run["state"] == "held" {
            break run;
        }
    };
    follower.wait_until_it_follows();
    scene.join("people", "zoe");
    for _ in 0..2 {
        assert_eq!(follower.next()["error"]["code"], "plan-held");
    }
    assert_eq!(runs(&scene)[0]["id"], held["run_id"], "nothing was started since");
    let run = held["run_id"].as_str().expect("an id");
    scene.api.post(&format!("/runs/{run}/approve"), &json!({})).ok();
    let caught_up = follower.next_that_went_well();
    assert_eq!(caught_up["counts"]["create"], 1);
    let (_, log) = follower.stop();
    assert_eq!(log.matches("ERROR").count(), 1, "a plan that is held is told once: {log}");
}

/// The runs of the synchronization, newest first.
fn runs(scene: &Scene) -> Vec<Value> {
    scene.api.all(&format!("/synchronizations/{}/runs", scene.synchronization.id))
}
