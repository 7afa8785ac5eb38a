//! Waits until a run is to be made for what changed in the directory.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use crate::directory::DirectoryError;
use crate::imp::{self, Followed};

/// However quiet the directory is, a run is made so often while changes are followed: people's expiry passes without a change, and
/// once a day everything is read.
const RUN_AT_LEAST_EVERY: Duration = Duration::from_hours(1);

/// Whether changes are followed, and how far that is.
#[derive(Debug, Clone)]
pub(super) enum Following {
    /// They are not.
    No,
    /// A run is made then, which finds out what changed.
    Due(Instant),
    /// Everything until there is known; what comes next is waited for.
    From(Followed),
}

/// Waits until a run is to be made for what changed.
pub(super) async fn changed(
    shared: Arc<Shared>,
    following: Following,
    not_before: Option<Instant>,
) -> Result<(), DirectoryError> {
    match following {
        Following::No => std::future::pending().await,
        Following::Due(at) => sleep_until(at).await,
        Following::From(followed) => tokio::select! {
            changed = changed_since(&shared, &followed) => changed?,
            () = sleep(RUN_AT_LEAST_EVERY) => {}
        },
    }
    if let Some(not_before) = not_before {
        sleep_until(not_before).await;
    }
    Ok(())
}

/// Waits until something changed after a run, over a connection that is made when it is its turn; for ever, where the account is being
/// spared by then: whoever waits hears of that otherwise.
async fn changed_since(shared: &Shared, followed: &Followed) -> Result<(), DirectoryError> {
    let config = shared.config();
    let directory = {
        let _turn = shared.directory.turn().await;
        if shared.directory.spared_until(&config, Instant::now()).is_some() {
            return std::future::pending().await;
        }
        shared.account_of(&config).open().await?
    };
    imp::changed_since(directory, followed).await
}
