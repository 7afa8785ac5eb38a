//! A real slapd on loopback, with its configuration and data in a temporary folder.

mod config;
mod tools;

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::certs::ServerCertificate;
use crate::company::Company;
use crate::daemon::{Daemon, free_port};

pub use config::SlapdBuilder;

/// How often another port is tried when somebody else took the one chosen.
const PORT_ATTEMPTS: usize = 20;

/// What slapd logs once its ports are its own; a moment later it listens on them.
const STARTING: &str = "slapd starting";

/// How long slapd may take from then until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

/// The pause between two attempts to connect: slapd has no event to wait for.
const CONNECT_PAUSE: Duration = Duration::from_millis(1);

/// What slapd logs when a port belongs to somebody else.
const PORT_TAKEN: &str = "Address already in use";

/// Where `AppArmor` keeps the rules that, on Ubuntu, forbid `/usr/sbin/slapd` to read a temporary folder.
const APPARMOR_PROFILE: &str = "/etc/apparmor.d/usr.sbin.slapd";

/// A running slapd; it is killed and its data removed when this is dropped.
#[derive(Debug)]
pub struct Slapd {
    daemon: Option<Daemon>,
    program: PathBuf,
    folder: TempDir,
    suffix: String,
    ports: Ports,
    /// What earlier processes of this directory logged, before they were killed.
    earlier_log: String,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    plain: u16,
    /// With a certificate only.
    tls: Option<u16>,
}

impl Slapd {
    /// The password of the root DN.
    pub const ROOT_PASSWORD: &'static str = "root secret";

    /// Serves a company's directory: anybody but its bind account may only log in, the bind account reads all.
    pub fn serving(company: &Company) -> Self {
        Self::builder(company).start()
    }

    /// Prepares a slapd for a company's directory.
    pub fn builder(company: &Company) -> SlapdBuilder {
        SlapdBuilder::new(company.suffix(), company.ldif())
    }

    /// Its address: `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ports.plain)
    }

    /// Its address with TLS from the start; StartTLS is offered on [`Slapd::url`].
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.ports.tls.expect("this slapd was given no certificate"))
    }

    /// Its address as a local socket.
    pub fn ldapi_url(&self) -> String {
        format!("ldapi://{}", self.socket().display().to_string().replace('/', "%2F"))
    }

    /// The port of [`Slapd::url`].
    pub fn port(&self) -> u16 {
        self.ports.plain
    }

    /// The suffix, which is the base DN.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The DN of the bind account, which may read everything and write nothing.
    pub fn bind_dn(&self) -> String {
        format!("cn=readonly,{}", self.suffix)
    }

    /// The DN that may do everything, also what the schema forbids others.
    pub fn root_dn(&self) -> String {
        format!("cn=root,{}", self.suffix)
    }

    /// The process id, while it runs.
    pub fn id(&self) -> u32 {
        self.daemon.as_ref().expect("slapd was stopped by the test").id()
    }

    /// Everything logged, by all processes of this directory: one line per operation ("stats" level).
    pub fn log(&self) -> String {
        let current = self.daemon.as_ref().map(Daemon::log).unwrap_or_default();
        format!("{}{current}", self.earlier_log)
    }

    /// Ends it as a power failure would (SIGKILL). Its data stay for [`Slapd::restart`].
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
            self.earlier_log.push_str(&daemon.log());
        }
    }

    /// Ends it as its administrator would (SIGTERM), so that it can write down where it stands.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::TERM);
            daemon.wait();
            self.earlier_log.push_str(&daemon.log());
        }
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) {
        self.kill();
        let started = self.start_process();
        self.daemon = Some(started.unwrap_or_else(|error| panic!("slapd could not be restarted: {error:#}")));
    }

    /// Ends it as a power failure would and starts it again, until that can be seen: it tells its age in seconds.
    pub fn crash(&mut self) {
        let before = self.age();
        while self.age() == before {
            self.restart();
        }
    }

    /// Starts it again with an access rule that is looked at before the others: the directory's administrator
    /// takes a right away (or gives one).
    pub fn restart_with_access(&mut self, rule: &str) {
        config::add_access(self.folder.path(), rule)
            .unwrap_or_else(|error| panic!("slapd.conf could not be changed: {error:#}"));
        self.restart();
    }

    /// Starts it again with an access rule for what belongs to no database, such as `cn=Subschema`.
    pub fn restart_with_global_access(&mut self, rule: &str) {
        config::add_global_access(self.folder.path(), rule)
            .unwrap_or_else(|error| panic!("slapd.conf could not be changed: {error:#}"));
        self.restart();
    }

    /// Writes everything it holds down, as its administrator does every night: LDIF with identities and times.
    pub fn back_up(&mut self) -> String {
        self.stop();
        let output = Command::new(&self.program)
            .args(["-T", "cat", "-f"])
            .arg(config::path(self.folder.path()))
            .output()
            .expect("slapcat can be started");
        assert!(output.status.success(), "slapcat: {}", String::from_utf8_lossy(&output.stderr));
        self.restart();
        String::from_utf8(output.stdout).expect("LDIF is text")
    }

    /// Puts back what was written down, instead of what is there.
    pub fn put_back(&mut self, backup: &str) {
        let before = self.age();
        self.stop();
        let folder = self.folder.path();
        let put_back = || -> Result<()> {
            let (data, ldif) = (folder.join(config::DATA), folder.join("backup.ldif"));
            fs::remove_dir_all(&data)?;
            fs::create_dir(&data)?;
            fs::write(&ldif, backup)?;
            load(&self.program, folder, &self.suffix, &ldif)
        };
        put_back().unwrap_or_else(|error| panic!("slapd's data could not be put back: {error:#}"));
        self.restart();
        // Nobody puts data back within a second of a start, and whoever did would not be noticed.
        while self.age() == before {
            self.restart();
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("ldapi")
    }

    /// Runs slapd on the ports of this directory, and waits until it listens.
    fn start_process(&self) -> Result<Daemon> {
        let mut listeners = vec![format!("{}/", self.url()), self.ldapi_url()];
        if self.ports.tls.is_some() {
            listeners.push(format!("{}/", self.ldaps_url()));
        }
        let mut command = Command::new(&self.program);
        // Level "stats" logs every operation, "none" what matters whatever the level; both go to stderr.
        command.args(["-d", "stats,none", "-f"]).arg(config::path(self.folder.path()));
        command.args(["-h", &listeners.join(" ")]);
        let mut daemon = Daemon::start("slapd", &mut command)?;
        daemon.wait_for(STARTING, |line| line.contains(STARTING).then_some(()))?;
        wait_until_it_listens(|| {
            UnixStream::connect(self.socket())?;
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.plain))?;
            self.ports.tls.map_or(Ok(()), |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop))
        })?;
        Ok(daemon)
    }
}

