//! Schedules: what is due next is computed, what was is kept.

use super::{
    Run, Store, Synchronization, Tx,
    queue::others,
    runs::{end, insert_run, json, optional_json},
};
use crate::clock::Millis;
use adc_core::{
    protocol::{RunError, RunState, Trigger},
    schedule::Schedule,
};
use sqlx::{Row, sqlite::SqliteRow};

/// Why a run was taken back that waited for an agent.
const SCHEDULE_OFF: &str = "schedule-off";

/// A synchronization with a schedule, as the scheduler must know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduled {
    /// Whose it is.
    pub account_id: String,
    /// The synchronization.
    pub synchronization_id: String,
    /// When it runs by itself.
    pub schedule: Schedule,
    /// What was due until then is dealt with.
    pub handled_until: Millis,
    /// The last time that was due and became a run.
    pub last_due: Option<Millis>,
}

/// What became of a time that was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueuedDue {
    /// The run waits for an agent now.
    New,
    /// This run waits for an agent already, and does for both.
    Joined(String),
    /// This run is under way; it began earlier and does not do.
    Busy(String),
    /// The plan of this run waits for a decision.
    Held(String),
    /// Somebody else dealt with it, or the schedule was changed.
    Outdated,
}

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT account_id, id, schedule, schedule_handled_until, schedule_last_due FROM synchronizations
             WHERE schedule IS NOT NULL AND schedule_handled_until IS NOT NULL ",
            $which
        )
    };
}

impl Store {
    /// All synchronizations with a schedule, those that are switched off among them.
    pub async fn all_scheduled(&self) -> anyhow::Result<Vec<Scheduled>> {
        let rows = sqlx::query(select!("ORDER BY account_id, id")).fetch_all(&self.read).await?;
        rows.iter().map(from_row).collect()
    }

    /// One synchronization; `None` where it has no schedule or is gone.
    pub async fn scheduled(&self, account_id: &str, id: &str) -> anyhow::Result<Option<Scheduled>> {
        let row = sqlx::query(select!("AND account_id = $1 AND id = $2"))
            .bind(account_id)
            .bind(id)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Queues the run of a time that was due, and notes in the same transaction that it was: whatever happens, that time becomes one
    /// run. `scheduled` is how the synchronization stood when the time was found due.
    pub async fn queue_due(
        &self,
        run: &Run,
        scheduled: &Scheduled,
        due: Millis,
    ) -> anyhow::Result<QueuedDue> {
        let mut tx = self.begin().await?;
        let Some(others) = others(&mut tx, &run.account_id, &run.synchronization_id).await? else {
            return Ok(QueuedDue::Outdated);
        };
        if let Some(busy) = others.running {
            return Ok(QueuedDue::Busy(busy));
        }
        if let Some(held) = others.held {
            return Ok(QueuedDue::Held(held));
        }
        let joined = match others.queued {
            // A preview changes nothing: it does not do instead of a run.
            Some(queued) if is_dry(&mut tx, &run.account_id, &queued).await? => {
                return Ok(QueuedDue::Busy(queued));
            }
            queued => queued,
        };
        if joined.is_none() {
            insert_run(&mut tx, run).await?;
        }
        if !note(&mut tx, scheduled, due, joined.as_ref().unwrap_or(&run.id)).await? {
            return Ok(QueuedDue::Outdated);
        }
        tx.commit().await?;
        Ok(joined.map_or(QueuedDue::New, QueuedDue::Joined))
    }

    /// Sets until when everything due is dealt with, without a run: the clock was set back, or shows again a time that became a run
    /// before. `false` when somebody else changed it meanwhile.
    pub async fn set_handled_until(&self, scheduled: &Scheduled, until: Millis) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let set = sqlx::query(
            "UPDATE synchronizations SET schedule_handled_until = $1
             WHERE account_id = $2 AND id = $3 AND schedule_handled_until = $4",
        )
        .bind(until)
        .bind(&scheduled.account_id)
        .bind(&scheduled.synchronization_id)
        .bind(scheduled.handled_until)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(set.rows_affected() == 1)
    }
}

/// Whether a schedule makes a synchronization run by itself.
pub(super) fn is_in_force(schedule: Option<&Schedule>) -> bool {
    schedule.is_some_and(|schedule| schedule.enabled)
}

/// Ends the run that a schedule put into the queue and no agent has begun, and returns which it was: who is told that the schedule is off
/// must not find out weeks later, when an agent comes back, that one run of it was left.
pub(super) async fn take_back(
    tx: &mut Tx,
    synchronization: &Synchronization,
    now: Millis,
) -> anyhow::Result<Option<String>> {
    let Synchronization { account_id, queued_run, .. } = synchronization;
    let Some(run_id) = queued_run else { return Ok(None) };
    if !is_of_schedule(tx, account_id, run_id).await? {
        return Ok(None);
    }
    let error = RunError {
        code: SCHEDULE_OFF.to_owned(),
        message:
            "The schedule was switched off or removed before an agent had begun the run; nothing was changed."
                .to_owned(),
    };
    let (from, to) = (RunState::Queued, RunState::Cancelled);
    let ended = end(tx, account_id, run_id, from, (to, Some(&error)), now).await?;
    Ok(ended.then(|| run_id.clone()))
}

/// Whether a run that ends may have a successor: one of a schedule only while that is in force.
pub(super) async fn is_still_wanted(tx: &mut Tx, run: &Run) -> anyhow::Result<bool> {
    if Trigger::of(&run.trigger) != Some(Trigger::Schedule) {
        return Ok(true);
    }
    let schedule: Option<Option<String>> =
        sqlx::query_scalar("SELECT schedule FROM synchronizations WHERE account_id = $1 AND id = $2")
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .fetch_optional(&mut **tx)
            .await?;
    Ok(is_in_force(optional_json(schedule.flatten())?.as_ref()))
}

