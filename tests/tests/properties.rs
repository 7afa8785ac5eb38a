//! What must hold for any company and any order of events: sequences of changes, switches, runs and crashes, against a
//! real control plane.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use adc_core::protocol::{Finish, Next, RunReport, RunState};
use adc_core::record::{Kind, Record};
use adc_tests::by_hand::{ByHand, changes_nothing, looked_up, person};
use adc_tests::{Answer, Api, ControlPlane, Synchronization};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// How many sequences are tried.
const SEQUENCES: u32 = 256;

/// People a company may have; the first never leaves, since a directory without anybody is an error.
const PEOPLE: usize = 6;

/// A person as the directory has them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Employee {
    /// Which user name: nobody else of the directory has the same.
    name: usize,
    title: Option<u8>,
    active: bool,
}

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    Join {
        who: usize,
        title: Option<u8>,
    },
    Leave {
        who: usize,
    },
    Retitle {
        who: usize,
        title: Option<u8>,
    },
    Lock {
        who: usize,
    },
    /// Two people swap their user names, or somebody gets the name of somebody who is not there.
    Swap {
        who: usize,
        other: usize,
    },
    /// The server's value of `dry-run`, `no-create`, `no-update` or `no-delete`.
    Switch {
        which: usize,
        on: bool,
    },
    Run(Shape),
}

/// How a run goes: none of it may make a difference.
#[derive(Clone, Debug)]
struct Shape {
    /// The entry with which the directory begins.
    first: usize,
    /// Entries per batch.
    batch: usize,
    /// Whether the last batch is sent first.
    backwards: bool,
    /// Whether every request is sent again, as after a lost answer.
    twice: bool,
    /// Where the control plane is killed.
    crash: Option<Crash>,
}

#[derive(Clone, Copy, Debug)]
enum Crash {
    /// Before this request of the run.
    Before(usize),
    /// This long after `finish` was sent.
    Finishing(Duration),
}

const SWITCHES: [&str; 4] = ["dry-run", "no-create", "no-update", "no-delete"];

