//! End to end: real directories, real processes, real signals. One module a feature.

mod boundaries;
mod guards;
mod harness;
mod import;
mod settings;
