//! The control plane: hands out credentials, decides what a synchronization may do, plans, applies and reports.

pub mod admin;
pub mod api;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod hosted;
pub mod hub;
pub mod ids;
pub mod metrics;
pub mod pulse;
pub mod roles;
pub mod runs;
pub mod scheduler;
pub mod serve;
pub mod sign_in;
pub mod store;
