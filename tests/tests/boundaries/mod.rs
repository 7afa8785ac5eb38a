//! What the sources must never say, proven by reading them.

mod crates;
mod portable;
mod read_only;
pub(crate) mod sources;
