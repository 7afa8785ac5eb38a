//! An in-memory LDAP server on the real wire: a believable company for the demo, and a directory that
//! misbehaves on request for tests.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use adc_sandbox::{Directory, Fault, Sandbox};
//!
//! let sandbox = Sandbox::builder().directory(Directory::sample()).start().await?;
//! sandbox.faults().inject(Fault::drop_after(10).on_page(3));
//! println!("{} {}", sandbox.url(), sandbox.directory().context_csn());
//! # Ok(()) }
//! ```
//!
//! Inside, `session` turns requests into steps without any IO and `connection` carries them out; `search` is
//! pure, and a search's `response` is planned as a whole, with what is to go wrong in it. To teach the server
//! a control: decode it in `wire/controls.rs`, name it in `root_dse.rs`, and let the operation's file in
//! `session/` list it as supported; what the server offers is a field of [`Behaviour`].

mod active_directory;
mod connection;
mod dir_sync;
mod directory;
mod entry;
mod extended_dn;
mod faults;
mod filter;
mod journal;
mod matching;
mod paging;
mod random;
mod rdn;
mod response;
mod root_dse;
pub mod sample;
mod schema;
mod search;
mod server;
mod session;
mod subordinates;
mod wire;

pub use active_directory::ActiveDirectory;
pub use dir_sync::DirSync;
pub use directory::{Directory, DirectoryError};
pub use entry::{Attribute, Attributes, Entry};
pub use faults::{Fault, Faults};
pub use journal::{Journal, LOG_LENGTH, Operation};
/// The result codes of LDAP (RFC 4511, appendix A).
pub use ldap3_proto::proto::LdapResultCode as ResultCode;
pub use server::{Behaviour, Builder, Sandbox};
