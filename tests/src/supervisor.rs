//! Plays systemd: listens at a notify socket, and checks every message of whoever was started with it.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a message may be in coming: generous, for a machine that compiles beside the tests.
const WITHIN: Duration = Duration::from_mins(1);
/// What `sd_notify(3)` lets a service say, as far as one of ours does.
const KNOWN: [&str; 6] = ["READY", "RELOADING", "STOPPING", "STATUS", "WATCHDOG", "MONOTONIC_USEC"];
/// systemd's own receive buffer is larger; no message of ours comes near this.
const LARGEST: usize = 16_384;

/// A notify socket, and who listens at it.
#[derive(Debug)]
pub struct Supervisor {
    folder: TempDir,
    heard: Receiver<Told>,
}

/// A message: what the service said at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told(BTreeMap<String, String>);

impl Told {
    /// What it says of this, if anything.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it says that this is so: `READY`, `STOPPING`.
    pub fn is(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }

    /// Its sentence on what the service does, if it has one.
    pub fn status(&self) -> &str {
        self.get("STATUS").unwrap_or_default()
    }
}

impl Supervisor {
    /// Listens.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("notify-").tempdir().expect("a folder can be made");
        let socket = UnixDatagram::bind(folder.path().join("socket")).expect("the folder is empty");
        let (sender, heard) = mpsc::channel();
        // Read at once: a socket that nobody reads stops the service.
        thread::spawn(move || {
            let mut buffer = vec![0; LARGEST];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                // An empty message is the test's own: it listens no longer.
                if text.is_empty() || sender.send(understood(&text)).is_err() {
                    return;
                }
            }
        });
        Self { folder, heard }
    }

    /// The socket, for `NOTIFY_SOCKET`.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The next message.
    #[track_caller]
    pub fn hear(&mut self) -> Told {
        self.next_within(WITHIN).unwrap_or_else(|| panic!("nothing was said for {WITHIN:?}"))
    }

    /// The next message, if one comes within this time.
    #[track_caller]
    pub fn next_within(&mut self, patience: Duration) -> Option<Told> {
        match self.heard.recv_timeout(patience) {
            Ok(told) => Some(told),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("a message was none of sd_notify(3); see above"),
        }
    }

    /// Waits for the next message that is awaited; those before it are passed over.
    #[track_caller]
    pub fn wait_for(&mut self, awaited: &str, is_it: impl Fn(&Told) -> bool) -> Told {
        let deadline = Instant::now() + WITHIN;
        let mut others = Vec::new();
        while let Some(told) = self.next_within(deadline.saturating_duration_since(Instant::now())) {
            if is_it(&told) {
                return told;
            }
            others.push(told);
        }
        panic!("{awaited} was not said within {WITHIN:?}, but {others:?}");
    }

    /// Waits until it is said that this is so.
    #[track_caller]
    pub fn wait_until(&mut self, name: &str) -> Told {
        self.wait_for(name, |told| told.is(name))
    }

    /// Waits for a sentence with these words.
    #[track_caller]
    pub fn wait_for_status(&mut self, words: &str) -> Told {
        self.wait_for(words, |told| told.status().contains(words))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Whoever was told to go while the listener panicked finds nobody, which is as good.
        let _ = end(&self.socket());
    }
}

fn end(socket: &Path) -> std::io::Result<()> {
    UnixDatagram::unbound()?.send_to(&[], socket).map(drop)
}

/// Takes a message apart, and insists that it is one.
fn understood(text: &str) -> Told {
    let mut said = BTreeMap::new();
    for line in text.lines() {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?} assigns nothing"));
        assert!(KNOWN.contains(&name), "{name} is nothing that systemd knows: {text:?}");
        assert!(value.len() < 4_096, "too long for a line of `systemctl status`: {text:?}");
        match name {
            "STATUS" => assert!(!value.trim().is_empty(), "an empty sentence: {text:?}"),
            "MONOTONIC_USEC" => assert!(value.parse::<u64>().is_ok_and(|usec| usec > 0), "{text:?}"),
            _ => assert_eq!(value, "1", "{text:?}"),
        }
        assert_eq!(said.insert(name.to_owned(), value.to_owned()), None, "said twice: {text:?}");
    }
    let told = Told(said);
    assert!(
        !told.is("RELOADING") || told.get("MONOTONIC_USEC").is_some(),
        "systemd wants to know since when: {text:?}"
    );
    assert!(!(told.is("READY") && told.is("STOPPING")), "both at once: {text:?}");
    told
}
