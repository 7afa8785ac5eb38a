//! Applies a plan: users, units, members, mirror, ledger and checkpoint in one transaction, set by set.

use super::{Checkpoint, Conclusion, DecidedOn, Run, Store, Tx, members, runs};
use crate::clock::Millis;
use adc_core::{protocol::RunState, reason::Reason, source_id::SourceId};

/// So many of those who left are remembered: one of them alone, if they are shown again, tells that a directory went back.
const LEAVERS_REMEMBERED: usize = 64;

/// What came of applying a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It stands.
    Done,
    /// Somebody changed the account's people since the plan was made; plan again.
    PeopleChanged,
    /// Settings or policy changed since the run was opened; it must be run again.
    SettingsChanged,
    /// The run is no longer in the state it was planned in: cancelled, rejected, superseded meanwhile.
    Ended,
    /// Another run of the synchronization is reading; what it was told rests on the state before this plan.
    Busy,
}

impl Store {
    /// Applies a run's plan, or changes nothing.
    ///
    /// `planned_at` is the account's ledger sequence when planning began: the fence.
    pub async fn apply(
        &self,
        run: &Run,
        conclusion: &Conclusion,
        planned_at: i64,
        now: Millis,
    ) -> anyhow::Result<Applied> {
        let mut tx = self.begin().await?;
        if run.state == RunState::Held && another_is_running(&mut tx, run).await? {
            return Ok(Applied::Busy);
        }
        let effective = conclusion.counts.effective() > 0;
        let Some(seq) = pass_fence(&mut tx, run, planned_at, effective).await? else {
            return Ok(Applied::PeopleChanged);
        };
        if !advance_synchronization(&mut tx, run, now).await? {
            return Ok(Applied::SettingsChanged);
        }
        // A first import only creates: it need not look through its plan for others.
        if conclusion.counts.effective() > conclusion.counts.create {
            note_losses(&mut tx, run).await?;
            update_users(&mut tx, run, now).await?;
            update_units(&mut tx, run, now).await?;
        }
        create_users(&mut tx, run, now).await?;
        create_units(&mut tx, run, now).await?;
        members::bring_in_step(&mut tx, run).await?;
        apply_mirror(&mut tx, run, now).await?;
        apply_claims(&mut tx, run).await?;
        vouch(&mut tx, run, conclusion).await?;
        if effective {
            sqlx::query("INSERT INTO ledger (account_id, seq, run_id, at) VALUES ($1, $2, $3, $4)")
                .bind(&run.account_id)
                .bind(seq)
                .bind(&run.id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
        }
        let applied = Conclusion { state: RunState::Applied, ..conclusion.clone() };
        if !runs::conclude(&mut tx, run, &applied, now).await? {
            return Ok(Applied::Ended);
        }
        tx.commit().await?;
        Ok(Applied::Done)
    }

    /// Ends a run whose plan is not applied: previewed, or held; `false` when it had ended already.
    pub async fn shelve(&self, run: &Run, conclusion: &Conclusion, now: Millis) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        if !runs::conclude(&mut tx, run, conclusion, now).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }
}

async fn another_is_running(tx: &mut Tx, run: &Run) -> anyhow::Result<bool> {
    let running: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM runs WHERE account_id = $1 AND synchronization_id = $2 AND state = 'running'",
    )
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .fetch_one(&mut **tx)
    .await?;
    Ok(running > 0)
}

/// Raises the account's ledger sequence, if nobody did since the plan was made.
async fn pass_fence(tx: &mut Tx, run: &Run, planned_at: i64, effective: bool) -> anyhow::Result<Option<i64>> {
    let seq = planned_at + i64::from(effective);
    let passed = sqlx::query("UPDATE accounts SET ledger_seq = $1 WHERE id = $2 AND ledger_seq = $3")
        .bind(seq)
        .bind(&run.account_id)
        .bind(planned_at)
        .execute(&mut **tx)
        .await?;
    Ok((passed.rows_affected() == 1).then_some(seq))
}

