//! End to end: real directories, real processes, real signals. One module a feature.

mod boundaries;
mod directory_failures;
mod guards;
mod harness;
mod import;
mod settings;
mod transport;
