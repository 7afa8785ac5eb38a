//! Reading little of everybody.

use adc_core::entry::Entry;
use tokio::sync::mpsc;

use crate::directory::error::DirectoryError;
use crate::directory::read::Query;
use crate::directory::session::Directory;

/// Chunks of entries that wait to be noted.
const CHUNKS_AHEAD: usize = 2;

impl Directory {
    /// Shows everything that a query finds, entry by entry, and returns the result code of each page.
    ///
    /// # Errors
    /// The read was not complete.
    pub(super) async fn each(
        &mut self,
        query: &Query,
        mut note: impl FnMut(&Entry),
    ) -> Result<Vec<u32>, DirectoryError> {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let read = async {
            let receipt = self.read(query, &sender).await;
            drop(sender);
            receipt
        };
        let note = async {
            // Its own: a reader whom nobody listens to any more ends.
            let mut chunks = chunks;
            while let Some(chunk) = chunks.recv().await {
                for entry in chunk {
                    note(&entry.decode_partial()?);
                }
            }
            Ok(())
        };
        let (receipt, noted) = tokio::join!(read, note);
        noted?;
        Ok(receipt?.map(|receipt| receipt.result_codes).unwrap_or_default())
    }
}
