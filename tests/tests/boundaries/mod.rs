//! What the sources must never say, proven by reading them.

mod crates;
mod documents;
mod portable;
mod read_only;
pub(crate) mod sources;