/// Moves the checkpoint (invariant 8), if settings and policy are still those of the run.
async fn advance_synchronization(tx: &mut Tx, run: &Run, now: Millis) -> anyhow::Result<bool> {
    let mark = run.receipt.as_ref().and_then(|receipt| receipt.mark.clone());
    let checkpoint = match mark {
        Some(mark) => {
            let left = who_left(tx, run).await?;
            Some(Checkpoint { server: run.fingerprint.server.clone(), mark, left })
        }
        None => None,
    };
    let decided_on = DecidedOn { settings: run.settings.deciding_values(), policy: run.policy.clone() };
    let moved = sqlx::query(
        "UPDATE synchronizations
         SET checkpoint = $1, fingerprint = $2, decided_on = $3, last_applied_run = $4, updated_at = $5
         WHERE account_id = $6 AND id = $7 AND version = $8",
    )
    .bind(checkpoint.as_ref().map(serde_json::to_string).transpose()?)
    .bind(serde_json::to_string(&run.fingerprint)?)
    .bind(serde_json::to_string(&decided_on)?)
    .bind(&run.id)
    .bind(now)
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(run.sync_version)
    .execute(&mut **tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Who had left when the run ended: whom it found gone, then those of before who did not come back, as many as are remembered.
async fn who_left(tx: &mut Tx, run: &Run) -> anyhow::Result<Vec<SourceId>> {
    let gone: Vec<String> = sqlx::query_scalar(
        "SELECT source_id FROM staging.objects
         WHERE run_id = $1 AND outcome <> 'present' AND outcome = 'gone' AND origin = 'confirm' AND kind <> 'org_unit'
         ORDER BY source_id LIMIT $2",
    )
    .bind(&run.id)
    .bind(i64::try_from(LEAVERS_REMEMBERED)?)
    .fetch_all(&mut **tx)
    .await?;
    let before: Option<String> =
        sqlx::query_scalar("SELECT checkpoint FROM synchronizations WHERE account_id = $1 AND id = $2")
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .fetch_one(&mut **tx)
            .await?;
    let before: Option<Checkpoint> = before.as_deref().map(serde_json::from_str).transpose()?;
    let mut left: Vec<SourceId> = gone.into_iter().map(SourceId::from).collect();
    for id in before.map(|before| before.left).unwrap_or_default() {
        if left.len() < LEAVERS_REMEMBERED && !left.contains(&id) && !is_back(tx, run, &id).await? {
            left.push(id);
        }
    }
    Ok(left)
}

/// Whether the run found a person or group of that id.
async fn is_back(tx: &mut Tx, run: &Run, id: &SourceId) -> anyhow::Result<bool> {
    let found: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM staging.objects WHERE run_id = $1 AND source_id = $2 AND outcome = 'present'
             AND kind IN ('user', 'group')",
    )
    .bind(&run.id)
    .bind(id.as_str())
    .fetch_one(&mut **tx)
    .await?;
    Ok(found > 0)
}

/// Notes whose removal is put off from now on, and of which of them it may be an unvouched configuration that removes them.
async fn note_put_off(tx: &mut Tx, run: &Run, in_doubt: bool) -> anyhow::Result<()> {
    let about_put_off = |sql| {
        let query = sqlx::query(sql).bind(&run.account_id).bind(&run.synchronization_id);
        Reason::PUT_OFF.into_iter().fold(query, |query, reason| query.bind(reason.code()))
    };
    about_put_off(
        "UPDATE mirror SET in_doubt = NULL
         WHERE account_id = $1 AND synchronization_id = $2 AND in_doubt IN (0, 1)
           AND NOT (status = 'pending' AND COALESCE(reason, '') IN ($3, $4, $5))",
    )
    .execute(&mut **tx)
    .await?;
    // Who left under a configuration that was vouched for is not in doubt because of the next one.
    about_put_off(
        "UPDATE mirror SET in_doubt = $6
         WHERE account_id = $1 AND synchronization_id = $2 AND status <> 'synced' AND status = 'pending'
           AND reason IN ($3, $4, $5) AND (in_doubt IS NULL OR (in_doubt = 1 AND $6 = 0))",
    )
    .bind(i64::from(in_doubt))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes that the run's configuration and policy are vouched for: nobody waits of whom it may be them that remove them, or that
/// they remove somebody was approved.
async fn vouch(tx: &mut Tx, run: &Run, conclusion: &Conclusion) -> anyhow::Result<()> {
    let by_it = conclusion.held_because.iter().any(|held| held.reason == Reason::GuardFingerprint);
    let approved = run.approved_at.is_some() && by_it;
    note_put_off(tx, run, conclusion.unvouched && !approved).await?;
    sqlx::query(
        "UPDATE synchronizations SET vouched_fingerprint = fingerprint, vouched_decided_on = decided_on
         WHERE account_id = $1 AND id = $2
           AND NOT EXISTS (SELECT 1 FROM mirror m
                           WHERE m.account_id = $1 AND m.synchronization_id = $2 AND m.in_doubt = 1)",
    )
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes in the mirrors of other synchronizations that this one takes users of theirs over: there they are conflicts from
/// now on, which every run plans again, though nothing changes in the directory.
async fn note_losses(tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    if run.settings.no_update_provider_mismatch.value {
        return Ok(());
    }
    sqlx::query(
        "UPDATE mirror SET status = 'conflict', reason = $1
         FROM (SELECT u.synchronization_id, u.source_id FROM changes c
               JOIN users u ON u.account_id = c.account_id AND u.id = c.target_id
               WHERE c.account_id = $2 AND c.run_id = $3 AND c.kind = 'user' AND c.action <> 'create'
                 AND u.synchronization_id <> $4) AS lost
         WHERE mirror.account_id = $2 AND mirror.synchronization_id = lost.synchronization_id
           AND mirror.kind = 'user' AND mirror.source_id = lost.source_id AND mirror.present = 1
           AND mirror.status = 'synced'",
    )
    .bind(Reason::AdoptedElsewhere.code())
    .bind(&run.account_id)
    .bind(&run.id)
    .bind(&run.synchronization_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn update_users(tx: &mut Tx, run: &Run, now: Millis) -> anyhow::Result<()> {
    // Names that change hands are given up first: uniqueness is checked row by row.
    sqlx::query(
        "UPDATE users SET username_key = 'changing hands: ' || users.id
         FROM changes c
         WHERE c.account_id = $1 AND c.run_id = $2 AND c.kind = 'user' AND c.action <> 'create'
           AND users.account_id = c.account_id AND users.id = c.target_id AND users.username_key <> COALESCE(c.next_name_key, c.username)",
    )
    .bind(&run.account_id)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    // Leavers before those who take their names.
    for whom in ["= 'deleted'", "<> 'deleted'"] {
        let sql = format!(
            "UPDATE users SET username = COALESCE(c.next_name, c.username), username_key = COALESCE(c.next_name_key, c.username), email = c.next_email,
                 status = c.next_status, status_by = c.next_status_by, synchronization_id = $1,
                 source_id = c.source_id, dn = COALESCE(c.next_dn, c.dn), fields = c.next_fields, display_key = c.next_display_key, manager_key = c.next_manager_key,
                 updated_at = $2, deleted_at = CASE WHEN c.next_status = 'deleted' THEN CAST($2 AS BIGINT) ELSE NULL END
             FROM changes c
             WHERE c.account_id = $3 AND c.run_id = $4 AND c.kind = 'user' AND c.target_id IS NOT NULL
               AND c.action <> 'create' AND c.next_status {whom}
               AND users.account_id = c.account_id AND users.id = c.target_id"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&run.synchronization_id)
            .bind(now)
            .bind(&run.account_id)
            .bind(&run.id)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn create_users(tx: &mut Tx, run: &Run, now: Millis) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO users (account_id, id, username, username_key, email, status, status_by, synchronization_id,
             source_id, dn, fields, display_key, manager_key, created_at, updated_at)
         SELECT c.account_id, c.target_id, COALESCE(c.next_name, c.username), COALESCE(c.next_name_key, c.username), c.next_email, c.next_status, c.next_status_by,
             $1, c.source_id, COALESCE(c.next_dn, c.dn), c.next_fields, c.next_display_key, c.next_manager_key, $2, $2
         FROM changes c
         WHERE c.account_id = $3 AND c.run_id = $4 AND c.kind = 'user' AND c.action = 'create'",
    )
    .bind(&run.synchronization_id)
    .bind(now)
    .bind(&run.account_id)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn update_units(tx: &mut Tx, run: &Run, now: Millis) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE units SET name = COALESCE(c.next_name, c.username), email = c.next_email, group_kind = c.next_group_kind, dn = COALESCE(c.next_dn, c.dn),
             dn_key = COALESCE(c.next_name_key, c.username), fields = c.next_fields, updated_at = $1,
             deleted_at = CASE WHEN c.next_status = 'deleted' THEN CAST($1 AS BIGINT) ELSE NULL END
         FROM changes c
         WHERE c.account_id = $2 AND c.run_id = $3 AND c.kind <> 'user' AND c.target_id IS NOT NULL
           AND c.action <> 'create' AND units.account_id = c.account_id AND units.id = c.target_id",
    )
    .bind(now)
    .bind(&run.account_id)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn create_units(tx: &mut Tx, run: &Run, now: Millis) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO units (account_id, id, kind, synchronization_id, source_id, name, email, group_kind, dn, dn_key,
             fields, created_at, updated_at)
         SELECT c.account_id, c.target_id, c.kind, $1, c.source_id, COALESCE(c.next_name, c.username), c.next_email, c.next_group_kind,
             COALESCE(c.next_dn, c.dn), COALESCE(c.next_name_key, c.username), c.next_fields, $2, $2
         FROM changes c
         WHERE c.account_id = $3 AND c.run_id = $4 AND c.kind <> 'user' AND c.action = 'create'",
    )
    .bind(&run.synchronization_id)
    .bind(now)
    .bind(&run.account_id)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn apply_mirror(tx: &mut Tx, run: &Run, now: Millis) -> anyhow::Result<()> {
    // What was seen, whatever was decided for it. What somebody showed who was gone or left out is kept until they are in step again, and
    // so is the mark of one who was inactive, and no user: who is in conflict, or waits, or is left out may show less from now on.
    sqlx::query(
        "INSERT INTO mirror (account_id, synchronization_id, kind, source_id, digest, dn, dn_key, container_key, name_key,
             record, left_out_showing, expires_at, present, status, reason, active, doubt_from, doubt_until)
         SELECT $1, $2, s.kind, s.source_id, s.digest, s.dn, s.dn_key, s.container_key, s.name_key, s.record, s.left_out_showing, s.expires_at, 1,
             COALESCE(o.status, 'synced'), o.reason,
             CASE WHEN o.status IS NOT NULL THEN o.active
                  WHEN s.active = 1 AND (s.expires_at IS NULL OR s.expires_at > $3) THEN 1 ELSE 0 END,
             o.doubt_from, o.doubt_until
         FROM staging.objects s
         LEFT JOIN staging.outcomes o ON o.run_id = s.run_id AND o.kind = s.kind AND o.source_id = s.source_id
         WHERE s.run_id = $4 AND s.outcome = 'present'
         ON CONFLICT (account_id, synchronization_id, kind, source_id) DO UPDATE SET
             digest = excluded.digest, dn = excluded.dn, dn_key = excluded.dn_key, container_key = excluded.container_key,
             name_key = excluded.name_key, record = excluded.record, expires_at = excluded.expires_at, present = 1, status = excluded.status,
             left_out_showing = CASE WHEN excluded.status IN ('conflict', 'pending', 'excluded')
                                     THEN COALESCE(excluded.left_out_showing, mirror.left_out_showing) END,
             left_out_as = CASE WHEN excluded.status = 'excluded' AND mirror.status <> 'excluded' THEN NULL
                                WHEN excluded.status NOT IN ('conflict', 'pending', 'excluded') THEN NULL
                                WHEN excluded.status <> 'excluded' AND (mirror.status = 'excluded' OR mirror.present = 0)
                                THEN COALESCE(mirror.left_out_as, mirror.record)
                                WHEN (mirror.status = 'excluded' OR mirror.active IS NULL)
                                     AND ((mirror.record LIKE '%\"active\":false%' AND excluded.record NOT LIKE '%\"active\":false%')
                                          OR (mirror.expires_at <= $3 AND excluded.expires_at IS NULL))
                                THEN COALESCE(mirror.left_out_as, mirror.record)
                                ELSE mirror.left_out_as END,
             reason = excluded.reason, active = excluded.active, doubt_from = excluded.doubt_from, doubt_until = excluded.doubt_until",
    )
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(now)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    if Store::anything_absent(tx, &run.id).await? { forget_absent(tx, run).await } else { Ok(()) }
}

/// What was proved gone keeps its last record, and claims no name any more.
async fn forget_absent(tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE mirror SET present = 0, name_key = NULL, expires_at = NULL, dn = gone.dn, dn_key = gone.dn_key,
             container_key = gone.container_key, status = gone.status, reason = gone.reason, active = gone.active,
             doubt_from = gone.doubt_from, doubt_until = gone.doubt_until
         FROM (SELECT s.kind, s.source_id, s.dn, s.dn_key, s.container_key, COALESCE(o.status, 'synced') AS status, o.reason, o.doubt_from, o.doubt_until,
                   CASE WHEN o.status IS NOT NULL THEN o.active ELSE 0 END AS active
               FROM staging.objects s
               LEFT JOIN staging.outcomes o ON o.run_id = s.run_id AND o.kind = s.kind AND o.source_id = s.source_id
               WHERE s.run_id = $1 AND s.outcome <> 'present' AND s.outcome IN ('gone', 'out-of-scope')) AS gone
         WHERE mirror.account_id = $2 AND mirror.synchronization_id = $3 AND mirror.kind = gone.kind
           AND mirror.source_id = gone.source_id",
    )
    .bind(&run.id)
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn apply_claims(tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    sqlx::query(
        "DELETE FROM claims WHERE account_id = $1 AND synchronization_id = $2 AND source_id IN
             (SELECT source_id FROM staging.objects WHERE run_id = $3 AND kind = 'user' AND origin <> 'mirror'
              AND EXISTS (SELECT 1 FROM claims c WHERE c.account_id = $1 AND c.synchronization_id = $2))",
    )
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO claims (account_id, synchronization_id, source_id, field, value_key)
         SELECT $1, $2, source_id, field, value_key FROM staging.claims WHERE run_id = $3",
    )
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(&run.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
