//! What is due becomes a run: one, whatever the clock, the server and the agents do.

use crate::world::{Answer, Source, World, as_json, open_run, person};
use adc_core::protocol::{OpenRun, OpenedRun, RunState, Trigger};
use adc_server::{
    runs::{Engine, RunOrder},
    scheduler::Scheduler,
};
use serde_json::{Value, json};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// From the world's start, noon, until the schedule of these tests is due.
const UNTIL_DUE: i64 = 13 * HOUR + HOUR / 2;
const DUE: &str = "2026-11-23T01:30:00.000Z";

/// A synchronization that runs every day at 01:30 UTC.
struct Daily {
    world: World,
    source: Source,
    path: String,
}

impl Daily {
    async fn start() -> Self {
        let world = World::start().await;
        let source = world.source("directory").await;
        let path = format!("/synchronizations/{}", source.id);
        let daily = Self { world, source, path };
        daily
            .patch(&json!({ "schedule": {
            "repeat": { "kind": "daily" }, "start": "2026-11-01", "at": "01:30", "time_zone": "UTC"
        } }))
            .await;
        daily
    }

    async fn patch(&self, patch: &Value) {
        self.world.administrator().await.patch(&self.path, patch).await.ok();
    }

    fn engine(&self) -> Engine {
        Engine::new(self.world.store.clone(), self.world.clock.clone(), "https://cloud.example.com")
    }

    /// What a control plane does that was started in this moment: it remembers nothing.
    async fn look(&self) {
        let World { store, clock, .. } = &self.world;
        Scheduler::new(self.engine(), store.clone(), clock.clone()).look().await.expect("looks");
    }

    async fn later(&self, millis: i64) {
        self.world.pass_time(millis);
        self.look().await;
    }

    async fn schedule(&self) -> Value {
        self.world.administrator().await.get(&self.path).await.ok()["schedule"].clone()
    }

    /// The runs that were due, newest first.
    async fn runs(&self) -> Vec<Value> {
        let runs = self.world.administrator().await.all(&format!("{}/runs", self.path), 500).await;
        runs.into_iter().filter(|run| run["trigger"] == "schedule").collect()
    }

    /// The one run that was due.
    #[track_caller]
    fn only(runs: Vec<Value>) -> Value {
        let [run] = &runs[..] else { panic!("one run was due: {runs:?}") };
        run.clone()
    }

    /// An agent opens the run.
    async fn open(&self, run: &Value) -> OpenedRun {
        self.try_open(run).await.parse()
    }

    async fn try_open(&self, run: &Value) -> Answer {
        let run = open_run(run["id"].as_str().expect("an id"), false);
        let run = OpenRun { trigger: Trigger::Schedule, ..run };
        self.world.agent(&self.source).post("/agent/runs", &as_json(&run)).await
    }

    /// An agent does the run.
    async fn carry_out(&self, run: &Value) {
        let opened = self.open(run).await;
        let report = self.world.carry_out(&self.world.agent(&self.source), &opened, &[person("jane")]).await;
        assert_eq!(report.state, RunState::Applied);
    }

    /// A plan that waits for a decision; returns its run.
    async fn hold(&self) -> String {
        let people: Vec<_> = (0..40).map(|number| person(&format!("user{number}"))).collect();
        self.world.import(&self.source, &people).await;
        let held = self.world.import(&self.source, &people[..10]).await;
        assert_eq!(held.state, RunState::Held);
        held.run_id
    }
}

#[tokio::test]
async fn a_run_is_queued_when_it_is_due_and_not_before() {
    let daily = Daily::start().await;
    daily.later(UNTIL_DUE - 1).await;
    assert_eq!(daily.runs().await, Vec::<Value>::new());
    daily.later(1).await;
    let run = Daily::only(daily.runs().await);
    assert_eq!((&run["state"], &run["dry_run"]), (&json!("queued"), &json!(false)));
    let schedule = daily.schedule().await;
    assert_eq!(schedule["last"], json!({ "due": DUE, "run_id": run["id"] }));
    assert_eq!(schedule["next"][0], "2026-11-24T01:30:00.000Z");
    daily.carry_out(&run).await;
    daily.later(DAY - 1).await;
    Daily::only(daily.runs().await);
    daily.later(1).await;
    assert_eq!(daily.runs().await.len(), 2);
}

