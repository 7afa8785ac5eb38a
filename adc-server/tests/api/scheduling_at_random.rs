//! Random days of a schedule: a clock that goes on and is set back by hours, restarts, runs that end or do not.

use adc_core::{
    protocol::{RunError, RunState},
    schedule::Schedule,
    settings::Settings,
};
use adc_server::{
    admin::{
        accounts,
        synchronizations::{self, Wishes},
    },
    clock::{Clock, Millis},
    runs::{AgentIdentity, Engine},
    scheduler::Scheduler,
    store::Store,
};
use jiff::Timestamp;
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// 2026-03-20, some days before the clocks of Berlin are put forward.
const START: Millis = 1_774_000_000_000;
const HOUR: Millis = 3_600_000;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// Time goes on by so much, and the clock is wrong by so much.
    Later { by: Millis, behind: Millis },
    /// The control plane looks.
    Look,
    /// It is started again.
    Restart,
    /// The run that waits has ended.
    End,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..30 * HOUR, 0..12 * HOUR).prop_map(|(by, behind)| Step::Later { by, behind }),
        2 => (0..30 * HOUR).prop_map(|by| Step::Later { by, behind: 0 }),
        4 => Just(Step::Look),
        1 => Just(Step::Restart),
        2 => Just(Step::End),
    ]
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let repeat = prop_oneof![
        Just(r#"{"kind":"daily"}"#),
        Just(r#"{"kind":"weekly","days":["monday","sunday"]}"#),
        Just(r#"{"kind":"every-days","n":2}"#),
    ];
    let at = prop_oneof![Just("02:30"), Just("00:00"), Just("13:37:01")];
    (repeat, at).prop_map(|(repeat, at)| {
        let text =
            format!(r#"{{"repeat":{repeat},"start":"2026-01-01","at":"{at}","time_zone":"Europe/Berlin"}}"#);
        serde_json::from_str(&text).expect("a schedule")
    })
}

async fn play(schedule: Schedule, steps: &[Step]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("adc.db").display());
    let store = Store::open(&url, None).await.expect("opens");
    let time = Arc::new(AtomicI64::new(START));
    let clock = Clock::from_fn({
        let time = Arc::clone(&time);
        move || time.load(Ordering::SeqCst)
    });
    let account_id = accounts::create(&store, &clock, "acme").await.expect("is made").id;
    let wishes = Wishes {
        name: "lg".to_owned(),
        settings: Settings::default(),
        policy: None,
        schedule: Some(schedule.clone()),
    };
    let made = synchronizations::create(&store, &clock, &account_id, wishes).await.expect("is made");
    let agent = AgentIdentity { account_id, synchronization_id: made.synchronization.id };
    let engine = Engine::new(store.clone(), clock.clone(), "");
    let start = || Scheduler::new(engine.clone(), store.clone(), clock.clone());
    let timetable = schedule.timetable().expect("possible");

    let mut scheduler = start();
    let mut right = START;
    let mut became = BTreeMap::new();
    for step in steps {
        match step {
            Step::Later { by, behind } => {
                right += by;
                time.store(right - behind, Ordering::SeqCst);
                continue;
            }
            Step::Restart => scheduler = start(),
            Step::Look => {}
            Step::End => {
                let queued = store.synchronization(&agent.account_id, &agent.synchronization_id).await;
                if let Some(run) = queued.expect("reads").expect("is there").queued_run {
                    let error = RunError { code: "x".to_owned(), message: "x".to_owned() };
                    engine.fail_queued(&agent, &run, &error).await.expect("ends");
                }
                continue;
            }
        }
        scheduler.look().await.expect("looks");
        let seen = store.synchronization(&agent.account_id, &agent.synchronization_id).await;
        let seen = seen.expect("reads").expect("is there");
        if let Some(last) = &seen.last_due {
            let before = became.insert(last.due, last.run_id.clone());
            prop_assert!(before.is_none_or(|before| before == last.run_id), "{} became two runs", last.due);
        }
        let now = Timestamp::from_millisecond(clock.now()).expect("a time");
        let due = timetable.latest_until(now).map(Timestamp::as_millisecond).filter(|due| *due > START);
        let latest = became.keys().next_back().copied();
        prop_assert!(due <= latest, "{due:?} was due and became nothing; the last was {latest:?}");
    }
    let all = store.runs(&agent.account_id, &agent.synchronization_id, None, 500).await.expect("reads");
    let named: BTreeSet<_> = became.into_values().collect();
    prop_assert_eq!(all.len(), named.len(), "each run is what some time became");
    prop_assert!(all.iter().all(|run| matches!(run.state, RunState::Queued | RunState::Failed)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_time_that_is_due_becomes_one_run(
        schedule in any_schedule(),
        steps in proptest::collection::vec(any_step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(schedule, &steps))?;
    }
}
