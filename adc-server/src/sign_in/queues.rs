//! Waiting until an agent has a hand free: asked too much at a time it says no, to people with the right password too.

use crate::runs::AgentIdentity;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// Passwords that an agent tries at the same time. It answers 16 questions beside each other; the others are left to those who look
/// around in its directory.
pub(super) const AT_ONCE: usize = 12;

/// Where people wait, one queue for each agent that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Queues(Mutex<BTreeMap<Agent, Arc<Semaphore>>>);

/// A synchronization, and the process that is its agent.
type Agent = (AgentIdentity, String);

/// A place at an agent, left when it is dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it is only held")] OwnedSemaphorePermit);

impl Queues {
    /// How many are or wait at the agent.
    pub(super) fn length(&self, synchronization: &AgentIdentity, instance: &str) -> usize {
        let agent = (synchronization.clone(), instance.to_owned());
        self.lock().get(&agent).map_or(0, |queue| Arc::strong_count(queue) - 1)
    }

    /// Waits for a place at the agent, the first come first; none when there is none by then.
    pub(super) async fn place(
        &self,
        synchronization: &AgentIdentity,
        instance: &str,
        deadline: Instant,
    ) -> Option<Place> {
        let queue = self.queue(synchronization, instance);
        let permit = timeout_at(deadline, queue.acquire_owned()).await.ok()?;
        Some(Place(permit.expect("queues are never closed")))
    }

    fn queue(&self, synchronization: &AgentIdentity, instance: &str) -> Arc<Semaphore> {
        let mut queues = self.lock();
        // At the others nobody is or waits; many an agent is gone for good.
        queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        let agent = (synchronization.clone(), instance.to_owned());
        Arc::clone(queues.entry(agent).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Agent, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::time::Duration;

    #[tokio::test]
    async fn whoever_comes_when_all_places_are_taken_waits_for_one() {
        let queues = Queues::default();
        let agent = AgentIdentity { account_id: "acc".to_owned(), synchronization_id: "syn".to_owned() };
        let soon = Instant::now() + Duration::from_secs(20);
        let mut places = Vec::new();
        for _ in 0..AT_ONCE {
            places.push(queues.place(&agent, "a", soon).await.expect("a place"));
        }
        assert_eq!((queues.length(&agent, "a"), queues.length(&agent, "b")), (AT_ONCE, 0));
        assert!(queues.place(&agent, "b", soon).now_or_never().flatten().is_some(), "another agent is free");
        let mut waits = Box::pin(queues.place(&agent, "a", soon));
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(queues.length(&agent, "a"), AT_ONCE + 1);
        places.pop();
        let place = waits.await.expect("the place that became free");
        assert!(queues.place(&agent, "a", Instant::now()).await.is_none(), "not for ever");
        drop((places, place));
        queues.place(&agent, "b", soon).await.expect("a place");
        assert_eq!(queues.lock().len(), 1, "nobody waits at the first any more");
    }
}
