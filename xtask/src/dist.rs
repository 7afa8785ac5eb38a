//! `cargo xtask dist`: the release archive.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::step::{Step, root, target_folder};

/// The programs that are shipped.
const PROGRAMS: [&str; 2] = ["adc", "adc-server"];

/// Files of the repository that are shipped beside them.
const FILES: [&str; 4] = ["ARCHITECTURE.md", "LICENSE", "README.md", "examples/adc.yaml"];

/// Folders of which every file is shipped: all that README.md leads to.
const FOLDERS: [&str; 3] = ["docs", "packaging/prometheus", "packaging/systemd"];

/// What the agent prints for packagers: how it is asked, and where it belongs.
const PRINTED: [(&[&str], &str); 4] = [
    (&["man"], "share/man/man1/adc.1"),
    (&["completions", "bash"], "share/bash-completion/completions/adc"),
    (&["completions", "zsh"], "share/zsh/site-functions/_adc"),
    (&["completions", "fish"], "share/fish/vendor_completions.d/adc.fish"),
];

/// Builds the programs, and packs them with the documents, the example configuration, the systemd units, the alerts, the manual page and
/// completions.
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
        let shipped = staged.join("bin").join(program);
        copy(&target_folder().join("release").join(program), &shipped)?;
        // Four fifths of a program are for debuggers. The names of functions stay, for traces of a panic.
        Step::program("strip", "strip").args(["--strip-debug"]).args([&shipped]).run()?;
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

    let agent = staged.join("bin").join("adc");
    for (arguments, file) in PRINTED {
        print(&agent, arguments, &staged.join(file))?;
    }

    let archive = format!("dist/{name}.tar.gz");
    // Who built it is nobody's business, and its owner is root wherever it is unpacked.
    let owner = ["--owner=root:0", "--group=root:0", "--sort=name"];
    Step::program("archive", "tar").args(owner).args(["-czf", &archive, "-C", "dist", &name]).run()?;
    println!("{archive}");
    Ok(())
}

/// Keeps what a program prints.
fn print(program: &Path, arguments: &[&str], to: &Path) -> Result<()> {
    let printed = Command::new(program).args(arguments).output()?;
    ensure!(printed.status.success(), "{} {} failed", program.display(), arguments.join(" "));
    fs::create_dir_all(to.parent().context("every shipped file lies in a folder")?)?;
    fs::write(to, printed.stdout).with_context(|| format!("{} cannot be written", to.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("every shipped file lies in a folder")?;
    fs::create_dir_all(folder)?;
    fs::copy(from, to).with_context(|| format!("{} cannot be shipped", from.display()))?;
    Ok(())
}
