//! The machine that the numbers come from.

use std::fs;
use std::process::Command;
use std::thread;

use adc_tests::{program, repository};

/// How many processes, over the last minute, wanted to run before the benchmark began. With more than none the times
/// are bent, and most for what keeps several processes busy at once.
pub(crate) fn load() -> String {
    file_line("/proc/loadavg", "").split_whitespace().next().map_or_else(unknown, str::to_owned)
}

/// What a reader must know to compare the numbers with others; what cannot be found out is called unknown.
pub(crate) fn facts(load: &str) -> Vec<(&'static str, String)> {
    vec![
        ("machine", format!("{}, {} cores, {} of memory", processor(), cores(), memory())),
        ("load of others before the start", load.to_owned()),
        ("kernel", file_line("/proc/sys/kernel/osrelease", "")),
        ("directory", slapd()),
        ("adc", output(&program("adc").display().to_string(), &["--version"])),
        ("compiler", output("rustc", &["--version"])),
        ("commit", output("git", &["log", "-1", "--format=%h of %cs"])),
    ]
}

/// `slapd 2.5.13+dfsg-5` of a line with much about who built it.
fn slapd() -> String {
    let line = output("/usr/sbin/slapd", &["-VV"]);
    let words = line.split_whitespace().skip_while(|word| *word != "slapd").take(2);
    format!("OpenLDAP {}", words.collect::<Vec<_>>().join(" "))
}

fn processor() -> String {
    file_line("/proc/cpuinfo", "model name")
}

fn cores() -> String {
    thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string())
}

fn memory() -> String {
    let total = file_line("/proc/meminfo", "MemTotal");
    let kibibytes: Option<u64> = total.split_whitespace().next().and_then(|number| number.parse().ok());
    kibibytes.map_or_else(unknown, |kibibytes| format!("{} GiB", kibibytes.div_ceil(1 << 20)))
}

/// What follows the colon of the first line that starts so.
fn file_line(path: &str, start: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(start));
    line.map_or_else(unknown, |line| line.split_once(':').map_or(line, |(_, value)| value).trim().to_owned())
}

/// The first line that a command prints, on either stream.
fn output(command: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(command).args(arguments).current_dir(repository()).output() else {
        return unknown();
    };
    let text =
        String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout })
            .trim()
            .to_owned();
    text.lines().next().map_or_else(unknown, |line| line.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
