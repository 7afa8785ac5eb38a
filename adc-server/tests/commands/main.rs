//! The program as administrators and supervisors run it.

mod making;
mod program;
mod serving;
