//! The control plane: hands out credentials, decides what a synchronization may do, plans, applies and reports.

pub mod api;
pub mod clock;
pub mod ids;
pub mod store;
