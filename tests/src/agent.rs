//! The real `adc` with an adc.yaml of the test's own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::company::Company;
use crate::control_plane::{ControlPlane, Synchronization};
use crate::daemon::{self, Daemon};
use crate::programs::program;
use crate::samba::Samba;
use crate::slapd::Slapd;

/// An agent of a synchronization, with its adc.yaml in a temporary folder.
#[derive(Debug)]
pub struct Agent {
    folder: TempDir,
    server: BTreeMap<String, String>,
    settings: BTreeMap<String, bool>,
    ldap: BTreeMap<String, String>,
    sync: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    whole: Option<String>,
    wrapper: Vec<OsString>,
}

/// How a run of `adc` ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; 128 + n when signal n ended it.
    pub code: i32,
    /// What it printed: with `--output json`, one document.
    pub stdout: String,
    /// What it told people.
    pub stderr: String,
}

/// A run of `adc` that goes on while the test does something else; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    daemon: Daemon,
}

impl Agent {
    /// An agent that reads this directory, over plain LDAP, for this synchronization.
    pub fn new(slapd: &Slapd, control_plane: &ControlPlane, synchronization: &Synchronization) -> Self {
        Self::without_directory(control_plane, synchronization)
            .ldap("addr", &slapd.url())
            .ldap("bind_dn", &slapd.bind_dn())
            .ldap("bind_password", Company::BIND_PASSWORD)
            .ldap("base_dn", slapd.suffix())
    }

    /// An agent that reads this domain, over LDAPS, for this synchronization.
    pub fn of_domain(samba: &Samba, control_plane: &ControlPlane, synchronization: &Synchronization) -> Self {
        Self::without_directory(control_plane, synchronization)
            .ldap("addr", &samba.ldaps_url())
            .ldap_file("ca_file", samba.authority_pem())
            .ldap("server_name", Samba::HOST)
            .ldap("bind_dn", Samba::BIND_NAME)
            .ldap("bind_password", Samba::BIND_PASSWORD)
            .ldap("base_dn", Samba::DOMAIN_DN)
    }

    /// An agent that is yet to be told which directory it reads.
    pub fn without_directory(control_plane: &ControlPlane, synchronization: &Synchronization) -> Self {
        let server = [
            ("url", control_plane.url()),
            ("application_id", &synchronization.application_id),
            ("secret_token", &synchronization.secret_token),
        ];
        Self {
            folder: tempfile::Builder::new()
                .prefix("adc-")
                .tempdir()
                .expect("a temporary folder can be made"),
            server: server.map(|(key, value)| (key.to_owned(), quoted(value))).into(),
            settings: BTreeMap::new(),
            ldap: BTreeMap::new(),
            sync: BTreeMap::new(),
            environment: BTreeMap::new(),
            whole: None,
            wrapper: Vec::new(),
        }
    }

    /// The same agent of another control plane, or of another synchronization there.
    #[must_use]
    pub fn of(&self, control_plane: &ControlPlane, synchronization: &Synchronization) -> Self {
        let other = Self::without_directory(control_plane, synchronization);
        Self {
            folder: other.folder,
            server: self.server.clone().into_iter().chain(other.server).collect(),
            settings: self.settings.clone(),
            ldap: self.ldap.clone(),
            sync: self.sync.clone(),
            environment: self.environment.clone(),
            whole: self.whole.clone(),
            wrapper: self.wrapper.clone(),
        }
    }

    /// Sets a key under `server:`.
    #[must_use]
    pub fn server(mut self, key: &str, value: &str) -> Self {
        self.server.insert(key.to_owned(), quoted(value));
        self
    }

    /// Sets a key under `server:` to a file of the agent's own with this content: `ca_file`.
    #[must_use]
    pub fn server_file(self, key: &str, content: &str) -> Self {
        let path = self.folder.path().join(format!("server-{key}"));
        fs::write(&path, content).expect("the temporary folder can be written");
        self.server(key, &path.display().to_string())
    }

    /// Takes a key under `server:` out.
    #[must_use]
    pub fn without_server(mut self, key: &str) -> Self {
        self.server.remove(key);
        self
    }

    /// Sets a switch under `settings:`; the others stay unset.
    #[must_use]
    pub fn setting(mut self, key: &str, value: bool) -> Self {
        self.settings.insert(key.to_owned(), value);
        self
    }

    /// Sets a key under `backend.ldap:` to a text.
    #[must_use]
    pub fn ldap(mut self, key: &str, value: &str) -> Self {
        self.ldap.insert(key.to_owned(), quoted(value));
        self
    }