#[tokio::test]
async fn restarts_around_the_due_moment_make_one_run() {
    let daily = Daily::start().await;
    daily.world.pass_time(UNTIL_DUE - 5 * SECOND);
    for _ in 0..10 {
        daily.later(SECOND).await;
        daily.look().await;
    }
    let run = Daily::only(daily.runs().await);
    daily.carry_out(&run).await;
    daily.later(HOUR).await;
    Daily::only(daily.runs().await);
}

#[tokio::test]
async fn several_schedulers_at_once_make_one_run() {
    let daily = Daily::start().await;
    daily.world.pass_time(UNTIL_DUE);
    let looks = (0..16).map(|_| {
        let mut scheduler =
            Scheduler::new(daily.engine(), daily.world.store.clone(), daily.world.clock.clone());
        tokio::spawn(async move { scheduler.look().await })
    });
    for look in looks.collect::<Vec<_>>() {
        look.await.expect("ends").expect("looks");
    }
    let run = Daily::only(daily.runs().await);
    assert_eq!(daily.schedule().await["last"]["run_id"], run["id"]);
}

#[tokio::test]
async fn what_was_missed_while_the_server_was_down_becomes_one_run() {
    let daily = Daily::start().await;
    daily.later(UNTIL_DUE + 3 * DAY + HOUR).await;
    let run = Daily::only(daily.runs().await);
    let last = json!({ "due": "2026-11-26T01:30:00.000Z", "run_id": run["id"] });
    assert_eq!(daily.schedule().await["last"], last);
    daily.carry_out(&run).await;
    daily.later(HOUR).await;
    Daily::only(daily.runs().await);
}

#[tokio::test]
async fn what_was_missed_while_no_agent_was_connected_becomes_one_run_on_its_return() {
    let daily = Daily::start().await;
    daily.later(UNTIL_DUE).await;
    for _ in 0..3 {
        daily.later(DAY).await;
    }
    let run = Daily::only(daily.runs().await);
    let schedule = daily.schedule().await;
    let due = "2026-11-26T01:30:00.000Z";
    assert_eq!(schedule["last"], json!({ "due": due, "run_id": run["id"] }));
    let waiting = &schedule["waiting"];
    assert_eq!((&waiting["code"], &waiting["due"]), (&json!("no-agent"), &json!(due)));
    assert!(waiting["detail"].as_str().expect("says why").contains("adc run"), "{waiting}");
    daily.carry_out(&run).await;
    assert_eq!(daily.schedule().await["waiting"], Value::Null);
    daily.look().await;
    Daily::only(daily.runs().await);
}

#[tokio::test]
async fn what_is_due_during_a_run_waits_for_its_end_and_begins_once() {
    let daily = Daily::start().await;
    daily.world.pass_time(UNTIL_DUE - SECOND);
    let agent = daily.world.agent(&daily.source);
    let opened = agent.open(false).await;
    for _ in 0..3 {
        daily.later(SECOND).await;
    }
    assert_eq!(daily.runs().await, Vec::<Value>::new());
    let waiting = daily.schedule().await["waiting"].clone();
    assert_eq!(
        (&waiting["code"], &waiting["due"], &waiting["run_id"]),
        (&json!("run-active"), &json!(DUE), &json!(opened.run_id))
    );
    daily.world.carry_out(&agent, &opened, &[person("jane")]).await;
    daily.look().await;
    let run = Daily::only(daily.runs().await);
    assert_eq!(daily.schedule().await["last"], json!({ "due": DUE, "run_id": run["id"] }));
    daily.carry_out(&run).await;
    daily.look().await;
    Daily::only(daily.runs().await);
}

