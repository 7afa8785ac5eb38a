//! Name servers that never answer: whoever looks up a name waits for half a minute, in a call that nothing can end.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::{self, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Where name servers listen (RFC 1035 section 4.2).
const DOMAIN: u16 = 53;
/// Generous, for a machine that compiles beside the tests.
const ASKED_WITHIN: Duration = Duration::from_mins(1);

/// A name server that takes questions and answers none, and what has a program ask it and nobody else.
pub(super) struct SilentNames {
    folder: TempDir,
    server: UdpSocket,
}

impl SilentNames {
    /// Nothing, said so, where this process may not have one: it takes an administrator's rights.
    pub(super) fn new() -> Option<Self> {
        let names = Self::try_new();
        if names.is_none() {
            eprintln!(
                "NOT PROVED: this process may not make a mount namespace or listen at port {DOMAIN}, and names are looked up as ever"
            );
        }
        names
    }

    fn try_new() -> Option<Self> {
        // An address of loopback for each process, so that tests beside this one have their own.
        let own = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 53, 0, 0)) + process::id() % 65_534 + 1);
        let server = UdpSocket::bind((IpAddr::V4(own), DOMAIN)).ok()?;
        server.set_read_timeout(Some(ASKED_WITHIN)).ok()?;
        let folder = tempfile::Builder::new().prefix("names-").tempdir().ok()?;
        // resolv.conf(5): one question, which is waited for as long as may be.
        let text = format!("nameserver {own}\noptions timeout:30 attempts:1\n");
        fs::write(folder.path().join("resolv.conf"), text).ok()?;
        let names = Self { folder, server };
        let wrapper = names.wrapper();
        let (program, arguments) = wrapper.split_first()?;
        let tried = Command::new(program).args(arguments).arg("true").stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success()).then_some(names)
    }

    /// Waits until somebody looks a name up.
    #[track_caller]
    pub(super) fn wait_for_question(&self) {
        self.server.recv(&mut [0; 512]).expect("a name is looked up");
    }

    /// What runs the command behind it, in the process it is started in, so that it asks this name server.
    pub(super) fn wrapper(&self) -> Vec<String> {
        let file = self.folder.path().join("resolv.conf");
        let script = format!("mount --bind '{}' /etc/resolv.conf && exec \"$@\"", file.display());
        ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
    }
}
