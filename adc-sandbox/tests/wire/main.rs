//! The server as clients see it: with the `ldap3` crate where its view suffices, byte by byte where it does
//! not.

mod binds;
mod changes;
mod client;
mod faults;
mod journal;
mod paging;
mod raw;
mod searches;
mod tls;