/// Notes that a run which was due has a successor: that one is what the time became.
pub(super) async fn succeed(tx: &mut Tx, run: &Run, successor: &Run) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE synchronizations SET schedule_last_run = $1
         WHERE account_id = $2 AND id = $3 AND schedule_last_run = $4",
    )
    .bind(&successor.id)
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes which run a time that was due became; `false` when that was noted before, or the schedule was changed since it was read.
async fn note(tx: &mut Tx, scheduled: &Scheduled, due: Millis, run_id: &str) -> anyhow::Result<bool> {
    let noted = sqlx::query(
        "UPDATE synchronizations
         SET schedule_handled_until = $1, schedule_last_due = $1, schedule_last_run = $2
         WHERE account_id = $3 AND id = $4 AND schedule = $5 AND schedule_handled_until = $6",
    )
    .bind(due)
    .bind(run_id)
    .bind(&scheduled.account_id)
    .bind(&scheduled.synchronization_id)
    .bind(serde_json::to_string(&scheduled.schedule)?)
    .bind(scheduled.handled_until)
    .execute(&mut **tx)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Whether a schedule has made the run, not a person.
async fn is_of_schedule(tx: &mut Tx, account_id: &str, run_id: &str) -> anyhow::Result<bool> {
    let trigger: String =
        sqlx::query_scalar("SELECT triggered_by FROM runs WHERE account_id = $1 AND id = $2")
            .bind(account_id)
            .bind(run_id)
            .fetch_one(&mut **tx)
            .await?;
    Ok(Trigger::of(&trigger) == Some(Trigger::Schedule))
}

async fn is_dry(tx: &mut Tx, account_id: &str, run_id: &str) -> anyhow::Result<bool> {
    let dry: i64 = sqlx::query_scalar("SELECT dry_run FROM runs WHERE account_id = $1 AND id = $2")
        .bind(account_id)
        .bind(run_id)
        .fetch_one(&mut **tx)
        .await?;
    Ok(dry != 0)
}

fn from_row(row: &SqliteRow) -> anyhow::Result<Scheduled> {
    Ok(Scheduled {
        account_id: row.try_get("account_id")?,
        synchronization_id: row.try_get("id")?,
        schedule: json(row.try_get("schedule")?)?,
        handled_until: row.try_get("schedule_handled_until")?,
        last_due: row.try_get("schedule_last_due")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        admin::{
            accounts,
            synchronizations::{self, Wishes},
        },
        clock::Clock,
        hosted::Offer,
        runs::Engine,
    };
    use adc_core::settings::Settings;

    const NOW: Millis = 1_795_348_800_000;
    const DUE: Millis = NOW + 1_000;

    /// A store with one synchronization that runs daily.
    async fn store(folder: &tempfile::TempDir) -> (Store, Scheduled) {
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&url, None).await.expect("opens");
        let clock = Clock::from_fn(|| NOW);
        let account = accounts::create(&store, &clock, "acme").await.expect("is made");
        let daily = r#"{"repeat":{"kind":"daily"},"start":"2026-11-01","at":"12:00:01","time_zone":"UTC"}"#;
        let schedule = Some(serde_json::from_str(daily).expect("a schedule"));
        let wishes = Wishes { name: "lg".to_owned(), settings: Settings::default(), policy: None, schedule };
        let made = synchronizations::create(&store, &clock, &account.id, wishes).await.expect("is made");
        let scheduled = store.scheduled(&account.id, &made.synchronization.id).await.expect("reads");
        (store, scheduled.expect("it has a schedule"))
    }

    async fn runs(store: &Store) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM runs").fetch_one(&store.read).await.expect("counts")
    }

    /// A process that ends between the two leaves neither: here the database refuses the second.
    #[tokio::test]
    async fn a_due_run_is_not_queued_unless_it_is_noted_that_it_was_due() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, scheduled) = store(&folder).await;
        let engine = Engine::new(store.clone(), Clock::from_fn(|| DUE), "");
        let refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF schedule_last_run ON synchronizations
             BEGIN SELECT RAISE(ABORT, 'killed here'); END";
        sqlx::raw_sql(refuse).execute(&store.write).await.expect("is made");
        let error = engine.queue_due(&scheduled, DUE).await.expect_err("it cannot be noted");
        assert!(format!("{error:#}").contains("killed here"), "{error:#}");
        assert_eq!(runs(&store).await, 0);
        sqlx::raw_sql("DROP TRIGGER refuse").execute(&store.write).await.expect("is dropped");
        assert_eq!(engine.queue_due(&scheduled, DUE).await.expect("works"), QueuedDue::New);
        assert_eq!(engine.queue_due(&scheduled, DUE).await.expect("works"), QueuedDue::Outdated);
        assert_eq!(runs(&store).await, 1);
    }

    #[tokio::test]
    async fn what_was_found_due_by_another_schedule_is_not_queued() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, scheduled) = store(&folder).await;
        let engine = Engine::new(store.clone(), Clock::from_fn(|| DUE), "");
        let patch = serde_json::json!({ "schedule": { "at": "13:00" } });
        let Scheduled { account_id, synchronization_id: id, .. } = &scheduled;
        synchronizations::patch(&store, &Clock::from_fn(|| NOW), account_id, id, patch, &Offer::none())
            .await
            .expect("works");
        assert_eq!(engine.queue_due(&scheduled, DUE).await.expect("works"), QueuedDue::Outdated);
        assert_eq!(runs(&store).await, 0);
    }
}