#[tokio::test]
async fn a_run_that_was_due_and_is_taken_over_is_the_same_that_was_due() {
    let daily = Daily::start().await;
    daily.later(UNTIL_DUE).await;
    let run = Daily::only(daily.runs().await);
    let opened = daily.open(&run).await;
    let gives_up = json!({ "error": { "code": "interrupted", "message": "interrupted" } });
    daily
        .world
        .agent(&daily.source)
        .post(&format!("/agent/runs/{}/abort", opened.run_id), &gives_up)
        .await
        .ok();
    daily.look().await;
    let runs = daily.runs().await;
    assert_eq!(runs.len(), 2, "{runs:?}");
    let successor = runs.iter().find(|other| other["takes_over"] == run["id"]).expect("it is taken over");
    assert_eq!(daily.schedule().await["last"], json!({ "due": DUE, "run_id": successor["id"] }));
    assert_eq!(daily.schedule().await["waiting"]["code"], "no-agent");
    daily.carry_out(successor).await;
    daily.look().await;
    assert_eq!(daily.runs().await.len(), 2);
}

#[tokio::test]
async fn a_preview_that_waits_does_not_do_for_a_run_that_is_due() {
    let daily = Daily::start().await;
    let preview = RunOrder { trigger: Trigger::Manual, dry_run: true, full: false };
    let queued = daily.engine().queue_run(&daily.world.account_id, &daily.source.id, preview).await;
    let queued = queued.expect("is queued");
    daily.later(UNTIL_DUE).await;
    assert_eq!(daily.runs().await, Vec::<Value>::new());
    let waiting = daily.schedule().await["waiting"].clone();
    assert_eq!((&waiting["code"], &waiting["run_id"]), (&json!("run-active"), &json!(queued.id)));
    let caller = daily.world.administrator().await;
    caller.post(&format!("/runs/{}/cancel", queued.id), &json!({})).await.ok();
    daily.look().await;
    Daily::only(daily.runs().await);
}

#[tokio::test]
async fn a_scheduled_run_that_waited_past_the_next_time_was_called_a_preview_in_the_way() {
    let daily = Daily::start().await;
    daily.later(UNTIL_DUE).await;
    let run = Daily::only(daily.runs().await);
    // Nobody has looked yet at the time that is due now.
    daily.world.pass_time(DAY);
    let waiting = daily.schedule().await["waiting"].clone();
    assert_eq!((&waiting["code"], &waiting["run_id"]), (&json!("no-agent"), &run["id"]), "{waiting}");
    assert_eq!(waiting["due"], DUE);
}

#[tokio::test]
async fn a_run_that_waits_for_an_agent_does_for_what_is_due() {
    let daily = Daily::start().await;
    let order = RunOrder { trigger: Trigger::Manual, dry_run: false, full: true };
    let queued = daily.engine().queue_run(&daily.world.account_id, &daily.source.id, order).await;
    let queued = queued.expect("is queued");
    daily.later(UNTIL_DUE).await;
    assert_eq!(daily.runs().await, Vec::<Value>::new());
    assert_eq!(daily.schedule().await["last"], json!({ "due": DUE, "run_id": queued.id }));
}

