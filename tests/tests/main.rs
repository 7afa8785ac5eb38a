//! End to end: real directories, real processes, real signals. One module a feature.

mod active_directory;
mod boundaries;
mod control_plane_failures;
mod daemon;
mod deltas;
mod directory_failures;
mod external;
mod feeds;
mod guards;
mod harness;
mod identities;
mod import;
mod postgresql;
mod protocol;
mod sequences;
mod settings;
mod transport;
mod watching;
mod widening;
