//! The programs under test, built once before the first test runs one.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// The folder of programs that were just built: set by `cargo xtask test`, so that nobody need look again, and by
/// `cargo xtask bench`, which wants release builds.
const BUILT: &str = "ADC_TEST_PROGRAMS";

/// Set by nextest, the same for every test of one run. nextest gives each test a process of its own; by this the
/// first of them builds for all.
const RUN: &str = "NEXTEST_RUN_ID";

/// The path of a program of this workspace (`adc`, `adc-server`), built from the sources as they are now.
///
/// `cargo test -p adc-tests` builds no other package's programs, so the first caller runs `cargo build`, which
/// is quick when there is nothing to do.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        up_to_date().unwrap_or_else(|error| panic!("the programs under test could not be built: {error:#}"))
    });
    let path = folder.join(name);
    assert!(path.is_file(), "{} does not exist: the workspace has no program {name}", path.display());
    path
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository")
}

/// Where cargo puts the programs it builds for the tests, and tests what is worth keeping for the next run.
///
/// # Errors
/// When this very program has no path.
pub(crate) fn built_folder() -> Result<PathBuf> {
    // target/debug/deps/e2e-0123456789abcdef: the programs stand one folder up.
    let executable = env::current_exe()?;
    let folder = executable
        .ancestors()
        .find(|folder| folder.ends_with("deps"))
        .map_or(executable.parent(), Path::parent);
    folder.map(Path::to_owned).context("the test executable has no folder")
}

/// Makes sure that the programs are built, and returns the folder that holds them.
fn up_to_date() -> Result<PathBuf> {
    if let Some(folder) = env::var_os(BUILT) {
        return Ok(folder.into());
    }

    let folder = built_folder()?;
    let lock = File::create(folder.join(".adc-tests.lock"))?;
    lock.lock()?;
    let stamp = folder.join(".adc-tests.run");
    let run = env::var(RUN).ok();
    if run.is_some() && fs::read_to_string(&stamp).ok() == run {
        return Ok(folder);
    }
    build(folder.ends_with("release"))?;
    if let Some(run) = run {
        fs::write(&stamp, run)?;
    }
    Ok(folder)
}

/// Builds the programs of the whole workspace, as `cargo xtask test` does: with the same packages selected cargo
/// unifies the same features, and compiles no dependency a second time.
fn build(release: bool) -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).args(["build", "--quiet", "--workspace", "--bins"]);
    if release {
        cargo.arg("--release");
    }
    // What cargo tells this test about its own package must not be taken for the packages built now.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().context("cargo could not be started")?;
    ensure!(status.success(), "{cargo:?} failed ({status}); run it by hand to see why");
    Ok(())
}
