//! The program as administrators and supervisors run it.

mod demo;
mod making;
mod program;
mod serving;
