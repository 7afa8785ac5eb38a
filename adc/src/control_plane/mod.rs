//! The control plane, to which this program dials out.
//!
//! [`ControlPlane`] speaks the run protocol of [`adc_core::protocol`]: every request may be sent
//! again after a lost answer. Only [`http`] names the HTTP library.

pub mod client;
pub mod error;
pub mod http;
mod outage;
mod retry;
mod tunnel;
pub mod way;

pub use client::ControlPlane;
pub use error::ControlPlaneError;
