//! A server as a child process: started, waited for by what it prints, stopped, never left behind.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process::{self, Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

/// How long a server may take to say that it is ready: generous, for a machine that compiles beside the tests.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How long a command may take: more than an agent waits for another run, less than the test runner waits for a
/// test.
const ENDS_WITHIN: Duration = Duration::from_secs(200);

/// How long the last lines of a process that has ended are waited for: one that it left behind may hold its streams open.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(5);

/// Where servers of tests listen: above the well-known ports, below the ports of outgoing connections.
const PORTS: Range<u16> = 20_000..32_000;

/// How far apart the ports of two neighbouring processes start: a prime, so that it takes many processes before
/// two start at the same port.
const PORTS_APART: u32 = 97;

/// A running child process whose output is collected, and which is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts the command; both of its output streams are collected line by line.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        Self::spawn(name, command.stdin(Stdio::null()))
    }

    /// Starts a command that ends by itself when its standard input does, and so does not outlive a test that is killed.
    pub fn tethered(name: &str, command: &mut Command) -> Result<Self> {
        Self::spawn(name, command.stdin(Stdio::piped()))
    }

    fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} could not be started: {command:?}"))?;
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = mpsc::channel();
        collect(
            child.stdout.take().expect("stdout was asked to be a pipe"),
            sender.clone(),
            Arc::clone(&log),
        );
        collect(child.stderr.take().expect("stderr was asked to be a pipe"), sender, Arc::clone(&log));
        Ok(Self { name: name.to_owned(), child, lines, log })
    }

    /// Waits for the first line that `pick` accepts.
    ///
    /// # Errors
    /// When the process ends first, or stays silent too long; the message carries everything it printed.
    pub fn wait_for<T>(&mut self, awaited: &str, pick: impl Fn(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(found) = pick(&line) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    bail!("{} ended ({status}) before it printed {awaited}:\n{}", self.name, self.log());
                }
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = READY_WITHIN.as_secs();
                    bail!("{} did not print {awaited} within {seconds} s:\n{}", self.name, self.log());
                }
            }
        }
    }

    /// Everything printed so far, standard output and standard error as they came.
    pub fn log(&self) -> String {
        self.log.lock().expect("no collector panics while it holds the log").clone()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) {
        // An error here only says that it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal, for example [`Signal::TERM`].
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal)
            .unwrap_or_else(|error| panic!("{} could not be sent {signal:?}: {error}", self.name));
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("{} could not be asked for: {error}", self.name))
    }

    /// Waits until the process ends by itself, and until all that it printed is in the log.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait();
        let deadline = Instant::now() + LAST_WORDS_WITHIN;
        while self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        status.unwrap_or_else(|error| panic!("{} could not be waited for: {error}", self.name))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end and returns what it printed, like [`Command::output`], but not for ever.
///
/// # Errors
/// When it cannot be started, or has not ended after [`ENDS_WITHIN`]; then it is killed, and the message holds what
/// it printed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let shown = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.with_context(|| format!("{shown} could not be started"))?;
    let process = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    let waiting = thread::spawn(move || sender.send(child.wait_with_output()));
    let in_time = ended.recv_timeout(ENDS_WITHIN);
    let overdue = in_time.is_err();
    if overdue {
        // It may have ended at this very moment; then the signal meets nobody.
        let _ = rustix::process::kill_process(process, Signal::KILL);
    }
    let output = in_time.or_else(|_| ended.recv())??;
    if overdue {
        let printed = [output.stdout, output.stderr].concat();
        bail!("{shown} did not end within {ENDS_WITHIN:?}:\n{}", String::from_utf8_lossy(&printed));
    }
    // It has sent its result, so it has nothing left to do.
    let _ = waiting.join();
    Ok(output)
}

/// A port of 127.0.0.1 that was free a moment ago.
///
/// It lies below the range from which the kernel takes ports for outgoing connections, so that it is still there
/// when a server is killed and started again. Another test may take it all the same: whoever starts a server on it
/// must be ready to try another.
pub fn free_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    let first = process::id().wrapping_mul(PORTS_APART) % count;
    PORTS
        .map(|_| (first + u32::from(TRIED.fetch_add(1, Ordering::Relaxed))) % count)
        .map(|offset| PORTS.start + u16::try_from(offset).expect("the offset is below the count, which fits"))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("loopback has a free port")
}

/// Reads a stream to its end in a thread of its own; the channel closes when both streams have ended.
fn collect(stream: impl Read + Send + 'static, lines: Sender<String>, log: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            {
                let mut log = log.lock().expect("no collector panics while it holds the log");
                log.push_str(&line);
                log.push('\n');
            }
            // Nobody may be waiting any more; the log still wants the line.
            let _ = lines.send(line);
        }
    });
}
