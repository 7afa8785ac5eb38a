//! How the program ends: what each failure means to whoever called it.

use std::process::ExitCode;

use adc_core::protocol::RunError;

use crate::config::ConfigError;
use crate::control_plane::ControlPlaneError;
use crate::directory::DirectoryError;

/// The exit codes of contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; a dry run that found changes is done too.
    Done,
    /// The command line or the configuration is wrong.
    Usage,
    /// The directory could not be reached, refused the bind, or could not be read completely; nothing was changed.
    Directory,
    /// The control plane could not be reached, refused the credentials, or is busy with another run. Where it stopped
    /// answering only after it had everything, it may have applied the plan: wholly, or not at all.
    ControlPlane,
    /// The plan is held and waits for approval.
    Held,
    /// Done, with conflicts or skips that need attention.
    Attention,
    /// Interrupted from the keyboard; nothing half done. Whether the plan was applied is in the message.
    Interrupted,
    /// Asked to terminate; as [`Self::Interrupted`].
    Terminated,
}

impl Exit {
    /// All ways to end, for help pages.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Usage,
        Self::Directory,
        Self::ControlPlane,
        Self::Held,
        Self::Attention,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// What it means, as a clause.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done (a dry run that found changes is done too)",
            Self::Usage => "usage or configuration: the command line, the environment or adc.yaml is wrong",
            Self::Directory => {
                "the directory could not be reached, refused the bind, or could not be read completely; nothing was changed"
            }
            Self::ControlPlane => {
                "the control plane could not be reached, refused the credentials, or is busy with another run"
            }
            Self::Held => "the plan is held and waits for approval",
            Self::Attention => {
                "done (applied or previewed), with conflicts, or skips other than the administrator's own switches, that need attention"
            }
            Self::Interrupted => "interrupted from the keyboard; nothing half done",
            Self::Terminated => "asked to terminate; nothing half done",
        }
    }

    /// The number the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 2,
            Self::Directory => 3,
            Self::ControlPlane => 4,
            Self::Held => 5,
            Self::Attention => 6,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked; nothing was half done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AgentError {
    /// The configuration is wrong: somebody must mend it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory failed us.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The control plane failed us.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// The control plane asks for what adc.yaml does not allow.
    #[error("{0}")]
    NotAllowed(String),
    /// The directory's changes are to be followed, and it offers no change feed that can be.
    #[error(
        "the directory offers no change feed that can be followed, and nothing was imported; adc check says why. Run adc imp without --watch, on a schedule"
    )]
    NoChangeFeed,
    /// The run ended as failed on the control plane's side.
    #[error("{}", .0.message)]
    RunFailed(RunError),
    /// Somebody stopped us.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// Somebody stopped us when the control plane had everything, and it does not say how the run ended.
    #[error(
        "interrupted while the control plane was applying the run {run_id}; it is either wholly applied or not at all: see {url}"
    )]
    InterruptedAtTheEnd {
        /// The run.
        run_id: String,
        /// Where its report is found.
        url: String,
    },
}

impl AgentError {
    /// Whether somebody stopped us.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted | Self::InterruptedAtTheEnd { .. })
    }

    /// How the program ends. An interruption's own number depends on the signal, which only main knows.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::NotAllowed(_) | Self::NoChangeFeed => Exit::Usage,
            Self::Directory(_) => Exit::Directory,
            Self::ControlPlane(error) => of_code(error.code()),
            Self::RunFailed(error) => of_code(&error.code),
            Self::Interrupted | Self::InterruptedAtTheEnd { .. } => Exit::Interrupted,
        }
    }

    /// The stable code and the sentence, as run reports show them.
    pub fn run_error(&self) -> RunError {
        let code = match self {
            Self::Config(_) => "configuration",
            Self::Directory(error) => error.failure.code(),
            Self::ControlPlane(error) => error.code(),
            Self::NotAllowed(_) => "not-allowed",
            Self::NoChangeFeed => "no-change-feed",
            Self::RunFailed(error) => &error.code,
            Self::Interrupted | Self::InterruptedAtTheEnd { .. } => "interrupted",
        };
        RunError { code: code.to_owned(), message: self.to_string() }
    }
}

/// The control plane refuses what was read: then it is the directory that could not be read completely.
fn of_code(code: &str) -> Exit {
    if matches!(code, "empty-read" | "receipt-incomplete" | "duplicate-source-id") {
        Exit::Directory
    } else {
        Exit::ControlPlane
    }
}
