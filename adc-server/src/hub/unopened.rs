//! Runs that were handed to an agent and not opened yet: it holds on to them as to the lease of a run that is open, by being heard of.

use super::{Hub, link::Link};
use adc_core::protocol::{
    LEASE_SECONDS, RunState,
    link::{CloseCode, ServerMessage},
};
use std::{sync::Arc, time::Duration};

/// Whoever has a run and has said nothing for so long is pinged at every look: its link answers whatever its directory does.
const PING_AFTER: Duration = Duration::from_secs(3);
/// What is left of the lease when it is asked for the last time.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);
/// Whoever has a run and has said nothing for so long is asked for the last time.
const SILENT_AFTER: Duration = Duration::from_secs(LEASE_SECONDS).saturating_sub(LAST_WORD_WITHIN);

impl Hub {
    /// Pings the agents that have runs, and takes a run that waits to be opened from one that does not answer.
    pub(super) fn look_after_unopened(&self) {
        let now = self.0.clock.steady();
        for link in self.links_with_runs() {
            let silence = link.was_silent_for(now);
            if silence >= SILENT_AFTER {
                let hub = self.clone();
                tokio::spawn(async move { hub.hear_last_word(&link).await });
            } else if silence >= PING_AFTER {
                link.tell(ServerMessage::Ping);
            }
        }
    }

    /// Ends the link of an agent that does not answer while a run waits to be opened by it, and has another do the run. When it comes
    /// back it may open the run all the same, unless that was done: a run is opened by one process.
    async fn hear_last_word(&self, link: &Arc<Link>) {
        let Some(run_id) = self.unopened_run_of(link).await else { return };
        if self.is_awake(&link.synchronization, link.instance(), LAST_WORD_WITHIN).await || !self.stands(link)
        {
            return;
        }
        link.close(CloseCode::Silent, None);
        self.leave(link);
        let is_alone = self.links_of(&link.synchronization).is_empty();
        let next = if is_alone { "it waits until one is connected" } else { "another is asked" };
        tracing::warn!(
            run.id = %run_id, agent.host = link.host(),
            "an agent fell silent for {LEASE_SECONDS} seconds before it began a run; {next}"
        );
    }

    /// The run that was handed to the agent and still waits.
    async fn unopened_run_of(&self, link: &Link) -> Option<String> {
        for run_id in link.runs() {
            match self.0.store.run(&link.synchronization.account_id, &run_id).await {
                Ok(Some(run)) if run.state == RunState::Queued => return Some(run_id),
                Ok(_) => {}
                // The next look tries again.
                Err(error) => {
                    tracing::error!(run.id = %run_id, "it cannot be read whether a run waits: {error:#}");
                }
            }
        }
        None
    }

    fn links_with_runs(&self) -> Vec<Arc<Link>> {
        self.lock().values().flatten().filter(|link| link.is_busy()).cloned().collect()
    }

    fn stands(&self, link: &Arc<Link>) -> bool {
        self.links_of(&link.synchronization).iter().any(|other| Arc::ptr_eq(other, link))
    }
}
