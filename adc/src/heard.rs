//! Binds of the bind account, heard also when nobody waits for them any more.
//!
//! Many directories delay a refusal on purpose, for longer than whoever connects waits, and have counted a wrong password by then. What
//! they say late counts like what they say at once, or the next try would be as wrong, and the one after it.

use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use crate::config::Config;
use crate::directory::{Directory, DirectoryError, Reached};
use crate::metrics;
use crate::spared::Spared;

/// An answer to a bind is waited for so long, by nobody but us: a directory that delays refusals does so by seconds, and what is silent for
/// a minute has forgotten the question.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_mins(1);

/// Binds that go on by themselves; they end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Binds(Mutex<JoinSet<()>>);

impl Binds {
    /// Has one go on.
    pub(crate) fn go_on(&self, bind: impl Future<Output = ()> + Send + 'static) {
        let mut binds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = binds.try_join_next() {
            ended.unwrap_or_else(|fault| panic::resume_unwind(fault.into_panic()));
        }
        binds.spawn(bind.in_current_span());
    }
}

/// The bind account of a configuration, and what spares it.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) config: Arc<Config>,
    pub(crate) spared: Arc<Spared>,
}

impl Account {
    /// Reaches the directory and signs in, as [`Directory::open`] does. A server that is not waited for any more is heard all the same, and
    /// what it says of the account is noted.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn open(&self) -> Result<Directory, DirectoryError> {
        let directory = Arc::new(self.config.directory.clone());
        Directory::open_by(directory, |reached| self.clone().sign_in(reached)).await
    }

    async fn sign_in(self, mut reached: Reached) -> Result<Reached, DirectoryError> {
        let (patience, began) = (self.config.directory.connect_timeout, Instant::now());
        let silent = reached.silent(patience);
        let (tell, told) = oneshot::channel();
        let (config, spared) = (self.config, Arc::downgrade(&self.spared));
        self.spared.binds.go_on(async move {
            let let_in = reached.sign_in(ANSWERED_WITHIN.max(patience)).await;
            if let Some(spared) = spared.upgrade() {
                spared.note(&config, began, let_in.as_ref().err(), Instant::now());
            }
            if let Err(Err(error)) = tell.send(let_in.map(|()| reached)) {
                tracing::warn!("the bind account was not let in, and nobody waited any more: {error}");
                metrics::directory_failed(&error);
            }
        });
        match timeout(patience, told).await {
            Ok(Ok(let_in)) => let_in,
            Ok(Err(_)) | Err(_) => Err(silent),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::join;
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};
    use crate::directory::Failure;

    /// A bind response with the code `invalidCredentials` (RFC 4511 section 4.2.2), to the bind of a connection: number 1
    /// is kept for StartTLS.
    const REFUSAL: &[u8] = b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x31\x04\x00\x04\x00";

    /// An account of a directory that listens there.
    async fn account() -> (Account, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let at = listener.local_addr().expect("it is bound");
        let text = format!(
            "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend: {{ldap: {{addr: 'ldap://{at}', connect_timeout: 1, bind_dn: cn=a, bind_password: wrong, base_dn: dc=x}}}}\n"
        );
        let file = File::parse("adc.yaml", &text).expect("parses");
        let config = resolve("adc.yaml", file, &Overrides::default(), &Environment::default());
        let account = Account { config: Arc::new(config.expect("resolves")), spared: Arc::default() };
        (account, listener)
    }

    #[tokio::test]
    async fn a_refusal_that_came_later_than_a_run_waits_was_asked_for_again_and_again() {
        let (account, listener) = account().await;
        let (opened, accepted) = join!(account.open(), listener.accept());
        assert_eq!(opened.expect_err("it is not let in").failure, Failure::Silent);
        assert_eq!(account.spared.until(&account.config), None);
        let mut news = account.spared.news();
        let (mut connection, _) = accepted.expect("the agent connects");
        connection.write_all(REFUSAL).await.expect("the agent listens");
        let noted = timeout(ANSWERED_WITHIN / 2, news.changed()).await;
        noted.expect("the refusal is noted though nobody waits for it").expect("it is there");
        assert!(account.spared.until(&account.config).is_some_and(|until| until > Instant::now()));
        assert_eq!(
            account.spared.refusal(&account.config).map(|error| error.failure),
            Some(Failure::BindRefused)
        );
    }

    #[tokio::test]
    async fn an_agent_that_ended_hangs_up() {
        let (account, listener) = account().await;
        let (opened, accepted) = join!(account.open(), listener.accept());
        opened.expect_err("it is not let in");
        drop(account);
        let mut sent = Vec::new();
        let (mut connection, _) = accepted.expect("the agent connects");
        let ended = timeout(ANSWERED_WITHIN / 2, connection.read_to_end(&mut sent)).await;
        ended.expect("it does not wait").expect("an end");
    }
}
