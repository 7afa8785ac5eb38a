//! Following a directory: run, wait until something changes, run again.

use std::sync::Arc;
use std::time::Duration;

use adc_core::protocol::Trigger;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Ended, Followed, Options, Pace, Surroundings, imp};
use crate::clock;
use crate::config::Config;
use crate::control_plane::ControlPlaneError;
use crate::directory::feed::{Feed, Lost, Settle, Subject};
use crate::directory::{Directory, DirectoryError, Failure};
use crate::exit::{AgentError, Exit};

/// When a run is begun for what changed.
const SETTLE: Settle = Settle { quiet: Duration::from_millis(200), at_most: Duration::from_millis(500) };
/// After something failed it is tried again, at first soon.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// However long it fails, it is tried again after so much time.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The control plane's word for a plan that waits for a decision.
pub(crate) const PLAN_HELD: &str = "plan-held";

/// What comes after a run.
enum Next {
    /// Wait for what changes from here on.
    Follow(Followed),
    /// Try again after a pause.
    Again,
    /// It is no use to go on.
    Stop(Exit),
}

/// Runs, and runs again whenever the directory has changed, until it is interrupted or it is no use to go on. `tell` hears how
/// each run ended.
///
/// Where the directory offers nothing to follow, nothing is imported either: who wants that asks for it, and would otherwise find
/// people imported by a command that failed. A dry run is not followed: what it previews would be previewed again and again.
pub async fn watch(
    config: &Config,
    first: &Options,
    interrupt: &CancellationToken,
    mut tell: impl AsyncFnMut(&Ended),
) -> Exit {
    let mut options = first.clone();
    let mut pause = FIRST_PAUSE;
    let mut pace = Pace::FASTEST;
    let mut offered = false;
    loop {
        let began = Instant::now();
        let surroundings = Surroundings { interrupt: interrupt.clone(), ..Surroundings::default() };
        let ended = match offer(config, &mut offered, interrupt).await {
            Ok(()) => imp(config, &options, &surroundings).await,
            Err(error) => Ended::before_it_began(&options, error),
        };
        tell(&ended).await;
        let waiting = async {
            match after(&ended) {
                Next::Stop(exit) => return Some(exit),
                Next::Follow(followed) => {
                    pause = FIRST_PAUSE;
                    pace = pace.after(options.trigger == Trigger::Change && ended.found_nothing());
                    tracing::info!("following the directory's changes");
                    if let Err(error) = changed(config, &followed).await {
                        tracing::warn!("{error}");
                        sleep(pause).await;
                    }
                }
                Next::Again => {
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
            sleep_until(began + pace.interval()).await;
            None
        };
        let stop = tokio::select! {
            stop = waiting => stop,
            () = interrupt.cancelled() => Some(Exit::Interrupted),
        };
        if let Some(exit) = stop {
            return exit;
        }
        options = Options { run_id: clock::run_id(), full: false, trigger: Trigger::Change, ..first.clone() };
    }
}

/// Makes sure, once, that the directory offers what can be followed.
async fn offer(config: &Config, offered: &mut bool, interrupt: &CancellationToken) -> Result<(), AgentError> {
    if *offered {
        return Ok(());
    }
    let has_feed = async {
        let mut directory = Directory::open(Arc::new(config.directory.clone())).await?;
        has_feed(&mut directory).await
    };
    *offered = tokio::select! {
        has_feed = has_feed => has_feed?,
        () = interrupt.cancelled() => return Err(AgentError::Interrupted),
    };
    if *offered { Ok(()) } else { Err(AgentError::NoChangeFeed) }
}

async fn has_feed(directory: &mut Directory) -> Result<bool, DirectoryError> {
    let Some(feed) = directory.feed().await? else { return Ok(false) };
    if feed == Feed::Timestamps {
        return Ok(true);
    }
    let Some(mark) = directory.mark().await? else { return Ok(false) };
    if mark.kind != feed.mark_kind() || feed != Feed::Syncrepl {
        return Ok(mark.kind == feed.mark_kind());
    }
    // The bind account may not see what it takes. The feed names whatever changes, for whomever it is asked.
    let whatever = Subject::default();
    let asked = directory.touched(feed, &mark, &whatever).await?;
    Ok(asked != Err(Lost::NotAllowed))
}

fn after(ended: &Ended) -> Next {
    match (&ended.result, &ended.followed) {
        (Ok(report), _) if report.dry_run => {
            tracing::info!("a dry run is not followed; without dry-run, changes are followed from here on");
            Next::Stop(ended.exit())
        }
        (Ok(_), Some(followed)) => Next::Follow(followed.clone()),
        (Ok(_), None) => {
            tracing::error!(
                "the directory offers no change feed that can be followed; adc check says why. Run adc imp on a schedule instead"
            );
            Next::Stop(Exit::Usage)
        }
        (Err(AgentError::ControlPlane(error)), _) if error.code() == PLAN_HELD => Next::Again,
        (Err(error), _) if somebody_must_act(error) => Next::Stop(ended.exit()),
        (Err(_), _) => Next::Again,
    }
}

/// Whether it fails the same way until somebody does something about it.
pub(crate) fn somebody_must_act(error: &AgentError) -> bool {
    match error {
        AgentError::Config(_)
        | AgentError::NoChangeFeed
        | AgentError::NotAllowed(_)
        | AgentError::Interrupted
        | AgentError::InterruptedAtTheEnd { .. } => true,
        AgentError::ControlPlane(error) => matches!(error, ControlPlaneError::CredentialsRefused { .. }),
        // Trying again and again would lock the account out, for everything else that uses it.
        AgentError::Directory(_) => is_bind_refused(error),
        AgentError::RunFailed(_) => false,
    }
}

/// Whether the directory refuses the bind account.
pub(crate) fn is_bind_refused(error: &AgentError) -> bool {
    matches!(error, AgentError::Directory(DirectoryError { failure: Failure::BindRefused, .. }))
}

/// Waits until something changed after a run.
async fn changed(config: &Config, after: &Followed) -> Result<(), DirectoryError> {
    changed_since(Directory::open(Arc::new(config.directory.clone())).await?, after).await
}

/// The same over a connection that was made already.
pub(crate) async fn changed_since(mut directory: Directory, after: &Followed) -> Result<(), DirectoryError> {
    directory.wait_for_change(after.feed, &after.mark, &after.subject, SETTLE).await
}