#[tokio::test]
async fn while_a_plan_is_held_nothing_is_started_and_after_the_decision_one_run() {
    for decision in ["reject", "approve"] {
        let daily = Daily::start().await;
        let held = daily.hold().await;
        for millis in [UNTIL_DUE, DAY, DAY] {
            daily.later(millis).await;
        }
        assert_eq!(daily.runs().await, Vec::<Value>::new());
        let schedule = daily.schedule().await;
        let waiting = &schedule["waiting"];
        assert_eq!((&waiting["code"], &waiting["run_id"]), (&json!("plan-held"), &json!(held)));
        assert!(waiting["detail"].as_str().expect("says why").contains("is held"), "{waiting}");
        assert_eq!(schedule["last"], Value::Null);
        let caller = daily.world.administrator().await;
        caller.post(&format!("/runs/{held}/{decision}"), &json!({})).await.ok();
        daily.look().await;
        daily.look().await;
        let run = Daily::only(daily.runs().await);
        let last = json!({ "due": "2026-11-25T01:30:00.000Z", "run_id": run["id"] });
        assert_eq!(daily.schedule().await["last"], last, "{decision}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_a_little_repeats_nothing() {
    let daily = Daily::start().await;
    daily.later(UNTIL_DUE + SECOND).await;
    let run = Daily::only(daily.runs().await);
    daily.carry_out(&run).await;
    daily.later(-10 * SECOND).await;
    assert_eq!(daily.schedule().await["next"][0], DUE, "by the clock it lies ahead");
    for _ in 0..3 {
        daily.later(10 * SECOND).await;
        assert_eq!(daily.schedule().await["waiting"], Value::Null);
    }
    Daily::only(daily.runs().await);
    daily.later(DAY).await;
    assert_eq!(daily.runs().await.len(), 2, "and the next day goes on");
}

#[tokio::test]
async fn a_clock_that_was_years_ahead_for_a_while_silenced_the_schedule_for_years() {
    let daily = Daily::start().await;
    daily.later(1_000 * DAY).await;
    let run = Daily::only(daily.runs().await);
    daily.carry_out(&run).await;
    daily.later(-1_000 * DAY).await;
    daily.later(UNTIL_DUE).await;
    let runs = daily.runs().await;
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert_eq!(daily.schedule().await["last"]["due"], DUE);
}

#[tokio::test]
async fn another_schedule_begins_now_and_forgets_what_was_due() {
    let daily = Daily::start().await;
    daily.patch(&json!({ "schedule": { "enabled": false } })).await;
    daily.later(UNTIL_DUE + HOUR).await;
    daily.patch(&json!({ "schedule": { "enabled": true } })).await;
    daily.look().await;
    assert_eq!(daily.runs().await, Vec::<Value>::new(), "it was off when it would have been due");
    daily.patch(&json!({ "schedule": { "at": "02:00" } })).await;
    daily.look().await;
    assert_eq!(daily.runs().await, Vec::<Value>::new(), "two o'clock was before the change");
    daily.patch(&json!({ "name": "renamed" })).await;
    daily.later(DAY).await;
    Daily::only(daily.runs().await);
    daily.patch(&json!({ "schedule": null })).await;
    daily.later(2 * DAY).await;
    Daily::only(daily.runs().await);
}

#[tokio::test]
async fn a_run_that_waited_for_an_agent_outlived_the_schedule_that_had_queued_it() {
    for off in [json!(null), json!({ "enabled": false })] {
        let daily = Daily::start().await;
        daily.later(UNTIL_DUE).await;
        let due = Daily::only(daily.runs().await);
        daily.patch(&json!({ "schedule": off })).await;
        let run = Daily::only(daily.runs().await);
        assert_eq!((&run["state"], &run["error"]["code"]), (&json!("cancelled"), &json!("schedule-off")));
        assert_eq!(run["finished_at"], DUE);
        let shown = daily.world.administrator().await.get(&daily.path).await.ok();
        assert_eq!(shown["queued_run"], Value::Null);
        // An agent that was told of it just before.
        assert_eq!(daily.try_open(&due).await.problem(), (409, "run-ended"));
        daily.later(2 * DAY).await;
        Daily::only(daily.runs().await);
    }
}

#[tokio::test]
async fn a_run_that_has_begun_goes_on_without_its_schedule_and_nobody_takes_it_over() {
    for taken_over in [false, true] {
        let daily = Daily::start().await;
        daily.later(UNTIL_DUE).await;
        let run = Daily::only(daily.runs().await);
        let opened = daily.open(&run).await;
        daily.patch(&json!({ "schedule": { "enabled": false } })).await;
        let shown = daily.world.administrator().await.get(&daily.path).await.ok();
        assert_eq!((&shown["active_run"], &shown["schedule"]["last"]["run_id"]), (&run["id"], &run["id"]));
        if taken_over {
            daily.patch(&json!({ "schedule": { "enabled": true } })).await;
        }
        let gives_up = json!({ "error": { "code": "interrupted", "message": "interrupted" } });
        let abort = format!("/agent/runs/{}/abort", opened.run_id);
        daily.world.agent(&daily.source).post(&abort, &gives_up).await.ok();
        assert_eq!(daily.runs().await.len(), if taken_over { 2 } else { 1 });
    }
}

#[tokio::test]
async fn what_a_person_asked_for_is_not_taken_back_with_the_schedule() {
    let daily = Daily::start().await;
    let order = RunOrder { trigger: Trigger::Manual, dry_run: false, full: false };
    let queued = daily.engine().queue_run(&daily.world.account_id, &daily.source.id, order).await;
    let queued = queued.expect("is queued");
    daily.later(UNTIL_DUE).await;
    daily.patch(&json!({ "schedule": { "enabled": false } })).await;
    let shown = daily.world.administrator().await.get(&daily.path).await.ok();
    assert_eq!(shown["queued_run"], json!(queued.id));
    assert_eq!(shown["schedule"]["waiting"]["run_id"], json!(queued.id));
}

#[tokio::test]
async fn a_run_that_waits_was_not_shown_once_the_schedule_was_to_begin_later() {
    let daily = Daily::start().await;
    daily.later(UNTIL_DUE).await;
    let run = Daily::only(daily.runs().await);
    daily.patch(&json!({ "schedule": { "start": "2027-01-01", "at": "02:00" } })).await;
    let waiting = daily.schedule().await["waiting"].clone();
    assert_eq!((&waiting["code"], &waiting["run_id"]), (&json!("no-agent"), &run["id"]), "{waiting}");
    assert_eq!(waiting["due"], DUE);
    assert_eq!(Daily::only(daily.runs().await)["state"], "queued");
}

/// The alert had fired for ever for a weekly schedule without a fault, and not for a run that failed.
#[tokio::test]
async fn of_a_run_that_was_due_is_told_for_how_long_nothing_came_of_it() {
    let daily = Daily::start().await;
    let unapplied = async || {
        let metrics = daily.world.anonymous().get("/../../metrics").await.ok();
        let line = format!("adc_due_run_unapplied_seconds{{synchronization=\"{}\"}} ", daily.source.id);
        metrics.as_str()?.lines().find_map(|found| found.strip_prefix(&line)).map(str::to_owned)
    };
    assert_eq!(unapplied().await.as_deref(), Some("0"), "nothing was due yet");
    daily.later(UNTIL_DUE).await;
    let run = Daily::only(daily.runs().await);
    daily.world.pass_time(HOUR);
    assert_eq!(unapplied().await.as_deref(), Some("3600.000"), "it waits");
    let opened = daily.open(&run).await;
    let fails = json!({ "error": { "code": "directory-unreachable", "message": "nobody listens" } });
    let abort = format!("/agent/runs/{}/abort", opened.run_id);
    daily.world.agent(&daily.source).post(&abort, &fails).await.ok();
    daily.world.pass_time(HOUR);
    assert_eq!(unapplied().await.as_deref(), Some("7200.000"), "it has failed");
    daily.world.import(&daily.source, &[person("jane")]).await;
    assert_eq!(unapplied().await.as_deref(), Some("0"), "another run did for it");
    daily.later(DAY).await;
    daily.world.pass_time(HOUR);
    assert_ne!(unapplied().await.as_deref(), Some("0"), "the next one waits");
    let next = daily.schedule().await["last"]["run_id"].clone();
    let cancel = format!("/runs/{}/cancel", next.as_str().expect("an id"));
    daily.world.administrator().await.post(&cancel, &json!({})).await.ok();
    assert_eq!(unapplied().await.as_deref(), Some("0"), "somebody has decided");
    daily.patch(&json!({ "schedule": { "enabled": false } })).await;
    assert_eq!(unapplied().await, None);
}

#[tokio::test]
async fn a_renamed_synchronization_keeps_what_is_due() {
    let daily = Daily::start().await;
    daily.world.pass_time(UNTIL_DUE);
    daily.patch(&json!({ "name": "renamed", "settings": { "no-delete": true } })).await;
    daily.look().await;
    Daily::only(daily.runs().await);
}

#[tokio::test]
async fn the_server_itself_looks_when_a_schedule_was_changed_or_a_run_has_ended() {
    let daily = Daily::start().await;
    let opened = daily.world.agent(&daily.source).open(false).await;
    daily.world.pass_time(UNTIL_DUE);
    daily.world.carry_out(&daily.world.agent(&daily.source), &opened, &[]).await;
    // Nobody looks here but the server's own task: it has to, or this never ends.
    while daily.runs().await.is_empty() {}
    Daily::only(daily.runs().await);
}
