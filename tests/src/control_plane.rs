//! The real `adc-server` on a database of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::api::Api;
use crate::certs::{Authority, ServerCertificate};
use crate::daemon::{self, Daemon, free_port};
use crate::programs::program;
use crate::supervisor::Supervisor;

/// How often another port is tried when somebody else took the one chosen.
const PORT_ATTEMPTS: usize = 20;

/// What the operating system says of a port that belongs to somebody else.
const PORT_TAKEN: &str = "Address already in use";

/// How patient the watchdog is with a control plane that is supervised, in microseconds.
const WATCHDOG_USEC: &str = "4000000";

/// A running control plane; it is killed and its database removed when this is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    daemon: Option<Daemon>,
    folder: TempDir,
    port: u16,
    url: String,
    tls: Option<Tls>,
    earlier_log: String,
    supervisor: Option<PathBuf>,
}

#[derive(Debug)]
struct Tls {
    certificate: ServerCertificate,
    authority_pem: String,
}

/// A synchronization as `adc-server synchronization create` prints it.
#[derive(Clone, Debug, Deserialize)]
pub struct Synchronization {
    /// Its id.
    pub id: String,
    /// The account it belongs to.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// What its agents sign in as.
    pub application_id: String,
    /// What its agents sign in with.
    pub secret_token: String,
}

impl ControlPlane {
    /// Starts a control plane on an empty SQLite database, over plain HTTP on loopback.
    pub fn start() -> Self {
        Self::launch(None, None)
    }

    /// Starts a control plane that serves TLS with a certificate of this authority.
    pub fn with_tls(authority: &Authority, certificate: ServerCertificate) -> Self {
        Self::launch(Some(Tls { certificate, authority_pem: authority.certificate_pem().to_owned() }), None)
    }

    /// Starts a control plane as systemd does, with TLS where a certificate of an authority is given.
    pub fn supervised(supervisor: &Supervisor, tls: Option<(&Authority, ServerCertificate)>) -> Self {
        let tls = tls.map(|(authority, certificate)| Tls {
            certificate,
            authority_pem: authority.certificate_pem().to_owned(),
        });
        Self::launch(tls, Some(supervisor.socket()))
    }

    /// Its address, as it prints it: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id, while it runs.
    pub fn id(&self) -> u32 {
        self.daemon.as_ref().expect("the control plane was stopped by the test").id()
    }

    /// Everything it printed and logged, by all processes on this database.
    pub fn log(&self) -> String {
        let current = self.daemon.as_ref().map(Daemon::log).unwrap_or_default();
        format!("{}{current}", self.earlier_log)
    }

    /// Makes an account and a synchronization in it, both with this name.
    pub fn synchronization(&self, name: &str) -> Synchronization {
        let account = self.cli(&["account", "create", name]);
        let account_id = account["id"].as_str().expect("an account has an id");
        self.synchronization_of(account_id, name)
    }

    /// Makes another synchronization of an account.
    pub fn synchronization_of(&self, account_id: &str, name: &str) -> Synchronization {
        let made = self.cli(&["synchronization", "create", "--account", account_id, "--name", name]);
        serde_json::from_value(made).expect("a synchronization has the fields of the contract")
    }

    /// An API client that administers the account of a synchronization.
    pub fn api(&self, synchronization: &Synchronization) -> Api {
        let made = self.cli(&["api-key", "create", "--account", &synchronization.account_id]);
        self.anonymous_api().with_key(made["api_key"].as_str().expect("an API key is shown once"))
    }

    /// An API client that signs in as nobody.
    pub fn anonymous_api(&self) -> Api {
        Api::new(&self.url, self.tls.as_ref().map(|tls| tls.authority_pem.as_str()))
    }

