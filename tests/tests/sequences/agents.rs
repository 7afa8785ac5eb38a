//! Two agents at once: of one synchronization, each with switches of its own, and of two that claim the same names.

use std::thread;

use adc_core::protocol::{OpenRun, RunState};
use adc_core::record::{Kind, Record};
use adc_core::settings::{Origin, Settings, Switch};
use adc_tests::ControlPlane;
use adc_tests::by_hand::{ByHand, person};

/// What the adc.yaml of each says of `no-create`.
const NO_CREATE: [Option<bool>; 2] = [Some(true), None];

/// Names that two directories claim: enough for plans that take a while.
const NAMES: u64 = 500;

#[test]
fn of_two_agents_with_different_switches_one_runs_and_each_by_its_own() {
    let control_plane = ControlPlane::start();
    let synchronization = control_plane.synchronization("LG");
    let company: [Record; 2] = ["jane", "max"].map(|name| person(name, &format!("{name}@lg.local")));
    let agent = |run| ByHand::new(&control_plane, &synchronization, run);

    let mut agents = [agent(1), agent(2)];
    let answers = thread::scope(|scope| {
        let [one, other] = [0, 1].map(|which| {
            let agent = &agents[which];
            scope.spawn(move || agent.send("", &opening(agent, NO_CREATE[which])))
        });
        [one, other].map(|opening| opening.join().expect("no agent panics"))
    });
    let first = answers.iter().position(|answer| answer.status == 200).expect("one of them runs");
    let second = 1 - first;
    assert_eq!(answers[second].problem(), (409, "run-active"));
    assert_eq!(answers[second].body["run_id"], agents[first].run_id());

    let report = agents[first].read(&company);
    assert_eq!((report.state, report.settings.no_create), (RunState::Applied, in_force(first)));
    agents[second].send("", &opening(&agents[second], NO_CREATE[second])).ok();
    let report = agents[second].read(&company);
    assert_eq!((report.state, report.settings.no_create), (RunState::Applied, in_force(second)));
    // Whoever may create did, first or second.
    assert_eq!(control_plane.api(&synchronization).all("/users").len(), company.len());
}

#[test]
fn of_two_directories_that_claim_the_same_names_at_once_each_name_goes_to_one() {
    let control_plane = ControlPlane::start();
    let synchronization = control_plane.synchronization("North");
    let other = control_plane.synchronization_of(&synchronization.account_id, "South");
    let api = control_plane.api(&synchronization);
    let company: Vec<Record> =
        (0..NAMES).map(|number| person(&format!("p{number}"), &format!("user{number}@lg.local"))).collect();

    let agents = [(&synchronization, 1), (&other, 2)].map(|(synchronization, run)| {
        let mut agent = ByHand::new(&control_plane, synchronization, run);
        agent.open();
        agent.digests(Kind::User, &company);
        agent.records(company.clone());
        agent
    });
    let reports = thread::scope(|scope| {
        let [one, other] = [0, 1].map(|which| {
            scope.spawn({
                let (agent, company) = (&agents[which], &company);
                move || agent.finish(company)
            })
        });
        [one, other].map(|finishing| finishing.join().expect("no agent panics"))
    });
    // Whoever planned on the people of before had to plan again.
    let mut counts = reports.map(|report| {
        assert_eq!(report.state, RunState::Applied, "{report:?}");
        (report.counts.create, report.counts.conflict)
    });
    counts.sort_unstable();
    assert_eq!(counts, [(0, NAMES), (NAMES, 0)]);
    assert_eq!(api.all("/users").len() as u64, NAMES);
}

fn opening(agent: &ByHand, no_create: Option<bool>) -> OpenRun {
    OpenRun { settings: Settings { no_create, ..Settings::default() }, ..agent.open_request() }
}

fn in_force(which: usize) -> Switch {
    match NO_CREATE[which] {
        Some(value) => Switch { value, origin: Origin::Client },
        None => Switch { value: false, origin: Origin::Default },
    }
}
