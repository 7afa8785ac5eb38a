//! A real Active Directory domain controller on a loopback address of its own: Samba's.

mod provision;
mod rights;
mod tools;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, fs, io, thread};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::certs::Authority;
use crate::daemon::Daemon;

/// The ports of LDAP, which Samba does not let anybody choose.
const PORTS: [u16; 2] = [389, 636];

/// How many addresses are tried when others took those before.
const ADDRESS_ATTEMPTS: usize = 20;

/// How far apart the addresses of two neighbouring processes start: a prime, so that it takes many processes before two
/// start at the same address.
const ADDRESSES_APART: u32 = 97;

/// How long Samba may take until it listens; usually a quarter of a second.
const LISTENS_WITHIN: Duration = Duration::from_mins(1);

/// The pause between two attempts to connect: Samba has no event to wait for.
const CONNECT_PAUSE: Duration = Duration::from_millis(5);

/// Where it keeps what it knows, in its folder.
const DATABASES: &str = "private";

/// A running domain controller; its processes are killed and its data removed when this is dropped.
pub struct Samba {
    process: Option<Daemon>,
    folder: TempDir,
    address: Ipv4Addr,
    authority: Authority,
}

impl Samba {
    /// The domain, and the base DN.
    pub const DOMAIN_DN: &'static str = "DC=lg,DC=local";
    /// The account that may read and nothing else: an ordinary user, as in a real domain.
    pub const BIND_NAME: &'static str = "readonly@lg.local";
    /// Its password.
    pub const BIND_PASSWORD: &'static str = "Readonly-secret-1";
    /// The name in its certificate.
    pub const HOST: &'static str = "dc1.lg.local";

    /// Starts a domain controller of a domain in which nothing but the bind account was added.
    ///
    /// The domain is made once on this machine and copied for each test.
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|error| panic!("Samba could not be started: {error:#}"))
    }

    /// Its address with TLS from the start.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// Its plain address; StartTLS is offered on it.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// The certificate of the authority that signed its own, PEM: what `ca_file` names.
    pub fn authority_pem(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Daemon::log).unwrap_or_default()
    }

    /// Ends it as a power failure would (SIGKILL, all of its processes). Its data stay for [`Samba::restart`].
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
            // The first of them leads the group. An error only says that all have ended already.
            let _ = kill_process_group(group.expect("a process has an id"), Signal::KILL);
            process.kill();
        }
    }

    /// Starts it again on the same address and data.
    pub fn restart(&mut self) {
        self.kill();
        let process = start_process(self.folder.path(), self.address);
        self.process =
            Some(process.unwrap_or_else(|error| panic!("Samba could not be restarted: {error:#}")));
    }

    /// Copies all that it holds, as a snapshot of its machine does.
    pub fn back_up(&mut self) -> TempDir {
        self.kill();
        let backup =
            tempfile::Builder::new().prefix("samba-backup-").tempdir().expect("a folder can be made");
        provision::copy(&self.folder.path().join(DATABASES), backup.path())
            .unwrap_or_else(|error| panic!("Samba's data could not be copied: {error:#}"));
        self.restart();
        backup
    }

    /// Puts a copy back, instead of what is there.
    pub fn put_back(&mut self, backup: &TempDir) {
        self.kill();
        let databases = self.folder.path().join(DATABASES);
        let put_back = || -> Result<()> {
            fs::remove_dir_all(&databases)?;
            fs::create_dir(&databases)?;
            provision::copy(backup.path(), &databases)
        };
        put_back().unwrap_or_else(|error| panic!("Samba's data could not be put back: {error:#}"));
        self.restart();
    }

    fn try_start() -> Result<Self> {
        let domain = provision::domain()?;
        let folder = tempfile::Builder::new().prefix("samba-").tempdir()?;
        provision::copy(&domain, folder.path())?;
        for _ in 0..ADDRESS_ATTEMPTS {
            let address = free_address()?;
            let authority = provision::certify(folder.path(), Self::HOST, address)?;
            provision::configure(folder.path(), address)?;
            match start_process(folder.path(), address) {
                Ok(process) => return Ok(Self { process: Some(process), folder, address, authority }),
                // Somebody was faster.
                Err(_) if TcpListener::bind((address, PORTS[0])).is_err() => {}
                Err(error) => return Err(error),
            }
        }
        bail!("{ADDRESS_ATTEMPTS} addresses in a row were taken by somebody else")
    }

    fn authority_file(&self) -> PathBuf {
        provision::authority_file(self.folder.path())
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Samba {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Samba").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Runs Samba in a process group of its own, and waits until it listens.
fn start_process(folder: &Path, address: Ipv4Addr) -> Result<Daemon> {
    let mut command = Command::new("samba");
    // It ends when its standard input does; its workers are in the same group, so that all of them can be ended together.
    command.args(["--interactive", "--no-process-group", "--debuglevel=1"]);
    command.arg("--configfile").arg(provision::configuration(folder));
    command.process_group(0);
    let mut process = Daemon::tethered("samba", &mut command).context(
        "Samba's domain controller is needed: run `cargo xtask test`, which installs it or says how",
    )?;
    let deadline = Instant::now() + LISTENS_WITHIN;
    let connect = || PORTS.into_iter().try_for_each(|port| TcpStream::connect((address, port)).map(drop));
    while let Err(error) = connect() {
        if let Some(status) = process.ended() {
            bail!("samba ended ({status}) before it listened:\n{}", process.log());
        }
        if Instant::now() > deadline {
            bail!("samba runs, but does not listen on {address}: {error}\n{}", process.log());
        }
        thread::sleep(CONNECT_PAUSE);
    }
    Ok(process)
}

/// An address of the loopback network on which the ports of LDAP were free a moment ago.
fn free_address() -> Result<Ipv4Addr> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let first = process::id().wrapping_mul(ADDRESSES_APART);
    for _ in 0..=u16::MAX {
        let [.., third, fourth] = first.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        let address = Ipv4Addr::new(127, 77, third, fourth);
        match PORTS.into_iter().try_for_each(|port| TcpListener::bind((address, port)).map(drop)) {
            Ok(()) => return Ok(address),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => bail!(
                "a domain controller listens on the ports 389 and 636, and this account may not open them: run the tests as root \
                 (`sudo --preserve-env=HOME,PATH cargo xtask test`), or in a container where you are"
            ),
            Err(_) => {}
        }
    }
    bail!("no address of 127.77.0.0/16 has the ports of LDAP free")
}

/// A file of Samba's that nobody else may read, which it insists on.
fn write_private(path: &Path, content: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
