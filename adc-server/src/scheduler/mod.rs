//! The scheduler: has runs queued when they are due.
//!
//! What is due follows from what is stored (the schedule, and until when it was dealt with) and the clock, never from what this task
//! remembers: it may be ended and started at any moment, and the clock may leap. However many times were missed, they become one run.

use crate::{
    clock::{Clock, Millis, rfc3339},
    runs::{AgentIdentity, Engine},
    store::{QueuedDue, Scheduled, Store},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::MissedTickBehavior;

/// How often all schedules are looked at, whatever is expected: the clock may have been set, a machine may have slept, another process
/// may have made a schedule.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// After a failure of the database it is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Looks after all schedules.
pub struct Scheduler {
    engine: Engine,
    store: Store,
    clock: Clock,
    /// What is due next. Only to wake in time.
    upcoming: BTreeMap<AgentIdentity, Millis>,
    /// What was said to wait, so that it is said once.
    waiting: BTreeMap<AgentIdentity, (Millis, QueuedDue)>,
}

impl Scheduler {
    /// A scheduler that has looked at nothing yet.
    pub fn new(engine: Engine, store: Store, clock: Clock) -> Self {
        Self { engine, store, clock, upcoming: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    /// Has runs queued when they are due, for ever.
    pub async fn work(mut self) {
        let bus = self.engine.bus().clone();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let looked = tokio::select! {
                // Its schedule may have been changed, or what it waits for be over.
                synchronization = bus.next_for_scheduler() => self.look_at(&synchronization).await,
                _ = looks.tick() => self.look().await,
                () = tokio::time::sleep(self.until_next()) => self.look().await,
            };
            if let Err(error) = looked {
                tracing::error!("cannot look after the schedules: {error:#}");
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
        }
    }

    /// Looks at all schedules once, and has the runs queued that are due.
    pub async fn look(&mut self) -> anyhow::Result<()> {
        let all = self.store.all_scheduled().await?;
        let known: BTreeSet<AgentIdentity> = all.iter().map(identity).collect();
        self.upcoming.retain(|synchronization, _| known.contains(synchronization));
        self.waiting.retain(|synchronization, _| known.contains(synchronization));
        for scheduled in &all {
            self.settle(scheduled).await?;
        }
        Ok(())
    }

    async fn look_at(&mut self, synchronization: &AgentIdentity) -> anyhow::Result<()> {
        let AgentIdentity { account_id, synchronization_id } = synchronization;
        if let Some(scheduled) = self.store.scheduled(account_id, synchronization_id).await? {
            return self.settle(&scheduled).await;
        }
        self.forget(synchronization);
        Ok(())
    }

    async fn settle(&mut self, scheduled: &Scheduled) -> anyhow::Result<()> {
        let synchronization = identity(scheduled);
        if !scheduled.schedule.enabled {
            self.forget(&synchronization);
            return Ok(());
        }
        let now = self.clock.now();
        let (due, next) = match times_of(scheduled, now) {
            Ok(times) => times,
            Err(error) => {
                tracing::error!(synchronization.id = %scheduled.synchronization_id, "its schedule cannot be followed: {error:#}");
                self.forget(&synchronization);
                return Ok(());
            }
        };
        if scheduled.handled_until > now {
            // The clock was set back: what was dealt with lies ahead again, and will be due again, but for what became a run.
            tracing::warn!(
                synchronization.id = %scheduled.synchronization_id, handled_until = rfc3339(scheduled.handled_until),
                "the clock was set back; the schedule goes on from now"
            );
            self.store.set_handled_until(scheduled, now).await?;
        } else if let Some(due) = due.filter(|due| Some(*due) == scheduled.last_due) {
            tracing::info!(
                synchronization.id = %scheduled.synchronization_id, due = rfc3339(due),
                "it is due again because the clock was set back; it has become a run before"
            );
            self.store.set_handled_until(scheduled, due).await?;
        } else if let Some(due) = due {
            let queued = self.engine.queue_due(scheduled, due).await?;
            self.tell(&synchronization, due, queued);
        }
        // Last: where the database fails, the same moment is awaited once more.
        match next {
            Some(next) => self.upcoming.insert(synchronization, next),
            None => self.upcoming.remove(&synchronization),
        };
        Ok(())
    }

    /// Says what became of a time that was due; the engine says it of a run that is new.
    fn tell(&mut self, synchronization: &AgentIdentity, due: Millis, queued: QueuedDue) {
        let id = &synchronization.synchronization_id;
        let told = (due, queued.clone());
        if self.waiting.get(synchronization) == Some(&told) {
            return;
        }
        let due = rfc3339(due);
        match &queued {
            QueuedDue::Busy(run) => {
                tracing::info!(synchronization.id = %id, due, run.id = %run, "a run is due and waits for the end of another");
            }
            QueuedDue::Held(run) => {
                tracing::warn!(synchronization.id = %id, due, run.id = %run, "a run is due and waits until a held plan is decided on");
            }
            QueuedDue::Joined(run) => {
                tracing::info!(synchronization.id = %id, due, run.id = %run, "a run is due; one that waits for an agent does for it");
            }
            QueuedDue::New | QueuedDue::Outdated => {}
        }
        if matches!(queued, QueuedDue::Busy(_) | QueuedDue::Held(_)) {
            self.waiting.insert(synchronization.clone(), told);
        } else {
            self.waiting.remove(synchronization);
        }
    }

    fn forget(&mut self, synchronization: &AgentIdentity) {
        self.upcoming.remove(synchronization);
        self.waiting.remove(synchronization);
    }

    /// How long nothing is due, by the clock as it goes now.
    fn until_next(&self) -> Duration {
        let Some(next) = self.upcoming.values().min() else { return LOOK_EVERY };
        let millis = next.saturating_sub(self.clock.now()).max(0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(LOOK_EVERY)
    }
}

/// When a synchronization runs next: in the past, where that is due and has not become a run. None where its schedule is switched off or
/// cannot be followed.
pub(crate) fn next_run(scheduled: &Scheduled, now: Millis) -> Option<Millis> {
    let (due, next) = scheduled.schedule.enabled.then(|| times_of(scheduled, now).ok()).flatten()?;
    due.filter(|due| Some(*due) != scheduled.last_due).or(next)
}

/// The last time that was due and is not dealt with, and the next one.
fn times_of(scheduled: &Scheduled, now: Millis) -> anyhow::Result<(Option<Millis>, Option<Millis>)> {
    let timetable = scheduled.schedule.timetable()?;
    let now = Timestamp::from_millisecond(now)?;
    let due = timetable.latest_until(now).map(Timestamp::as_millisecond);
    let next = timetable.next_after(now).next().map(Timestamp::as_millisecond);
    Ok((due.filter(|due| *due > scheduled.handled_until), next))
}

fn identity(scheduled: &Scheduled) -> AgentIdentity {
    AgentIdentity {
        account_id: scheduled.account_id.clone(),
        synchronization_id: scheduled.synchronization_id.clone(),
    }
}