#[test]
fn any_sequence_of_changes_switches_runs_and_crashes_ends_in_the_desired_state() {
    let control_plane = RefCell::new(ControlPlane::start());
    let sequences = Cell::new(0);
    let config =
        Config { cases: SEQUENCES, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let sequence = prop::collection::vec(event(), 1..10);
    let result = TestRunner::new(config).run(&sequence, |events| {
        sequences.set(sequences.get() + 1);
        Sequence::new(&mut control_plane.borrow_mut(), sequences.get()).play(&events);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

fn event() -> impl Strategy<Value = Event> {
    let title = || prop::option::of(0..3_u8);
    prop_oneof![
        3 => (0..PEOPLE, title()).prop_map(|(who, title)| Event::Join { who, title }),
        2 => (1..PEOPLE).prop_map(|who| Event::Leave { who }),
        2 => (0..PEOPLE, title()).prop_map(|(who, title)| Event::Retitle { who, title }),
        1 => (0..PEOPLE).prop_map(|who| Event::Lock { who }),
        2 => (0..PEOPLE, 0..PEOPLE).prop_map(|(who, other)| Event::Swap { who, other }),
        3 => (0..SWITCHES.len(), any::<bool>()).prop_map(|(which, on)| Event::Switch { which, on }),
        6 => shape().prop_map(Event::Run),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let crash = prop_oneof![
        5 => Just(None),
        2 => (0..8_usize).prop_map(|request| Some(Crash::Before(request))),
        1 => (0..40_u64).prop_map(|time| Some(Crash::Finishing(Duration::from_millis(time)))),
    ];
    (0..PEOPLE, 1..=PEOPLE, any::<bool>(), any::<bool>(), crash)
        .prop_map(|(first, batch, backwards, twice, crash)| Shape { first, batch, backwards, twice, crash })
}

/// One company and its account.
struct Sequence<'a> {
    control_plane: &'a mut ControlPlane,
    synchronization: Synchronization,
    api: Api,
    /// By source id. Who is not there keeps the name.
    company: BTreeMap<usize, Employee>,
    names: [usize; PEOPLE],
    switches: [bool; SWITCHES.len()],
    runs: u64,
}

impl<'a> Sequence<'a> {
    fn new(control_plane: &'a mut ControlPlane, number: u32) -> Self {
        let synchronization = control_plane.synchronization(&format!("sequence {number}"));
        let api = control_plane.api(&synchronization);
        let company = BTreeMap::from([(0, Employee { name: 0, title: None, active: true })]);
        let names = std::array::from_fn(|who| who);
        Self { control_plane, synchronization, api, company, names, switches: Default::default(), runs: 0 }
    }

    fn play(mut self, events: &[Event]) {
        for event in events {
            self.happen(event);
        }
        // Without the switches the next run ends where runs without them would have.
        for which in 0..SWITCHES.len() {
            self.happen(&Event::Switch { which, on: false });
        }
        let plain = Shape { first: 0, batch: PEOPLE, backwards: false, twice: false, crash: None };
        self.happen(&Event::Run(plain));
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Join { who, title } => {
                let name = self.names[who];
                self.company.entry(who).or_insert(Employee { name, title, active: true });
            }
            Event::Leave { who } => drop(self.company.remove(&who)),
            Event::Retitle { who, title } => self.change(who, |employee| employee.title = title),
            Event::Lock { who } => self.change(who, |employee| employee.active = !employee.active),
            Event::Swap { who, other } => {
                self.names.swap(who, other);
                let names = self.names;
                for one in [who, other] {
                    self.change(one, |employee| employee.name = names[one]);
                }
            }
            Event::Switch { which, on } => {
                self.switches[which] = on;
                let path = format!("/synchronizations/{}", self.synchronization.id);
                self.api.patch(&path, &json!({ "settings": { SWITCHES[which]: on } })).ok();
            }
            Event::Run(ref shape) => self.run_and_check(shape),
        }
    }

    fn change(&mut self, who: usize, change: impl FnOnce(&mut Employee)) {
        if let Some(employee) = self.company.get_mut(&who) {
            change(employee);
        }
    }

    fn run_and_check(&mut self, shape: &Shape) {
        let before = self.users();
        let [dry, no_create, no_update, no_delete] = self.switches;

        // A preview first: it changes nothing, and the run does what it said.
        let preview = self.run(shape, true);
        assert_eq!(preview.state, RunState::Previewed);
        assert_eq!(self.users(), before, "a preview changed something");
        let report = self.run(shape, false);
        assert_eq!(report.counts, preview.counts, "the run did not do what its preview said");
        let after = self.users();

        if dry {
            assert_eq!((report.state, &after), (RunState::Previewed, &before));
            return;
        }
        assert_eq!(report.state, RunState::Applied);
        for (source_id, user) in &before {
            match after.get(source_id) {
                None => assert!(!no_delete, "{user} was removed in spite of no-delete"),
                Some(now) => {
                    assert_eq!(now["id"], user["id"], "somebody became another user");
                    let same = now["username"] == user["username"] && now["fields"] == user["fields"];
                    assert!(same || !no_update, "{user} became {now} in spite of no-update");
                }
            }
        }
        let came = after.keys().find(|source_id| !before.contains_key(*source_id));
        assert!(came.is_none() || !no_create, "{came:?} came in spite of no-create");

        if !no_create && !no_update && !no_delete {
            assert_eq!(shown(&after), self.desired());
            let again = self.run(shape, true);
            assert!(changes_nothing(&again), "what was just applied is planned again: {again:?}");
        }
    }

    /// Active and disabled users by source id.
    fn users(&self) -> BTreeMap<String, Value> {
        let source_id = |user: &Value| {
            user["provider"]["source_id"].as_str().expect("all come from the directory").to_owned()
        };
        self.api.all("/users").into_iter().map(|user| (source_id(&user), user)).collect()
    }

    /// What the account should show of each person.
    fn desired(&self) -> BTreeMap<String, (String, Value, String)> {
        let one = |(who, employee): (&usize, &Employee)| {
            let title = employee.title.map_or(Value::Null, |title| Value::from(format!("title {title}")));
            let status = if employee.active { "active" } else { "disabled" };
            (who.to_string(), (username(employee.name), title, status.to_owned()))
        };
        self.company.iter().map(one).collect()
    }

    fn directory(&self, first: usize) -> Vec<Record> {
        let record = |(who, employee): (&usize, &Employee)| {
            let mut record = person(&who.to_string(), &username(employee.name));
            record.active = employee.active;
            if let Some(title) = employee.title {
                record.fields.insert("title".to_owned(), format!("title {title}").as_str().into());
            }
            record
        };
        let mut records: Vec<Record> = self.company.iter().map(record).collect();
        let first = first % records.len();
        records.rotate_left(first);
        records
    }

    /// One run, again from the beginning when a crash cost it its place.
    fn run(&mut self, shape: &Shape, dry_run: bool) -> RunReport {
        let directory = self.directory(shape.first);
        if let Some(report) = self.attempt(shape, &directory, dry_run) {
            return report;
        }
        let calm = Shape { crash: None, ..shape.clone() };
        self.attempt(&calm, &directory, dry_run).expect("nothing takes the place of a run without a crash")
    }

    /// One run; nothing if it lost its place.
    fn attempt(&mut self, shape: &Shape, directory: &[Record], dry_run: bool) -> Option<RunReport> {
        self.runs += 1;
        let mut agent = ByHand::new(self.control_plane, &self.synchronization, self.runs);
        let mut requests = 0;
        let mut send = |agent: &ByHand, action: &str, body: Value| -> Option<Answer> {
            if matches!(shape.crash, Some(Crash::Before(request)) if request == requests) {
                self.control_plane.restart();
            }
            requests += 1;
            let answer = agent.send(action, &body);
            if shape.twice && answer.status == 200 {
                assert_eq!(agent.send(action, &body), answer, "the same request got another answer");
            }
            (answer.status == 200).then_some(answer)
        };

        let open = adc_core::protocol::OpenRun { dry_run, ..agent.open_request() };
        send(&agent, "", to_json(&open))?;
        let mut batches: Vec<_> = directory
            .chunks(shape.batch)
            .map(|chunk| (agent.digest_batch(Kind::User, chunk), chunk))
            .collect();
        if shape.backwards {
            batches.reverse();
        }
        for (batch, chunk) in &batches {
            let answer = send(&agent, "/digests", to_json(batch))?;
            let wanted = answer.body["wanted"].as_array().expect("positions").clone();
            let position = |at: &Value| usize::try_from(at.as_u64().expect("a position")).expect("it fits");
            let records: Vec<Record> = wanted.iter().map(|at| chunk[position(at)].clone()).collect();
            if !records.is_empty() {
                let batch = agent.record_batch(records);
                send(&agent, "/records", to_json(&batch))?;
            }
        }

        let finish = to_json(&Finish { receipt: agent.receipt() });
        if let Some(Crash::Finishing(after)) = shape.crash {
            thread::scope(|scope| {
                scope.spawn(|| agent.try_send("/finish", &finish));
                let started = Instant::now();
                while started.elapsed() < after {
                    std::hint::spin_loop();
                }
                self.control_plane.kill();
            });
            self.control_plane.restart();
        }
        let mut answer = agent.send("/finish", &finish);
        loop {
            if answer.status != 200 {
                return None;
            }
            match serde_json::from_value(answer.body).expect("an answer to finish") {
                Next::Done { report } => return Some(*report),
                Next::Wait => answer = agent.send("/finish", &finish),
                Next::Confirm(doubts) => answer = agent.send("/confirm", &looked_up(&doubts, directory)),
            }
        }
    }
}

fn username(name: usize) -> String {
    format!("user{name}@lg.local")
}

fn shown(users: &BTreeMap<String, Value>) -> BTreeMap<String, (String, Value, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let one =
        |user: &Value| (text(&user["username"]), user["fields"]["title"].clone(), text(&user["status"]));
    users.iter().map(|(source_id, user)| (source_id.clone(), one(user))).collect()
}

fn to_json(body: &impl serde::Serialize) -> Value {
    serde_json::to_value(body).expect("the protocol's types are JSON")
}
