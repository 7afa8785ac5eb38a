//! Where the directory stands, asked before the first search: what changes later is in the next delta.

use adc_core::protocol::Mark;

use super::error::DirectoryError;
use super::look_up::Single;
use super::session::Directory;

/// OpenLDAP's and 389 DS's change sequence numbers, at the root of a tree (RFC 4533's usual companion).
pub(super) const CONTEXT_CSN: &str = "contextCSN";

impl Directory {
    /// Reads the mark: `contextCSN` where the server keeps one and shows it, Active Directory's `highestCommittedUSN`;
    /// `None` where there is neither.
    ///
    /// # Errors
    /// The connection broke. A server that keeps or shows no mark is no error: this version reads all of it anyway.
    pub async fn mark(&mut self) -> Result<Option<Mark>, DirectoryError> {
        if let Some(usn) = &self.root().highest_committed_usn {
            return Ok(Some(Mark { kind: "highestCommittedUSN".to_owned(), values: vec![usn.clone()] }));
        }
        let Some(context) = self.root().naming_context_of(&self.config.base_dn).map(str::to_owned) else {
            return Ok(None);
        };
        let Single::Entry(entry) =
            self.single("the directory's mark", &context, &[CONTEXT_CSN.to_owned()]).await?
        else {
            return Ok(None);
        };
        let mut values: Vec<String> = entry.texts(CONTEXT_CSN).map(str::to_owned).collect();
        values.sort_unstable();
        Ok((!values.is_empty()).then(|| Mark { kind: CONTEXT_CSN.to_owned(), values }))
    }
}
