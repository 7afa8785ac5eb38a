//! A run as reports and lists show it.

use crate::{clock::rfc3339, store::Run};
use adc_core::protocol::{ReadCounts, RunReport};
use serde_json::{Value, json};

/// What `adc imp` prints of a run.
pub fn report_of(run: &Run, public_url: &str) -> RunReport {
    let receipt = run.receipt.clone().unwrap_or_default();
    RunReport {
        run_id: run.id.clone(),
        mode: run.mode,
        full_because: run.full_because,
        dry_run: run.dry_run,
        state: run.state,
        held_because: run.held_because.clone(),
        settings: run.settings,
        read: receipt.read,
        counts: run.counts.unwrap_or_default(),
        needs_attention: run.needs_attention,
        sent: receipt.sent,
        duration_ms: run.finished_at.unwrap_or(run.created_at) - run.created_at,
        report_url: format!("{public_url}/api/v1/runs/{}", run.id),
        error: run.error.clone(),
    }
}

/// What the API shows of a run.
pub fn summary_of(run: &Run) -> Value {
    json!({
        "id": run.id,
        "synchronization_id": run.synchronization_id,
        "trigger": run.trigger,
        "mode": run.mode,
        "full_because": run.full_because,
        "state": run.state,
        "held_because": run.held_because,
        "dry_run": run.dry_run,
        "settings": run.settings,
        "read": run.receipt.as_ref().map_or_else(ReadCounts::default, |receipt| receipt.read),
        "counts": run.counts.unwrap_or_default(),
        "needs_attention": run.needs_attention,
        "receipt": run.receipt,
        "agent": run.agent,
        "created_at": rfc3339(run.created_at),
        "finished_at": run.finished_at.map(rfc3339),
        "approved_at": run.approved_at.map(rfc3339),
        "error": run.error,
    })
}
