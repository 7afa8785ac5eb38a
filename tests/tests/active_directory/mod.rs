//! A real domain controller: what Active Directory does otherwise than other directories.

mod dirsync;
mod domain;
mod import;
mod limits;
mod membership;
mod reaching;