    /// Runs `adc-server ARGUMENTS --output json` on this database, and returns what it prints.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Value {
        let mut command = self.command();
        command.args(arguments).args(["--database", &self.database_url(), "--output", "json"]);
        let output = daemon::output(&mut command).unwrap_or_else(|error| panic!("{error:#}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "adc-server {arguments:?} failed ({}): {stderr}", output.status);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let stdout = String::from_utf8_lossy(&output.stdout);
            panic!("adc-server {arguments:?} printed no single JSON document ({error}): {stdout}")
        })
    }

    /// The program without arguments, in an environment that names no database and no proxy.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program("adc-server"));
        command.current_dir(self.folder.path()).env_clear();
        command
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("adc.db")
    }

    /// The database as `--database` wants it.
    pub fn database_url(&self) -> String {
        format!("sqlite:{}", self.database().display())
    }

    /// Starts another control plane on a copy of what this one holds, while nothing happens here.
    #[must_use]
    pub fn copy(&self) -> Self {
        assert!(self.tls.is_none() && self.supervisor.is_none(), "only a plain control plane can be copied");
        Self::launch_on(None, None, |folder| {
            // The log goes first: what it holds is written over the file again, whatever of it stands there already.
            for file in ["adc.db-wal", "adc.db"] {
                fs::copy(self.folder.path().join(file), folder.join(file))?;
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("the control plane could not be copied: {error:#}"))
    }

    /// Lets none of its files grow past `room` bytes more than the largest has now, as a full disk would; `None` makes room again.
    pub fn limit_files(&self, room: Option<u64>) {
        let current = room.map(|room| {
            let sizes = fs::read_dir(self.folder.path()).expect("the folder of the database is there");
            let sizes = sizes.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
            sizes.max().unwrap_or_default() + room
        });
        let process = Pid::from_raw(i32::try_from(self.id()).expect("process ids are small"));
        rustix::process::prlimit(process, Resource::Fsize, Rlimit { current, maximum: None })
            .expect("a process of ours may be limited");
    }

    /// Ends it as a power failure would (SIGKILL). Its database stays for [`ControlPlane::restart`].
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
            self.earlier_log.push_str(&daemon.log());
        }
    }

    /// Lays another certificate where it found the one it shows; it is read at SIGHUP.
    pub fn lay_certificate(&self, certificate: &ServerCertificate) {
        write_certificate(self.folder.path(), certificate).expect("the temporary folder can be written");
    }

    /// Sends it a signal, for example [`Signal::HUP`].
    pub fn signal(&self, signal: Signal) {
        self.daemon.as_ref().expect("the control plane was stopped by the test").signal(signal);
    }

    /// Asks it to stop (SIGTERM), and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("the control plane was stopped by the test");
        daemon.signal(Signal::TERM);
        let status = daemon.wait();
        self.earlier_log.push_str(&daemon.log());
        status
    }

    /// Starts it again on the same port and database, killing it first if it still runs.
    pub fn restart(&mut self) {
        self.kill();
        self.start_process()
            .unwrap_or_else(|error| panic!("the control plane could not be restarted: {error:#}"));
    }

    fn launch(tls: Option<Tls>, supervisor: Option<PathBuf>) -> Self {
        Self::launch_on(tls, supervisor, |_| Ok(()))
            .unwrap_or_else(|error| panic!("the control plane could not be started: {error:#}"))
    }

    /// Starts it in a folder in which this was prepared.
    fn launch_on(
        tls: Option<Tls>,
        supervisor: Option<PathBuf>,
        prepare: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("adc-server-").tempdir()?;
        prepare(folder.path())?;
        if let Some(Tls { certificate, .. }) = &tls {
            write_certificate(folder.path(), certificate)?;
        }
        let (url, earlier_log) = Default::default();
        let mut control_plane = Self { daemon: None, folder, port: 0, url, tls, earlier_log, supervisor };
        for _ in 0..PORT_ATTEMPTS {
            control_plane.port = free_port();
            match control_plane.start_process() {
                Ok(()) => return Ok(control_plane),
                Err(error) if error.to_string().contains(PORT_TAKEN) => {}
                Err(error) => return Err(error),
            }
        }
        bail!("{PORT_ATTEMPTS} ports in a row were taken by somebody else")
    }

    fn start_process(&mut self) -> Result<()> {
        // A file that may not grow shall be an error, as on a full disk, and not the end of the process.
        let mut command = Command::new("sh");
        command.current_dir(self.folder.path()).env_clear();
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program("adc-server"));
        command.args(["serve", "--listen", &format!("127.0.0.1:{}", self.port)]);
        command.args(["--database", &self.database_url()]);
        if self.tls.is_some() {
            command.arg("--tls-cert").arg(self.folder.path().join("certificate.pem"));
            command.arg("--tls-key").arg(self.folder.path().join("key.pem"));
        }
        if let Some(socket) = &self.supervisor {
            command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", WATCHDOG_USEC);
        }
        let mut daemon = Daemon::start("adc-server", &mut command)?;
        self.url = daemon.wait_for("its address", address)?;
        self.daemon = Some(daemon);
        Ok(())
    }
}

fn write_certificate(folder: &Path, certificate: &ServerCertificate) -> Result<()> {
    fs::write(folder.join("certificate.pem"), &certificate.certificate_pem)?;
    Ok(fs::write(folder.join("key.pem"), &certificate.key_pem)?)
}

/// The address in the line that `serve` prints when it is ready.
fn address(line: &str) -> Option<String> {
    let url = line.split_whitespace().find(|word| word.contains("://127.0.0.1:"))?;
    url.starts_with("http").then(|| url.trim_end_matches('/').to_owned())
}
