//! What a process used: time on the wall, time on the processors, and its peak of memory.
//!
//! The kernel carries the peak of the process that starts another over to the started one (`ru_maxrss` survives
//! `exec`). So this small program stands between: `bench measure FILE COMMAND…` starts the command, and its own few
//! MiB are all that is carried over.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use wait4::Wait4 as _;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the result goes.
    file: PathBuf,
    /// What is measured.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// What one process used.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Usage {
    /// From its start to its end.
    pub(crate) wall: Duration,
    /// User and system time, of all its threads.
    pub(crate) cpu: Duration,
    /// The most memory it held at once (resident), in bytes.
    pub(crate) peak_memory: u64,
}

/// Runs the command with this process's own streams, and ends with its exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (program, rest) = arguments.command.split_first().context("no command was given")?;
    let started = Instant::now();
    let child = Command::new(program)
        .args(rest)
        .spawn()
        .with_context(|| format!("{} could not be started", program.display()))?;
    let ended = child.wait4()?;
    let usage = Usage {
        wall: started.elapsed(),
        cpu: ended.rusage.utime + ended.rusage.stime,
        peak_memory: ended.rusage.maxrss,
    };
    fs::write(&arguments.file, serde_json::to_vec(&usage)?)?;
    let code = ended.status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The words that go before a command to have it measured into a file.
pub(crate) fn prefix(file: &Path) -> Result<[OsString; 3]> {
    let this = std::env::current_exe().context("this program cannot find itself")?;
    Ok([this.into_os_string(), "measure".into(), file.as_os_str().to_owned()])
}

/// What the command measured last used.
pub(crate) fn result(file: &Path) -> Result<Usage> {
    let text = fs::read(file).with_context(|| format!("nothing was measured into {}", file.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// A server that goes on running, watched through `/proc`.
#[derive(Debug)]
pub(crate) struct Watched {
    process: PathBuf,
    cpu_before: Duration,
}

impl Watched {
    /// Starts to watch: the peak of memory counts from now.
    pub(crate) fn start(process_id: u32) -> Result<Self> {
        let process = PathBuf::from(format!("/proc/{process_id}"));
        // proc(5): 5 resets the peak to what is held now.
        fs::write(process.join("clear_refs"), "5").context("the server's peak of memory cannot be reset")?;
        let cpu_before = cpu(&process)?;
        Ok(Self { process, cpu_before })
    }

    /// What it used since; the wall is not its own, and stays zero.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let status = fs::read_to_string(self.process.join("status"))?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in status")?;
        let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse()?;
        let cpu = cpu(&self.process)?.saturating_sub(self.cpu_before);
        Ok(Usage { wall: Duration::ZERO, cpu, peak_memory: kibibytes * 1024 })
    }
}

/// User and system time of a running process, from its `stat`: in ticks, of which Linux shows people 100 a second.
fn cpu(process: &Path) -> Result<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(process.join("stat"))?;
    // The second field is the command's name in parentheses; utime and stime are the 14th and 15th.
    let (_, after_name) = stat.rsplit_once(')').context("stat has no name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u32 = fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
    Ok(TICK * ticks)
}
