//! No snapshot lies about that no test looks at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::step::root;

/// A folder that holds no snapshots of ours, and many files.
const GIT: &str = ".git";

/// What cargo puts into every folder that it builds into, whatever its name.
const BUILT_MARK: &str = "CACHEDIR.TAG";

/// Which snapshots the tests looked at. insta appends the path of each to a file, as it does for `cargo insta`.
#[derive(Debug)]
pub(crate) struct Snapshots {
    record: PathBuf,
}

impl Snapshots {
    /// The variable that tells insta where to note the snapshots it looks at.
    pub(crate) const VARIABLE: &str = "INSTA_SNAPSHOT_REFERENCES_FILE";

    /// Starts an empty record.
    pub(crate) fn recording(record: &Path) -> Result<Self> {
        fs::write(record, "").with_context(|| format!("{} cannot be written", record.display()))?;
        Ok(Self { record: record.to_owned() })
    }

    /// Where the record is.
    pub(crate) fn path(&self) -> &Path {
        &self.record
    }

    /// Compares the record with the snapshots that exist.
    ///
    /// # Errors
    /// When a snapshot was looked at by no test.
    pub(crate) fn all_referenced(&self) -> Result<()> {
        let recorded = fs::read_to_string(&self.record)?;
        let referenced: BTreeSet<PathBuf> =
            recorded.lines().map(Path::new).filter_map(|path| path.canonicalize().ok()).collect();
        let mut unreferenced = Vec::new();
        collect(root(), &referenced, &mut unreferenced)?;
        ensure!(
            unreferenced.is_empty(),
            "no test looks at these snapshots any more; remove them:\n{}",
            unreferenced.join("\n")
        );
        Ok(())
    }
}

fn collect(folder: &Path, referenced: &BTreeSet<PathBuf>, unreferenced: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_symlink() || path.ends_with(GIT) || path.join(BUILT_MARK).is_file() {
            continue;
        }
        if path.is_dir() {
            collect(&path, referenced, unreferenced)?;
        } else if path.extension().is_some_and(|extension| extension == "snap")
            && !referenced.contains(&path.canonicalize()?)
        {
            unreferenced.push(path.display().to_string());
        }
    }
    Ok(())
}
