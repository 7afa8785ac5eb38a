//! `adc check`: every hop between here, the directory and the control plane, one after the other.
//!
//! A hop that fails says what to do; the hops behind it are not tried, but the control plane is tested either way.

mod control_plane;
mod directory;
mod feed;
mod look_up;
mod print;

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::config::{self, Config, Environment, Overrides};
use crate::directory::DirectoryError;
use crate::exit::Exit;
use crate::tls::CertificateSummary;

/// What to do about a filter that matches nobody, as a clause after the filter.
pub const MATCHES_NOBODY: &str =
    "matches nobody; check backend.ldap.sync.filter, base_dn, scope and the account's right to read people";

/// How a hop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but should not stay so.
    Warning,
    /// It does not work.
    Failed,
}

impl State {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One hop.
#[derive(Debug, Clone, Serialize)]
pub struct Hop {
    /// Its name; see the contract.
    pub hop: &'static str,
    /// How it went.
    pub state: State,
    /// What was reached, where something was.
    pub address: Option<String>,
    /// What was found, or what is wrong and what to do.
    pub message: String,
    /// The certificate that was presented.
    pub certificate: Option<Certificate>,
    /// How long it took (milliseconds).
    pub duration_ms: u64,
}

/// A certificate, as a check shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// Whom it names.
    pub subject: String,
    /// The names and addresses it is valid for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The last moment of its validity (RFC 3339, UTC).
    pub expires: String,
}

/// All hops that were tried.
#[derive(Debug, Clone)]
pub struct Checked {
    hops: Vec<Hop>,
    exit: Exit,
    signed_in: Option<Result<(), DirectoryError>>,
}

/// Where hops are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Each on stdout, as soon as it is over.
    AsItGoes {
        /// Whether in color.
        color: bool,
    },
    /// Nowhere; the caller prints the document.
    AtTheEnd,
}

impl Checked {
    /// How the program ends: by the first hop that failed.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The result as one document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "ok": self.exit == Exit::Done, "hops": self.hops })
    }

    /// The hops, in the order in which they were tried.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Whether the bind account is let in, by the first server that said so; `None` where none did.
    pub(crate) fn signed_in(&self) -> Option<&Result<(), DirectoryError>> {
        self.signed_in.as_ref()
    }
}

/// Tests every hop.
pub async fn check(overrides: &Overrides, environment: &Environment, shown: Shown) -> Checked {
    let checked = Checked { hops: Vec::new(), exit: Exit::Done, signed_in: None };
    let mut report = Report { checked, shown, another_will_do: false };
    let timer = Timer::start();
    let config = match config::load(overrides, environment) {
        Ok(config) => config,
        Err(error) => {
            for problem in error.problems {
                report.add(Hop::new("file", timer, State::Failed, problem.to_string()), Exit::Usage);
            }
            return report.checked;
        }
    };
    let path = config.path.as_ref().map(|path| path.display().to_string());
    report.add(Hop { address: path, ..Hop::ok("file", timer, "read and understood") }, Exit::Usage);
    // Said where it is tested, of the way itself.
    let start_tls = config.directory.start_tls;
    let of_the_way: Vec<String> =
        config.directory.servers().filter_map(|address| address.clear_text_warning(start_tls)).collect();
    for warning in config.warnings.iter().filter(|warning| !of_the_way.contains(warning)) {
        report.add(Hop::new("file", timer, State::Warning, warning.clone()), Exit::Usage);
    }
    directory::check(&config, &mut report).await;
    control_plane::check(&config, &mut report).await;
    report.checked
}

/// Tests every hop of a configuration that is in use; shows nothing.
pub async fn check_configured(config: &Config) -> Checked {
    let checked = Checked { hops: Vec::new(), exit: Exit::Done, signed_in: None };
    let mut report = Report { checked, shown: Shown::AtTheEnd, another_will_do: false };
    directory::check(config, &mut report).await;
    control_plane::check(config, &mut report).await;
    report.checked
}

/// Collects hops, and shows them.
struct Report {
    checked: Checked,
    shown: Shown,
    /// A server that is out of reach stops nothing: there are others.
    another_will_do: bool,
}

impl Report {
    /// A hop to a directory that failed: no more than a warning where another server does as well.
    fn failed(&self, hop: &'static str, timer: Timer, error: &DirectoryError) -> Hop {
        if self.another_will_do && error.failure.is_of_one_server() {
            return Hop::new(
                hop,
                timer,
                State::Warning,
                then(&error.to_string(), "Another server of the list is read instead"),
            );
        }
        Hop::failed(hop, timer, error)
    }

    /// Adds a hop; `exit` is what its failure means.
    fn add(&mut self, hop: Hop, exit: Exit) {
        if hop.state == State::Failed && self.checked.exit == Exit::Done {
            self.checked.exit = exit;
        }
        if let Shown::AsItGoes { color } = self.shown {
            print::line(&hop, color);
        }
        self.checked.hops.push(hop);
    }
}

/// Measures a hop.
#[derive(Debug, Clone, Copy)]
struct Timer(Instant);

impl Timer {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A sentence, which may be a question, and the next one.
fn then(sentence: &str, next: &str) -> String {
    let stop = if sentence.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{sentence}{stop} {next}")
}

impl Hop {
    fn new(hop: &'static str, timer: Timer, state: State, message: impl Into<String>) -> Self {
        let duration_ms = u64::try_from(timer.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self { hop, state, address: None, message: message.into(), certificate: None, duration_ms }
    }

    fn ok(hop: &'static str, timer: Timer, message: impl Into<String>) -> Self {
        Self::new(hop, timer, State::Ok, message)
    }

    fn failed(hop: &'static str, timer: Timer, error: &impl std::fmt::Display) -> Self {
        Self::new(hop, timer, State::Failed, error.to_string())
    }

    fn at(self, address: impl std::fmt::Display) -> Self {
        Self { address: Some(address.to_string()), ..self }
    }

    fn with_certificate(self, certificate: Option<CertificateSummary>) -> Self {
        let certificate = certificate.map(|summary| Certificate {
            subject: summary.subject,
            names: summary.names,
            issuer: summary.issuer,
            expires: summary.expires.to_string(),
        });
        Self { certificate, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::then;

    #[test]
    fn a_question_ended_with_two_stops() {
        assert_eq!(
            then("is the name right?", "Another one is read"),
            "is the name right? Another one is read"
        );
        assert_eq!(then("nobody listens", "Another one is read"), "nobody listens. Another one is read");
    }
}
