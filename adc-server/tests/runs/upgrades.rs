//! A control plane of another version makes its tables of what runs have sent anew: what was in them is lost.

use adc_core::protocol::{Abort, Finish, Next, RUN_LOST, RunError, RunState};

use crate::world::{Directory, World, look_up};

impl World {
    /// Ends the control plane and starts that of another version.
    async fn upgrade(&mut self, run_id: &str) {
        self.store.clear_staging(run_id).await.expect("is lost");
        self.restart().await;
    }
}

fn without_twenty_of(directory: &Directory) -> Directory {
    let mut less = directory.clone();
    for number in 0..20 {
        less.remove(&format!("{number:05}"));
    }
    less
}

#[tokio::test]
async fn a_held_plan_that_an_upgrade_lost_blamed_the_accounts_people() {
    let mut world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let held = world.import(&without_twenty_of(&directory)).await.expect("runs");
    assert_eq!(held.state, RunState::Held);
    world.upgrade(&held.run_id).await;
    let refused = world.engine.approve(&world.agent.account_id, &held.run_id).await.expect_err("is stale");
    assert_eq!(refused.code(), "plan-stale");
    assert!(refused.to_string().contains("upgraded"), "{refused}");
}

#[tokio::test]
async fn everybody_was_looked_up_after_an_upgrade_between_a_question_and_its_answer() {
    let mut world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    let less = without_twenty_of(&directory);
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send(&opened, &less).await.expect("sends");
    let asked = world.engine.finish(&world.agent, &opened.run_id, &Finish { receipt }).await.expect("asks");
    let Next::Confirm(doubts) = asked else { panic!("{asked:?}") };
    world.upgrade(&opened.run_id).await;
    let answer = look_up(&less, &doubts);
    let refused = world.engine.confirm(&world.agent, &opened.run_id, answer).await.expect_err("is lost");
    assert_eq!(refused.code(), "batch-missing");
    // The agent says so, and the run is taken up again by whoever asked for it.
    let error = RunError { code: RUN_LOST.to_owned(), message: "is lost".to_owned() };
    world.engine.abort(&world.agent, &opened.run_id, &Abort { error }).await.expect("ends it");
    let run =
        world.store.run(&world.agent.account_id, &opened.run_id).await.expect("reads").expect("is there");
    assert_eq!(run.state, RunState::Interrupted);
}
