//! This process and the machine: what it uses of it, and what it leaves behind there.

use std::fmt::Write as _;
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has the kernel write no core file of this process, however it ends: passwords lie in its memory. What it may write is never raised
/// again, not by children either.
pub fn leave_no_core() {
    const NOTHING: Rlimit = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, NOTHING)
        && getrlimit(Resource::Core).current != NOTHING.current
    {
        tracing::warn!(
            "a crash would leave the program's memory in a file, and passwords with it: {error}; start it with `ulimit -c 0`"
        );
    }
}

/// What this process uses of the machine as gauges in Prometheus' text format, under the names that every exporter uses. Read from
/// /proc; where there is none, nothing is told.
pub fn text() -> String {
    let mut text = String::new();
    if let Some(bytes) = resident_bytes() {
        gauge(&mut text, "process_resident_memory_bytes", "Resident memory of the process", bytes);
    }
    if let Some(open) = open_files() {
        gauge(&mut text, "process_open_fds", "Files and sockets that the process has open", open);
    }
    text
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}")
        .expect("writing to a String cannot fail");
}

/// `proc_pid_status(5)`, which counts in units of 1024 bytes.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// One of them is the folder being read.
fn open_files() -> Option<u64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(listed).ok().map(|listed| listed.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_memory_and_has_its_output_open() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20), "{:?}", resident_bytes());
        assert!(open_files().is_some_and(|open| open >= 3), "{:?}", open_files());
        assert_eq!(text().lines().filter(|line| !line.starts_with('#')).count(), 2);
    }
}
