//! A run as its report shows it.

use crate::store::Run;
use adc_core::protocol::RunReport;

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
        duration_ms: run.started_at.zip(run.finished_at).map_or(0, |(started, finished)| finished - started),
        report_url: format!("{public_url}/api/v1/runs/{}", run.id),
        error: run.error.clone(),
    }
}
