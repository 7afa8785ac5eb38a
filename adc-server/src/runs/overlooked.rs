//! Whether a full run read everybody, as its receipt says.
//!
//! Whom the read did not show is looked up by id, with the read's own base, scope and filter. Whoever is found then, and stands where
//! the mirror has them, was there to be read. A few may have left and come back while everything else was read. Many prove that the
//! answer was cut without a word, by a server that knows no better or by what lies between: joiners were cut off with them, whom
//! nobody looks up. An org unit that was moved meanwhile is no such proof, for its people stand elsewhere.

use super::Engine;
use crate::{
    api::problem::{ApiResult, Problem},
    store::Run,
};
use adc_core::{
    protocol::{RunError, RunState},
    record::Kind,
    text,
};

/// So many are overlooked because of what people do in the directory while it is read, however small it is.
const MOST_BY_CHANCE: u64 = 10;
/// In percent of what the mirror has of a kind: a big directory is read for minutes, and whom its index loses now and then is healed
/// by looking them up. A read that is cut ends at a page or a limit, and of most directories that is the smaller part.
const MOST_PERCENT_BY_CHANCE: u64 = 10;
/// The agent's exit code is that of a directory that could not be read completely.
const CODE: &str = "receipt-incomplete";

impl Engine {
    /// Ends a run whose look-ups found many whom its read should have shown; nothing is applied.
    pub(super) async fn check_nobody_was_overlooked(&self, run: &Run) -> ApiResult<()> {
        for kind in Kind::ALL {
            let overlooked = self.store.overlooked(run, kind).await?;
            if overlooked == 0 {
                continue;
            }
            let known = self.store.present_in_mirror(run, kind).await?;
            if overlooked <= MOST_BY_CHANCE || overlooked * 100 <= known * MOST_PERCENT_BY_CHANCE {
                tracing::warn!(
                    run.id = %run.id, synchronization.id = %run.synchronization_id, overlooked, known, kind = kind.as_str(),
                    "the read did not show some whom look-ups find where they were; if that is so in each full run, something cuts the \
                     directory's answers, and newcomers with them"
                );
                continue;
            }
            let error = RunError { code: CODE.to_owned(), message: not_shown(kind, overlooked, known) };
            self.end(run, RunState::Failed, &error).await?;
            return Err(Problem::unprocessable(CODE, error.message));
        }
        Ok(())
    }
}

fn not_shown(kind: Kind, overlooked: u64, known: u64) -> String {
    let (one, more) = match kind {
        Kind::User => ("person", "people"),
        Kind::Group => ("group", "groups"),
        Kind::OrgUnit => ("org unit", "org units"),
    };
    format!(
        "The directory's answer to the search for {more} was not complete, though it said so: of {} that were there before, {overlooked} \
         did not come and are found when they are looked up by id, where they were; nothing was changed. Try again; if it stays so, ask \
         who runs the directory, or what lies between, what cuts its answers.",
        text::counted(known, one, more),
    )
}
