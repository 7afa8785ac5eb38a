//! The directory, which is only ever read.
//!
//! [`session::Directory`] is a connection that is signed in. [`read`](mod@read) streams a search page by page,
//! [`look_up`] asks for single objects by id, [`root`] says what the server is and can, [`mark`] where it stands, [`feed`]
//! what changed since,
//! [`again`] reads that.
//! [`request`] and [`response`] are LDAP itself, [`wire`] a connection that speaks it.

pub mod again;
mod ber;
mod browse;
pub mod dial;
pub mod error;
pub mod feed;
pub mod findable;
mod log;
pub mod look_up;
pub mod mark;
pub mod outcome;
mod parts;
pub mod password;
pub mod read;
mod referral;
mod refusal;
pub mod request;
pub mod response;
pub mod root;
pub mod session;
pub mod unlisted;
pub mod wire;

pub use error::{DirectoryError, Failure};
pub use read::Query;
pub use response::RawEntry;
pub use root::Root;
pub use session::Directory;
pub(crate) use session::Reached;
pub use unlisted::Unlisted;
