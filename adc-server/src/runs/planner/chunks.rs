//! What is to be planned, some thousand objects at a time: while those are decided, the next are read.

use crate::store::{Planned, Run, Store};
use adc_core::record::Kind;
use anyhow::Context;
use tokio::task::JoinHandle;

/// Objects decided at a time: what memory holds of a plan, twice.
pub(super) const CHUNK: u16 = 2_000;

/// The staged objects of one kind, by source id.
pub(super) struct Chunks {
    store: Store,
    run: Run,
    kind: Kind,
    ahead: Option<JoinHandle<anyhow::Result<Vec<Planned>>>>,
}

impl Chunks {
    pub(super) fn of(store: &Store, run: &Run, kind: Kind) -> Self {
        let mut chunks = Self { store: store.clone(), run: run.clone(), kind, ahead: None };
        chunks.read_ahead(None);
        chunks
    }

    /// The next objects; `None` after the last.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Vec<Planned>>> {
        let Some(ahead) = self.ahead.take() else { return Ok(None) };
        let planned = ahead.await.context("reading what is to be planned")??;
        let Some(last) = planned.last() else { return Ok(None) };
        self.read_ahead(Some(last.source_id.clone()));
        Ok(Some(planned))
    }

    fn read_ahead(&mut self, after: Option<String>) {
        let (store, run, kind) = (self.store.clone(), self.run.clone(), self.kind);
        self.ahead = Some(tokio::spawn(async move {
            store.planned_after(&run, kind, after.as_deref(), i64::from(CHUNK)).await
        }));
    }
}
