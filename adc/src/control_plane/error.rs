//! What can go wrong with the control plane: each error says what, where, and what to do.

use adc_core::protocol::ProblemJson;

use super::retry;

/// A problem's code when another run of the synchronization holds the place.
pub const RUN_ACTIVE: &str = "run-active";

/// Why the control plane could not be reached, refused us, or did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlPlaneError {
    /// No answer, after all tries.
    #[error("the control plane {url} cannot be reached: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why, and what to do, as a clause.
        reason: String,
    },
    /// The connection could not be made safe.
    #[error("no safe connection to the control plane {url}: {reason}")]
    Tls {
        /// Its address.
        url: String,
        /// Why, and what to do, as a clause.
        reason: String,
    },
    /// The Application ID and the Secret Token are not believed.
    #[error("the control plane {url} does not believe this agent: {detail}")]
    CredentialsRefused {
        /// Its address.
        url: String,
        /// The control plane's own words.
        detail: String,
    },
    /// The control plane said no, and why.
    #[error("{detail}")]
    Refused {
        /// The stable code.
        code: String,
        /// The HTTP status.
        status: u16,
        /// The control plane's own sentence.
        detail: String,
        /// The run in the way, with [`RUN_ACTIVE`].
        run_id: Option<String>,
    },
    /// The answer makes no sense.
    #[error("{url} answers as no control plane does ({reason}); check server.url")]
    NotAControlPlane {
        /// What was asked.
        url: String,
        /// What is odd.
        reason: String,
    },
}

impl ControlPlaneError {
    /// The stable code of a run's error.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "control-plane-unreachable",
            Self::Tls { .. } => "control-plane-tls",
            Self::CredentialsRefused { .. } => "credentials-refused",
            Self::Refused { code, .. } => code,
            Self::NotAControlPlane { .. } => "control-plane-protocol",
        }
    }

    /// Whether another run of the synchronization holds the place.
    pub fn is_run_active(&self) -> bool {
        self.code() == RUN_ACTIVE
    }

    /// The error of an answer that is no success.
    pub(super) fn of_answer(url: &str, status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<ProblemJson>(body) {
            Ok(problem) if status == 401 => {
                Self::CredentialsRefused { url: url.to_owned(), detail: problem.detail }
            }
            Ok(problem) => {
                Self::Refused { code: problem.code, status, detail: problem.detail, run_id: problem.run_id }
            }
            Err(_) if retry::is_passing(status) => {
                let reason = format!(
                    "it, or a proxy on the way to it, answers with status {status}, which is \"not now\"; look at the logs of both"
                );
                Self::Unreachable { url: url.to_owned(), reason }
            }
            Err(_) => Self::NotAControlPlane { url: url.to_owned(), reason: format!("status {status}") },
        }
    }
}
