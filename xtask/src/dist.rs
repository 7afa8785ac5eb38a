//! `cargo xtask dist`: the release archive.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::step::{Step, root, target_folder};

/// The programs that are shipped.
const PROGRAMS: [&str; 2] = ["adc", "adc-server"];

/// Files of the repository that are shipped beside them.
const FILES: [&str; 2] = ["README.md", "examples/adc.yaml"];

/// Folders of which every file is shipped.
const FOLDERS: [&str; 1] = ["packaging/systemd"];

/// Builds the programs, and packs them with the example configuration and the systemd units.
pub(crate) fn run() -> Result<()> {
    Step::cargo("build", ["build", "--release", "--package", "adc", "--package", "adc-server", "--bins"])
        .run()?;

    let dist = root().join("dist");
    let name =
        format!("adc-{}-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    let staged = dist.join(&name);
    if staged.exists() {
        fs::remove_dir_all(&staged)?;
    }
    for program in PROGRAMS {
        copy(&target_folder().join("release").join(program), &staged.join("bin").join(program))?;
    }
    for file in FILES {
        copy(&root().join(file), &staged.join(file))?;
    }
    for folder in FOLDERS {
        for entry in fs::read_dir(root().join(folder)).with_context(|| format!("{folder} is missing"))? {
            let entry = entry?;
            copy(&entry.path(), &staged.join(folder).join(entry.file_name()))?;
        }
    }

    let archive = format!("dist/{name}.tar.gz");
    // Who built it is nobody's business, and its owner is root wherever it is unpacked.
    let owner = ["--owner=root:0", "--group=root:0", "--sort=name"];
    Step::program("archive", "tar").args(owner).args(["-czf", &archive, "-C", "dist", &name]).run()?;
    println!("{archive}");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("every shipped file lies in a folder")?;
    fs::create_dir_all(folder)?;
    fs::copy(from, to).with_context(|| format!("{} cannot be shipped", from.display()))?;
    Ok(())
}
