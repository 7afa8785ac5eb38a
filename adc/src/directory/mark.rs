//! Where the directory stands, asked before the first search: what changes later is in the next delta.

use adc_core::protocol::Mark;
use adc_core::source_id::IdAttribute;

use super::error::{DirectoryError, Failure};
use super::feed::{Feed, ahead};
use super::look_up::Single;
use super::session::Directory;
use crate::clock;

/// OpenLDAP's and 389 DS's change sequence numbers, at the root of a tree (RFC 4533's usual companion).
pub(super) const CONTEXT_CSN: &str = "contextCSN";
/// Which life of its database a domain controller is in, at the server's own object.
const INVOCATION_ID: &str = "invocationId";

impl Directory {
    /// Reads the mark: `contextCSN` where the server keeps one and shows it, a DirSync cookie or at least `highestCommittedUSN`
    /// of Active Directory; `None` where there is none of them. That of OpenLDAP's [`Feed`] also holds when the server was
    /// started, and when it was read if it lies in the future.
    ///
    /// # Errors
    /// The connection broke. A server that keeps or shows no mark is no error: this version reads all of it anyway.
    pub async fn mark(&mut self) -> Result<Option<Mark>, DirectoryError> {
        if Feed::of(self.root()) == Some(Feed::DirSync)
            && let Some(mark) = self.place_now().await?
        {
            return Ok(Some(mark));
        }
        if let Some(usn) = &self.root().highest_committed_usn {
            return Ok(Some(Mark { kind: "highestCommittedUSN".to_owned(), values: vec![usn.clone()] }));
        }
        let Some(context) = self.root().naming_context_of(&self.config.base_dn).map(str::to_owned) else {
            return Ok(None);
        };
        let asked = clock::now();
        let Single::Entry(entry) =
            self.single("the directory's mark", &context, &[CONTEXT_CSN.to_owned()]).await?
        else {
            return Ok(None);
        };
        let mut values: Vec<String> = entry.texts(CONTEXT_CSN).map(str::to_owned).collect();
        if Feed::of(self.root()) == Some(Feed::Syncrepl) && !values.is_empty() {
            values.extend(ahead::note(&values, asked));
            values.extend(self.started().await?);
        }
        values.sort_unstable();
        Ok((!values.is_empty()).then(|| Mark { kind: CONTEXT_CSN.to_owned(), values }))
    }

    /// Which life of its database an Active Directory server is in; `None` elsewhere, and where it does not show it.
    ///
    /// After a domain controller was restored from a backup its sequence numbers are given a second time (MS-ADTS
    /// 3.1.1.1.9): only together with this one do they say where it stands.
    pub(super) async fn invocation(&mut self) -> Result<Option<String>, DirectoryError> {
        let Some(server) = self.root().server_object.clone() else { return Ok(None) };
        let id = IdAttribute::new(INVOCATION_ID);
        match self.single("the directory's invocation", &server, &[INVOCATION_ID.to_owned()]).await {
            Ok(Single::Entry(entry)) => Ok(id.read(&entry).ok().map(String::from)),
            Ok(Single::Absent) => Ok(None),
            Err(error) if error.failure == Failure::SearchRefused => Ok(None),
            Err(error) => Err(error),
        }
    }
}
