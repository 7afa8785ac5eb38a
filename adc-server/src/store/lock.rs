//! One server for a database: a second one would take the first one's runs for leftovers and end them.

use super::path_of;
use anyhow::{Context, bail};
use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

/// The right to serve a database, held until it is dropped. It ends with the process, however that ends.
#[derive(Debug)]
#[must_use = "the database may be served only as long as this is kept"]
pub struct ServingLock {
    /// The operating system's lock goes when the file is closed.
    _file: File,
}

impl ServingLock {
    /// Takes the right to serve `sqlite:PATH`, or says that another process has it. Commands beside a server need none.
    pub fn take(url: &str) -> anyhow::Result<Self> {
        let path = path_of(url)?;
        // Two ways to one database are one database. One that is not there yet is served by nobody under another name.
        let mut lock: OsString = path.canonicalize().unwrap_or(path).into_os_string();
        lock.push("-lock");
        let lock = PathBuf::from(lock);
        let cannot = || format!("cannot lock the database {url}");
        // A file of its own: closing a second handle of the database itself would drop SQLite's locks on it.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(|error| super::cannot_open(&lock, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!("another adc-server already serves {url}; stop it first"),
            Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
        }
    }
}
