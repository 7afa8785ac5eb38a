//! A big apply does not keep others waiting: reads are answered and other accounts' batches taken while it goes on.

use std::thread;

use adc_core::protocol::RunState;
use adc_core::record::{Kind, Record};
use adc_tests::by_hand::{ByHand, person};
use adc_tests::{Api, ControlPlane};
use serde_json::json;

/// People of the big import: its apply takes a hundred times as long as what must not wait for it.
const PEOPLE: usize = 100_000;
/// People in a batch of it.
const BATCH: usize = 2_000;
/// People in a batch of the other account.
const FEW: usize = 10;

#[test]
fn reads_and_other_accounts_batches_go_on_while_a_big_plan_is_applied() {
    let control_plane = ControlPlane::start();
    let [big, small] = ["big", "small"].map(|name| control_plane.synchronization(name));
    let [big_api, small_api] = [&big, &small].map(|synchronization| control_plane.api(synchronization));
    let company: Vec<Record> = (0..PEOPLE).map(one).collect();

    let mut agent = ByHand::new(&control_plane, &big, 1);
    agent.open();
    for batch in company.chunks(BATCH) {
        agent.digests(Kind::User, batch);
        agent.records(batch.to_vec());
    }
    let mut other = ByHand::new(&control_plane, &small, 2);
    other.open();

    let (mut reads, mut batches) = (0, 0);
    let (report, others) = thread::scope(|scope| {
        let finishing = scope.spawn(|| agent.finish(&company));
        wait_for_the_plan(&big_api, agent.run_id());
        let mut others = Vec::new();
        // Whatever is answered before the run is seen to go on still was answered in the midst of the apply.
        loop {
            let seen = [&big_api, &small_api].map(|api| api.get("/users").ok()["items"].clone());
            if !is_running(&big_api, agent.run_id()) {
                break;
            }
            assert!(seen.iter().all(|users| *users == json!([])), "some of the plan is seen too early");
            reads += 2;
            let few: Vec<Record> = (0..FEW).map(|number| one(others.len() + number)).collect();
            assert_eq!(other.digests(Kind::User, &few).len(), FEW);
            other.records(few.clone());
            others.extend(few);
            if !is_running(&big_api, agent.run_id()) {
                break;
            }
            batches += 2;
        }
        (finishing.join().expect("the agent does not panic"), others)
    });
    assert!(reads > 0 && batches > 0, "nothing was answered in the midst: {reads} reads, {batches} batches");
    assert_eq!((report.state, report.counts.create), (RunState::Applied, PEOPLE as u64));
    assert_eq!(other.finish(&others).counts.create, others.len() as u64);
}

/// The last line of the plan is there: what remains is to apply it.
fn wait_for_the_plan(api: &Api, run_id: &str) {
    let line = format!("/runs/{run_id}/changes?q={}", one(PEOPLE - 1).source_id);
    while api.get(&line).ok()["items"] == json!([]) {
        assert!(is_running(api, run_id), "the run ended before its plan was seen");
    }
}

fn is_running(api: &Api, run_id: &str) -> bool {
    api.get(&format!("/runs/{run_id}")).ok()["state"] == "running"
}

fn one(number: usize) -> Record {
    person(&format!("p{number:06}"), &format!("user{number:06}@lg.local"))
}
