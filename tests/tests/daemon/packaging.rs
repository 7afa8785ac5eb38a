//! What is shipped for systemd: the units shut the programs off, and the older layout works as its unit says.

use std::fs;
use std::process::{Command, Stdio};

use adc_tests::{Daemon, free_port, program, repository};
use rustix::process::Signal;

use super::{Connected, scene};

/// What a unit says of a key, in order.
fn said(unit: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join("packaging/systemd").join(unit)).expect("it is shipped");
    let value =
        |line: &str| line.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned());
    text.lines().filter_map(value).collect()
}

/// How far a unit leaves the machine open to its service, in tenths; `None` where this machine has no systemd-analyze.
fn exposure(unit: &str) -> Option<u32> {
    let path = repository().join("packaging/systemd").join(unit);
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager"]).arg(&path).stdin(Stdio::null());
    let Ok(output) = command.output() else {
        eprintln!("skipped: there is no systemd-analyze here; on Debian it comes with the package systemd");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let overall =
        text.lines().find_map(|line| line.split_once("Overall exposure level for")).map(|(_, rest)| rest);
    let overall = overall.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    let level = overall.split_whitespace().find_map(|word| {
        let (whole, tenths) = word.split_once('.')?;
        Some(whole.parse::<u32>().ok()? * 10 + tenths.parse::<u32>().ok()?)
    });
    Some(level.unwrap_or_else(|| panic!("no level in {overall}")))
}

#[test]
fn the_agent_is_shut_off_from_the_machine() {
    if let Some(tenths) = exposure("adc.service") {
        assert!(tenths <= 20, "the exposure is {}.{}", tenths / 10, tenths % 10);
    }
    if let Some(tenths) = exposure("adc-server.service") {
        assert!(tenths <= 25, "the exposure is {}.{}", tenths / 10, tenths % 10);
    }
}

#[test]
fn the_units_say_what_the_programs_do() {
    assert_eq!(said("adc.service", "Type"), ["notify-reload"]);
    assert_eq!(said("adc.service", "ExecStart"), ["/usr/bin/adc run"]);
    assert_eq!(said("adc.service", "LoadCredential"), ["adc-secret-token", "adc-bind-password"]);
    // Exit codes that no new start mends: usage, and a control plane that refuses for good.
    assert_eq!(said("adc.service", "RestartPreventExitStatus"), ["2 4"]);
    assert_eq!(said("adc-server.service", "Type"), ["notify-reload"]);
    assert_eq!(said("adc-server.service", "LoadCredential"), ["adc-server-key"]);
    assert_eq!(said("adc-server.service", "RestartPreventExitStatus"), ["2"]);
    for unit in ["adc.service", "adc-server.service", "ad-connect.service"] {
        for key in
            ["WatchdogSec", "Restart", "RestartSec", "RestartSteps", "RestartMaxDelaySec", "LimitNOFILE"]
        {
            assert_eq!(said(unit, key).len(), 1, "{key} of {unit}");
        }
        // Passwords that are being tried lie in memory.
        assert_eq!(said(unit, "LimitCORE"), ["0"], "{unit}");
    }
}

/// Whoever starts them by hand has no unit that says so.
#[test]
fn a_crash_left_passwords_in_a_file() {
    let cores = |process: &str| {
        let limits = fs::read_to_string(format!("/proc/{process}/limits")).expect("it runs");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
        line.expect("Linux has this limit").split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    if cores("self") == ["0", "0"] {
        eprintln!("NOT PROVED: nothing leaves core files here, so nobody sees who would");
        return;
    }
    let scene = scene();
    let mut agent = Connected::start(&scene.agent);
    assert_eq!(cores(&agent.0.daemon().id().to_string()), ["0", "0"], "adc run");
    assert_eq!(cores(&scene.control_plane.id().to_string()), ["0", "0"], "adc-server serve");
    agent.stop();
}

#[test]
fn secrets_come_as_credentials() {
    let scene = scene();
    let credentials = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, secret: &str| {
        fs::write(credentials.path().join(name), format!("{secret}\n")).expect("the folder can be written");
    };
    write("adc-secret-token", &scene.synchronization.secret_token);
    write("adc-bind-password", adc_tests::Company::BIND_PASSWORD);
    let scene = scene.agent(|agent| {
        agent
            .without("bind_password")
            .without_server("secret_token")
            .env("CREDENTIALS_DIRECTORY", credentials.path().to_str().expect("the path is text"))
    });
    scene.imp();
    assert_eq!(scene.users().len(), 31);
}

/// The layout of `ad-connect.service`: the program in /opt/<vendor>/ad-connect/bin, its configuration named by adc.cfg, signals by kill(1).
#[test]
fn the_older_layout_works_as_its_unit_says() {
    assert_eq!(said("ad-connect.service", "ExecStart"), ["/opt/vendor/ad-connect/bin/adc run"]);
    assert_eq!(said("ad-connect.service", "ExecReload"), ["/bin/kill -s HUP $MAINPID"]);
    assert_eq!(said("ad-connect.service", "ExecStop"), ["/bin/kill -s TERM $MAINPID"]);

    let scene = scene();
    // Writes adc.yaml; what it would run is not of interest.
    let _command = scene.agent.command(&["run"]);
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let home = root.path().join("opt/vendor/ad-connect");
    for folder in ["bin", "etc"] {
        fs::create_dir_all(home.join(folder)).expect("the folder can be written");
    }
    std::os::unix::fs::symlink(program("adc"), home.join("bin/adc")).expect("the folder can be written");
    fs::copy(scene.agent.folder().join("adc.yaml"), home.join("etc/adc.yaml")).expect("adc.yaml was written");
    let cfg = home.join("etc/adc.cfg");
    let url = scene.control_plane.url();
    let (id, secret) = (&scene.synchronization.application_id, &scene.synchronization.secret_token);
    let written = |url: &str| {
        format!(
            "ADC_CONFIG={}\nADC_SERVER_URL={url}\nADC_APPLICATION_ID={id}\nADC_SECRET_TOKEN={secret}\nADC_LOG=info\n",
            home.join("etc/adc.yaml").display()
        )
    };
    let nobody = format!("http://127.0.0.1:{}", free_port());
    fs::write(&cfg, written(&nobody)).expect("the folder can be written");

    let mut command = Command::new(home.join("bin/adc"));
    command.arg("run").current_dir("/").env_clear().env("ADC_ENVIRONMENT_FILE", &cfg);
    // As systemd does with an EnvironmentFile.
    command
        .envs(fs::read_to_string(&cfg).expect("it is there").lines().filter_map(|line| line.split_once('=')));
    let mut daemon = Daemon::start("adc", &mut command).expect("starts");
    wait_for(&mut daemon, "no link to the control plane");

    fs::write(&cfg, written(url)).expect("the folder can be written");
    kill("HUP", daemon.id());
    wait_for(&mut daemon, super::CONNECTED);
    kill("TERM", daemon.id());
    // systemd sends its own when ExecStop= has ended.
    daemon.signal(Signal::TERM);
    let status = daemon.wait();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
}

#[track_caller]
fn wait_for(daemon: &mut Daemon, words: &str) {
    let pick = |line: &str| line.contains(words).then_some(());
    daemon.wait_for(words, pick).unwrap_or_else(|error| panic!("{error:#}"));
}

#[track_caller]
fn kill(signal: &str, process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -s {signal} {process}")]).status();
    assert!(status.expect("there is a shell").success());
}
