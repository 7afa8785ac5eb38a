//! What becomes of a run whose agent could not begin it: another agent is asked, each once, before the run has failed.

use super::{
    Hub,
    link::{BEGIN_WITHIN, Link},
};
use adc_core::protocol::{
    RunError,
    link::{Request, RunEnded, ServerMessage},
};
use std::sync::Arc;

/// How the codes begin that an agent has for a directory which it cannot reach or work with.
const DIRECTORY_TROUBLE: &str = "directory-";
/// The directory does not let the agent sign in: what is written in its own adc.yaml may be wrong.
const BIND_REFUSED: &str = "bind-refused";
/// The agent was told to give the run up.
const INTERRUPTED: &str = "interrupted";
/// The run's error when its agent accepted it and did nothing.
const NOT_BEGUN: &str = "run-not-begun";

impl Hub {
    /// An agent says that a run is over.
    pub(super) fn run_ended(&self, link: &Arc<Link>, ended: RunEnded) {
        let RunEnded { run_id, error } = ended;
        let cut_off = error.as_ref().is_some_and(is_directory_trouble);
        match error {
            None => link.reaches_directory(),
            Some(_) if cut_off => link.is_cut_off(self.0.clock.steady()),
            Some(_) => {}
        }
        let was_its_own = link.clear_run(&run_id);
        match error {
            // One that was only interrupted another agent may do.
            Some(error) if was_its_own && error.code != INTERRUPTED => {
                link.note_refusal(&run_id);
                if cut_off { self.pass_on(link, run_id, error) } else { self.fail(link, run_id, error) }
            }
            _ => self.wake(&link.synchronization),
        }
    }

    /// Takes a run from an agent that has accepted it and does not begin it.
    pub(super) fn take_away(&self, link: &Arc<Link>, run_id: &str) {
        link.clear_run(run_id);
        link.note_refusal(run_id);
        let request = Request::Cancel { run_id: run_id.to_owned() };
        link.tell(ServerMessage::Request { id: link.next_request(), request });
        let message = format!(
            "The agent on {} took the run and did not begin it within {} seconds; look at its log, or restart it.",
            link.host(),
            BEGIN_WITHIN.as_secs()
        );
        self.pass_on(link, run_id.to_owned(), RunError { code: NOT_BEGUN.to_owned(), message });
    }

    /// Leaves a run that waits to an agent that has not tried it; without any it has failed.
    pub(super) fn pass_on(&self, link: &Arc<Link>, run_id: String, error: RunError) {
        let others = self.links_of(&link.synchronization);
        if others.iter().all(|other| other.has_refused(&run_id)) {
            return self.fail(link, run_id, error);
        }
        tracing::warn!(run.id = %run_id, agent.host = link.host(), "an agent cannot begin a run, so another is asked: {}", error.message);
        self.wake(&link.synchronization);
    }

    /// Notes that a run which waits has failed; one that was opened says itself how it ended.
    fn fail(&self, link: &Arc<Link>, run_id: String, error: RunError) {
        let (hub, synchronization) = (self.clone(), link.synchronization.clone());
        self.0.open.spawn(async move {
            if let Err(error) = hub.0.engine.fail_queued(&synchronization, &run_id, &error).await {
                tracing::error!(run.id = %run_id, "cannot note that a run failed before it began: {error:#}");
            }
            hub.wake(&synchronization);
        });
    }
}

/// Whether another agent may fare better: the trouble lies between this one and its directory.
fn is_directory_trouble(error: &RunError) -> bool {
    error.code.starts_with(DIRECTORY_TROUBLE) || error.code == BIND_REFUSED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_an_agent_and_its_directory_is_told_from_what_every_agent_would_meet() {
        let error = |code: &str| RunError { code: code.to_owned(), message: String::new() };
        assert!(
            ["directory-unreachable", "directory-tls", "bind-refused"]
                .map(error)
                .iter()
                .all(is_directory_trouble)
        );
        assert!(!["base-not-found", "run-active", "interrupted"].map(error).iter().any(is_directory_trouble));
    }
}
