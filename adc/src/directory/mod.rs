//! The directory, which is only ever read.
//!
//! [`session::Directory`] is a connection that is signed in. [`read`](mod@read) streams a search page by page,
//! [`look_up`] asks for single objects by id, [`root`] says what the server is and can, [`mark`] where it stands.
//! Only [`wire`] names the LDAP library.

pub mod decode;
pub mod dial;
pub mod error;
pub mod look_up;
pub mod mark;
pub mod outcome;
pub mod read;
pub mod root;
pub mod session;
pub mod wire;

pub use error::{DirectoryError, Failure};
pub use read::Query;
pub use root::Root;
pub use session::Directory;