    /// Takes a key under `backend.ldap:` out.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.ldap.remove(key);
        self
    }

    /// Sets a key under `backend.ldap:` to what is not a text, written as YAML: `true`, `5`, `[mail, uid]`.
    #[must_use]
    pub fn ldap_yaml(mut self, key: &str, yaml: &str) -> Self {
        self.ldap.insert(key.to_owned(), yaml.to_owned());
        self
    }

    /// Sets a key under `backend.ldap:` to a file of the agent's own with this content: `ca_file`.
    #[must_use]
    pub fn ldap_file(self, key: &str, content: &str) -> Self {
        let path = self.folder.path().join(key);
        fs::write(&path, content).expect("the temporary folder can be written");
        self.ldap(key, &path.display().to_string())
    }

    /// Sets a key under `backend.ldap.sync:`, written as YAML: `page_size` to `20`.
    #[must_use]
    pub fn sync_yaml(mut self, key: &str, yaml: &str) -> Self {
        self.sync.insert(key.to_owned(), yaml.to_owned());
        self
    }

    /// Uses this text as adc.yaml, whatever else was set.
    #[must_use]
    pub fn config(mut self, yaml: &str) -> Self {
        self.whole = Some(yaml.to_owned());
        self
    }

    /// Sets a variable of the agent's environment, which is empty otherwise.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs `adc` by another program, one that measures or traces, which is given the command as its last
    /// arguments.
    #[must_use]
    pub fn wrapped_by<A: Into<OsString>>(mut self, program: impl IntoIterator<Item = A>) -> Self {
        self.wrapper = program.into_iter().map(Into::into).collect();
        self
    }

    /// `adc imp --output json`: one run.
    pub fn imp(&self) -> Outcome {
        self.imp_with(&[])
    }

    /// `adc imp --output json` with more arguments.
    pub fn imp_with(&self, arguments: &[&str]) -> Outcome {
        self.run(&[&["imp", "--output", "json"], arguments].concat())
    }

    /// Runs `adc` with these arguments to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let output = daemon::output(self.command(arguments).stdin(Stdio::null()));
        let output = output.unwrap_or_else(|error| panic!("{error:#}"));
        Outcome {
            code: code(output.status),
            stdout: String::from_utf8(output.stdout).expect("adc prints UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("adc prints UTF-8"),
        }
    }

    /// Starts `adc` with these arguments, without waiting for its end.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let daemon = Daemon::start("adc", &mut self.command(arguments));
        Running { daemon: daemon.unwrap_or_else(|error| panic!("{error:#}")) }
    }

    /// The command that runs `adc` with these arguments: adc.yaml is written, nothing is started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.wrapper.iter().cloned().chain([program("adc").into_os_string()]);
        let mut command = Command::new(words.next().expect("the program itself is always there"));
        command.args(words).args(arguments).arg("--config").arg(self.write_config());
        command.current_dir(self.folder.path()).env_clear().envs(&self.environment);
        command
    }

    /// A folder of the agent's own, for the files that its configuration names.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write_config(&self) -> PathBuf {
        let path = self.folder.path().join("adc.yaml");
        let text = self.whole.clone().unwrap_or_else(|| self.yaml());
        fs::write(&path, text).expect("the temporary folder can be written");
        // It holds a password: what others may read draws a warning, which is for the tests of that warning.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        path
    }

    fn yaml(&self) -> String {
        let mut yaml = String::new();
        section(&mut yaml, "server:", "  ", &self.server);
        section(&mut yaml, "settings:", "  ", &self.settings);
        section(&mut yaml, "backend:\n  ldap:", "    ", &self.ldap);
        section(&mut yaml, "    sync:", "      ", &self.sync);
        yaml
    }
}

impl Outcome {
    /// Insists on an exit code.
    #[allow(clippy::return_self_not_must_use, reason = "insisting is enough")]
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "adc ended with {}:\n{}\n{}", self.code, self.stderr, self.stdout);
        self
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("adc printed no single JSON document ({error}):\n{}\n{}", self.stdout, self.stderr)
        })
    }
}

impl Running {
    /// The process, to be waited for, signalled or killed.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Waits for its end; returns the exit code and everything it printed.
    pub fn finish(mut self) -> (i32, String) {
        let status = self.daemon.wait();
        (code(status), self.daemon.log())
    }
}

fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .expect("it exited, or a signal ended it")
}

fn section<V: ToString>(yaml: &mut String, heading: &str, indent: &str, keys: &BTreeMap<String, V>) {
    if keys.is_empty() {
        return;
    }
    writeln!(yaml, "{heading}").expect("writing to a String cannot fail");
    for (key, value) in keys {
        writeln!(yaml, "{indent}{key}: {}", value.to_string()).expect("writing to a String cannot fail");
    }
}

/// A text as a YAML scalar in single quotes, in which nothing but the quote itself is special.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
