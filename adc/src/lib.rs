//! The agent: reads the directory beside it and brings the control plane up to date.
//!
//! [`config`] says what is wanted, [`directory`] reads, [`control_plane`] sends, [`imp`] is a run, [`run`](mod@run) is the daemon,
//! [`service`] the process around it, [`check`] tests every hop on the way. The directory is only ever read.

pub mod check;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control_plane;
pub mod directory;
pub mod exit;
mod heard;
pub mod imp;
pub mod logging;
pub mod manual;
pub mod metrics;
pub mod packed;
pub mod printable;
pub mod process;
pub mod run;
pub mod service;
mod sign_in;
mod spared;
pub mod systemd;
pub mod tls;
pub mod wrap;
