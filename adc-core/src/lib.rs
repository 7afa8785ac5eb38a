//! What adc decides, free of IO.
//!
//! Nothing here opens a socket, reads a file, asks the clock or rolls dice: time and randomness are
//! arguments. The agent (`adc`) and the control plane (`adc-server`) are thin shells around this crate.
//!
//! The story in reading order: a directory's [`entry`] is [mapped](mapping) to a [`record`]; agent and
//! control plane talk about records in the words of the [`protocol`]; with the merged [`settings`] and the
//! synchronization's [`policy`] the [`plan`] decides what becomes of each; a [`guard`](mod@guard) may hold the plan;
//! and every decision carries a [`reason`]. A [`schedule`] says when that happens by itself.

pub mod dn;
pub mod entry;
pub mod filter;
pub mod guard;
pub mod mapping;
mod matching;
pub mod plan;
pub mod policy;
pub mod protocol;
pub mod reason;
pub mod record;
pub mod schedule;
pub mod settings;
pub mod sign_in;
pub mod source_id;
pub mod syntax;
pub mod text;
