//! Plans that were never applied: how long their lines are kept.

use crate::{
    guards::without,
    polled::polled,
    world::{Directory, World},
};
use adc_core::{protocol::RunState, settings::Settings};
use adc_server::store::{ChangesFilter, Editable, Synchronization, UNAPPLIED_PLANS_KEPT};
use std::time::Duration;

const PEOPLE: usize = 120;

/// Far more polls than it takes.
const POLLS: usize = 10_000;

impl World {
    /// Lines of a run's plan.
    async fn lines(&self, run_id: &str) -> usize {
        let all = ChangesFilter::default();
        self.store.changes(&self.agent.account_id, run_id, &all, i64::MIN, 10_000).await.expect("reads").len()
    }

    async fn says_forgotten(&self, run_id: &str) -> bool {
        let run = self.store.run(&self.agent.account_id, run_id).await.expect("reads").expect("is kept");
        assert!(run.counts.is_some(), "the run stays, with its counts");
        run.lines_forgotten
    }

    /// Previews so often, each a moment after the one before; the runs, the oldest first.
    async fn preview_often(&self, directory: &Directory, times: usize) -> Vec<String> {
        let mut previews = Vec::new();
        for _ in 0..times {
            self.pass_time(1);
            previews.push(self.preview(directory).await.expect("previews").run_id);
        }
        previews
    }

    /// Waits until the control plane, by itself, has deleted the lines of a run.
    async fn forgot(&self, run_id: &str) {
        self.lost_lines(run_id).await;
        assert!(self.says_forgotten(run_id).await);
    }

    async fn lost_lines(&self, run_id: &str) {
        let gone = async {
            while self.lines(run_id).await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), gone).await.expect("the lines are forgotten");
    }

    /// Bytes of the database, without what waits in its log.
    async fn bytes(&self) -> i64 {
        self.store.gauges().await.expect("counts").bytes["main"]
    }
}

#[tokio::test]
async fn previews_piled_up_without_end() {
    let world = World::new().await;
    let directory = Directory::people(PEOPLE);
    let kept = usize::from(UNAPPLIED_PLANS_KEPT);
    let before = world.bytes().await;
    let mut previews = world.preview_often(&directory, kept).await;
    let a_plan = (world.bytes().await - before) / i64::from(UNAPPLIED_PLANS_KEPT);
    for more in 0..3 {
        previews.extend(world.preview_often(&directory, 1).await);
        world.forgot(&previews[more]).await;
    }
    for preview in previews.iter().rev().take(kept) {
        assert_eq!((world.lines(preview).await, world.says_forgotten(preview).await), (PEOPLE, false));
    }
    let full = world.bytes().await;
    for more in 3..3 + 2 * kept {
        previews.extend(world.preview_often(&directory, 1).await);
        world.forgot(&previews[more]).await;
    }
    let grown = world.bytes().await - full;
    assert!(grown < 2 * a_plan, "{grown} bytes for {} previews of {a_plan} bytes", 2 * kept);
}

#[tokio::test]
async fn plans_that_were_applied_or_wait_keep_their_lines_and_one_turned_down_counts_from_its_end() {
    let world = World::new().await;
    let directory = Directory::people(PEOPLE);
    let applied = world.import(&directory).await.expect("imports").run_id;
    let fewer = without(&directory, 20);
    let held = world.import(&fewer).await.expect("runs");
    assert_eq!(held.state, RunState::Held);
    let times = usize::from(UNAPPLIED_PLANS_KEPT) + 2;
    let previews = world.preview_often(&fewer, times).await;
    world.forgot(&previews[1]).await;
    for (run, lines) in [(&applied, PEOPLE), (&held.run_id, 20)] {
        assert_eq!((world.lines(run).await, world.says_forgotten(run).await), (lines, false));
    }

    world.pass_time(1);
    world.engine.reject(&world.agent.account_id, &held.run_id).await.expect("is rejected");
    world.forgot(&previews[2]).await;
    assert_eq!(world.lines(&held.run_id).await, 20, "nobody has turned down anything later");
    let held = world.import(&fewer).await.expect("runs").run_id;
    world.engine.approve(&world.agent.account_id, &held).await.expect("is approved");
    let previews = world.preview_often(&directory, times).await;
    world.forgot(&previews[1]).await;
    assert_eq!(world.lines(&held).await, 20);
}

#[tokio::test]
async fn lines_stayed_for_ever_when_the_process_died_while_they_were_forgotten() {
    let world = World::new().await;
    let directory = Directory::people(PEOPLE);
    world.import(&directory).await.expect("imports");
    let old = world.import(&without(&directory, 20)).await.expect("runs").run_id;
    let previews = world.preview_often(&directory, usize::from(UNAPPLIED_PLANS_KEPT)).await;
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let turned_down = world.store.end_run(account_id, &old, RunState::Held, RunState::Rejected, None, 0);
    assert!(turned_down.await.expect("is turned down"));
    let mut polls = 0;
    while !world.says_forgotten(&old).await {
        assert!(polls < POLLS, "nothing is forgotten");
        polls += 1;
        if let Some(forgot) = polled(polls, world.store.forget_lines(account_id, id)).await {
            forgot.expect("forgets");
        }
    }
    let stranger = world.stranger().await;
    world
        .store
        .forget_lines(&stranger.account_id, &stranger.synchronization_id)
        .await
        .expect("goes on where that ended");
    world.forgot(&old).await;
    assert!(!world.says_forgotten(&previews[0]).await);
}

#[tokio::test]
async fn what_a_run_planned_that_failed_stayed_until_another_went_well() {
    let world = World::new().await;
    let directory = Directory::people(PEOPLE);
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send(&opened, &directory).await.expect("sends");
    let switched = |current: &Synchronization| {
        let settings = Settings { create_as_disabled: Some(true), ..Settings::default() };
        Ok::<_, ()>(Editable { settings, ..current.editable() })
    };
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    world.store.edit_synchronization(account_id, id, 0, switched).await.expect("edits");
    let failed = world.finish(&opened.run_id, &directory, receipt).await.expect_err("fails");
    assert_eq!(failed.code(), "settings-changed");
    world.lost_lines(&opened.run_id).await;
}
