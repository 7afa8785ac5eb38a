//! The domain that every test gets a copy of, and the configuration of a copy.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Samba, write_private};
use crate::certs::Authority;
use crate::daemon;
use crate::programs::built_folder;

/// How the domain is made. DNS is nobody's concern here, and the file system of a test's folder need not keep extended
/// attributes.
const PROVISION: [&str; 11] = [
    "domain",
    "provision",
    "--configfile=/dev/null",
    "--server-role=dc",
    "--dns-backend=NONE",
    "--use-rfc2307",
    "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
    "--realm=LG.LOCAL",
    "--domain=LG",
    "--host-name=dc1",
    "--adminpass=Administrator-secret-1",
];

/// What provision's argument says.
pub(super) const ADMINISTRATOR_PASSWORD: &str = "Administrator-secret-1";

/// The folder of the domain, made now if this machine has none that was made in the same way by the same Samba.
///
/// Several test processes may come at once: one makes it, the others wait.
pub(super) fn domain() -> Result<PathBuf> {
    let version = run("samba", &["--version"])?;
    let mut hasher = DefaultHasher::new();
    (&version, PROVISION, Samba::BIND_NAME, Samba::BIND_PASSWORD).hash(&mut hasher);
    let folder = built_folder()?.join(format!("samba-domain-{:016x}", hasher.finish()));
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock()?;
    if !folder.is_dir() {
        make(&folder)?;
    }
    Ok(folder)
}

/// Copies the domain; its large files are mostly holes.
pub(super) fn copy(domain: &Path, to: &Path) -> Result<()> {
    run(
        "cp",
        &["--archive", "--sparse=auto", &format!("{}/.", domain.display()), &to.display().to_string()],
    )?;
    Ok(())
}

/// Gives a copy a certificate. With an RSA key of Samba's own making every start would take seconds.
pub(super) fn certify(folder: &Path, host: &str, address: Ipv4Addr) -> Result<Authority> {
    let authority = Authority::new();
    let certificate = authority.issue([host, &address.to_string()]);
    fs::write(folder.join("certificate.pem"), &certificate.certificate_pem)?;
    write_private(&folder.join("key.pem"), &certificate.key_pem)?;
    authority.write(&authority_file(folder));
    Ok(authority)
}

/// Writes a copy's configuration: nothing but LDAP is served, on one address.
pub(super) fn configure(folder: &Path, address: Ipv4Addr) -> Result<()> {
    let here = folder.display();
    // The mask is no detail: without one Samba looks for an interface of this address, and loopback has another.
    let text = format!(
        "[global]
        netbios name = DC1
        realm = LG.LOCAL
        workgroup = LG
        server role = active directory domain controller
        server services = ldap
        interfaces = {address}/8
        bind interfaces only = yes
        disable netbios = yes
        idmap_ldb:use rfc2307 = yes
        vfs objects = dfs_samba4 acl_xattr xattr_tdb
        private dir = {here}/private
        state directory = {here}/state
        lock directory = {here}
        cache directory = {here}/cache
        pid directory = {here}
        ncalrpc dir = {here}/ncalrpc
        binddns dir = {here}/bind-dns
        tls enabled = yes
        tls certfile = {here}/certificate.pem
        tls keyfile = {here}/key.pem
        tls cafile =
        "
    );
    fs::write(configuration(folder), text)?;
    Ok(())
}

/// Where a copy's configuration is.
pub(super) fn configuration(folder: &Path) -> PathBuf {
    folder.join("smb.conf")
}

/// Where the certificate of a copy's authority is.
pub(super) fn authority_file(folder: &Path) -> PathBuf {
    folder.join("authority.pem")
}

fn make(folder: &Path) -> Result<()> {
    // What a killed test left half done is in the way of nobody: the folder gets its name when it is whole.
    let parent = folder.parent().context("the folder of programs is no root")?;
    let making = tempfile::Builder::new().prefix("samba-domain-").tempdir_in(parent)?;
    let target = format!("--targetdir={}", making.path().display());
    run("samba-tool", &[&PROVISION[..], &[target.as_str()]].concat())?;
    let database = format!("--URL={}/private/sam.ldb", making.path().display());
    let configuration = format!("--configfile={}/etc/smb.conf", making.path().display());
    let (user, _) = Samba::BIND_NAME.split_once('@').expect("the name has a domain");
    run("samba-tool", &["user", "create", user, Samba::BIND_PASSWORD, &database, &configuration])?;
    fs::rename(making.keep(), folder)?;
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = daemon::output(Command::new(program).args(arguments)).context(
        "Samba's domain controller is needed: run `cargo xtask test`, which installs it or says how",
    )?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].concat();
        bail!("{program} {arguments:?} ({}): {}", output.status, String::from_utf8_lossy(&printed));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