/// Writes the configuration, loads the data and starts the server.
fn launch(builder: SlapdBuilder) -> Result<Slapd> {
    let folder = tempfile::Builder::new().prefix("slapd-").tempdir()?;
    let program = slapd_program(folder.path())?;
    config::write(&builder, folder.path())?;
    let company = folder.path().join("company.ldif");
    fs::write(&company, &builder.ldif)?;
    for file in [&company].into_iter().chain(&builder.files) {
        load(&program, folder.path(), &builder.suffix, file)?;
    }

    let ports = free_ports(builder.certificate.as_ref());
    let mut slapd =
        Slapd { daemon: None, program, folder, suffix: builder.suffix, ports, earlier_log: String::new() };
    for _ in 0..PORT_ATTEMPTS {
        match slapd.start_process() {
            Ok(daemon) => {
                slapd.daemon = Some(daemon);
                return Ok(slapd);
            }
            Err(error) if error.to_string().contains(PORT_TAKEN) => {
                slapd.ports = free_ports(builder.certificate.as_ref());
            }
            Err(error) => return Err(error),
        }
    }
    bail!("{PORT_ATTEMPTS} ports in a row were taken by somebody else")
}

fn free_ports(certificate: Option<&ServerCertificate>) -> Ports {
    Ports { plain: free_port(), tls: certificate.map(|_| free_port()) }
}

fn wait_until_it_listens(connect: impl Fn() -> io::Result<()>) -> Result<()> {
    let deadline = Instant::now() + LISTENS_WITHIN;
    while let Err(error) = connect() {
        ensure!(Instant::now() < deadline, "slapd runs, but does not listen: {error}");
        thread::sleep(CONNECT_PAUSE);
    }
    Ok(())
}

/// Loads LDIF offline: quickly, and without the schema's checks of values, so that odd data can be loaded too.
fn load(program: &Path, folder: &Path, suffix: &str, ldif: &Path) -> Result<()> {
    let output = Command::new(program)
        .args(["-T", "add", "-g", "-q", "-w", "-b", suffix, "-f"])
        .arg(config::path(folder))
        .arg("-l")
        .arg(ldif)
        .output()
        .context("slapadd could not be started")?;
    if !output.status.success() {
        bail!("slapadd refused the directory: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The slapd to run: the installed one, or a copy of it where `AppArmor` watches the installed path.
fn slapd_program(folder: &Path) -> Result<PathBuf> {
    let installed =
        ["/usr/sbin/slapd", "/usr/local/sbin/slapd", "/usr/libexec/slapd", "/usr/lib/openldap/slapd"]
            .into_iter()
            .map(Path::new)
            .find(|path| path.is_file())
            .context("slapd is not installed: run `cargo xtask test`, which installs it or says how")?;
    if !Path::new(APPARMOR_PROFILE).is_file() {
        return Ok(installed.to_owned());
    }
    let copy = folder.join("slapd");
    fs::copy(installed, &copy)?;
    Ok(copy)
}
