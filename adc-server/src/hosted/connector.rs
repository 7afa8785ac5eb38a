//! One hosted connector: the agent's own `run`, started, and started again when it has ended by itself.

use super::{
    HostedConnection, Offer,
    tokens::{Token, Tokens},
};
use crate::runs::AgentIdentity;
use adc::{
    config::{Config, Hosted, Reach, ServerUrl},
    directory::dial,
    run::{self, LinkState, Spared, Status, Surroundings},
};
use adc_core::dn::Dn;
use serde::Serialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};
use utoipa::ToSchema;

/// A name server that takes longer has no answer.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(10);
/// Not every reason passes by itself, and each try is logged.
const PAUSE_AT_LEAST: Duration = Duration::from_secs(1);

/// How a hosted connector stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ConnectorStanding)]
pub struct Standing {
    /// Whether it runs.
    pub state: State,
    /// Why it does not, in a sentence.
    pub trouble: Option<String>,
}

/// Whether a hosted connector runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ConnectorState)]
pub enum State {
    /// This control plane hosts no connectors.
    Off,
    /// It is about to run.
    Starting,
    /// It runs, and is among the synchronization's agents.
    Running,
    /// It cannot run, and is tried again.
    Failed,
}

/// A connector that runs, or is tried again and again.
pub(super) struct Connector {
    connection: HostedConnection,
    spared: Arc<Spared>,
    now: Shared,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What a connector is made of.
pub(super) struct Parts {
    pub(super) synchronization: AgentIdentity,
    pub(super) application_id: String,
    pub(super) connection: HostedConnection,
    pub(super) offer: Offer,
    pub(super) tokens: Tokens,
    pub(super) url: ServerUrl,
    /// The accounts that a directory of the synchronization has refused.
    pub(super) spared: Arc<Spared>,
}

/// How it stands, as its own task last said.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Now>>);

#[derive(Clone, Default)]
enum Now {
    #[default]
    Starting,
    Running(Arc<Status>),
    Failed(String),
}

impl Standing {
    /// No connector is hosted here.
    pub fn off() -> Self {
        let trouble =
            "this control plane hosts no connectors; have it started with --hosted-networks and a key";
        Self { state: State::Off, trouble: Some(trouble.to_owned()) }
    }

    /// It was told to run just now.
    pub fn starting() -> Self {
        Self { state: State::Starting, trouble: None }
    }
}

impl Connector {
    /// Starts one, once the one `before` it has ended.
    pub(super) fn start(parts: Parts, before: Option<Self>) -> Self {
        let (connection, spared) = (parts.connection.clone(), Arc::clone(&parts.spared));
        let (now, stop) = (Shared::default(), CancellationToken::new());
        let span = parts.span();
        let keeping = {
            let (now, stop) = (now.clone(), stop.clone());
            async move {
                if let Some(before) = before {
                    before.ended().await;
                }
                parts.keep(&now, &stop).await;
            }
        };
        let task = tokio::spawn(keeping.instrument(span));
        Self { connection, spared, now, stop, task }
    }

    /// Whether it runs with this connection.
    pub(super) fn is_of(&self, connection: &HostedConnection) -> bool {
        self.connection == *connection
    }

    /// The accounts that a directory has refused it, for the connector that comes after it.
    pub(super) fn spared(&self) -> Arc<Spared> {
        Arc::clone(&self.spared)
    }

    /// How it stands.
    pub(super) fn now(&self) -> Shared {
        self.now.clone()
    }

    /// Has it end.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended; it was told to.
    pub(super) async fn ended(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!("a hosted connector broke: {error}");
        }
    }
}

impl Shared {
    /// How it stands, as people read it.
    pub(super) fn standing(&self) -> Standing {
        let now = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match now {
            Now::Starting => Standing::starting(),
            Now::Failed(why) => Standing { state: State::Failed, trouble: Some(why) },
            Now::Running(status) => {
                let standing = status.subscribe().borrow().clone();
                let connected = standing.link == LinkState::Connected;
                let state = if connected { State::Running } else { State::Starting };
                Standing { state, trouble: standing.trouble.filter(|_| !connected) }
            }
        }
    }

    fn set(&self, now: Now) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Parts {
    /// Whose every line is that is logged within: the agent's own words are those of an agent that is alone in its process. Of the level
    /// of errors, so that it is there whatever is logged.
    fn span(&self) -> Span {
        let AgentIdentity { account_id, synchronization_id } = &self.synchronization;
        let host = &self.connection.connection.host;
        tracing::error_span!("hosted", account.id = %account_id, synchronization.id = %synchronization_id, directory.host = %host)
    }

    /// Runs the agent until `stop`, again and again where it ends by itself.
    async fn keep(self, now: &Shared, stop: &CancellationToken) {
        let id = self.synchronization.synchronization_id.as_str();
        let mut failures = 0;
        while !stop.is_cancelled() {
            let began = tokio::time::Instant::now();
            let why = tokio::select! {
                ready = self.ready() => match ready {
                    Ok((config, token)) => {
                        let why = run_once(config, &self.spared, now, stop).await;
                        drop(token);
                        why
                    }
                    Err(why) => why,
                },
                () = stop.cancelled() => return,
            };
            if stop.is_cancelled() {
                return;
            }
            if began.elapsed() > Duration::from_mins(1) {
                failures = 0;
            }
            failures += 1;
            if failures == 1 {
                tracing::warn!(synchronization.id = %id, "hosted connector does not run: {why}; trying again until it does");
            }
            now.set(Now::Failed(why));
            let pause = run::pause(failures, None, adc::clock::jitter()) + PAUSE_AT_LEAST;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// What the agent runs with; its token is worth something only as long as it is kept.
    async fn ready(&self) -> Result<(Config, Token), String> {
        let (bounds, key) = self.offer.enabled().ok_or("no connectors are hosted")?;
        let HostedConnection { connection, password } = &self.connection;
        let AgentIdentity { account_id, synchronization_id } = &self.synchronization;
        let place = connection.place(account_id, synchronization_id);
        let password = key.open(password, &place).map_err(|error| error.to_string())?;
        let base_dn = Dn::parse(&connection.base_dn).map_err(|error| format!("base_dn is no DN: {error}"))?;
        let protection = connection.tls.into();
        let reach = {
            let bounds = bounds.clone();
            Reach::judged_by(move |address| bounds.check(address, protection).map_err(|why| why.to_string()))
        };
        let at = connection.at();
        // Told here once, rather than by every run that fails for it.
        dial::look_up_host(&at, LOOK_UP_WITHIN, &reach).await.map_err(|error| error.to_string())?;
        let token = self.tokens.issue(&self.application_id, self.synchronization.clone());
        let config = Hosted {
            host: "hosted by the control plane".to_owned(),
            url: self.url.clone(),
            application_id: self.application_id.clone(),
            secret_token: token.secret().into(),
            at,
            protection,
            ca_pem: connection.ca_pem.clone(),
            server_name: connection.server_name.clone(),
            bind_dn: connection.user.clone(),
            bind_password: password.as_str().into(),
            base_dn,
            reach,
        };
        Ok((config.config(), token))
    }
}

/// Runs the agent; says why it has ended, where it was not told to.
async fn run_once(config: Config, spared: &Arc<Spared>, now: &Shared, stop: &CancellationToken) -> String {
    let status = Arc::new(Status::default());
    let surroundings = Surroundings {
        config: watch::Sender::new(Arc::new(config)),
        stop: stop.child_token(),
        status: Arc::clone(&status),
        spared: Arc::clone(spared),
    };
    now.set(Now::Running(Arc::clone(&status)));
    // In a task of its own: whatever breaks in it shall break nothing else.
    let ended = tokio::spawn(run::run(surroundings).in_current_span()).await;
    let trouble = status.subscribe().borrow().trouble.clone();
    match ended {
        Ok(exit) => trouble.unwrap_or_else(|| format!("it ended ({exit:?})")),
        Err(error) => format!("it broke: {error}"),
    }
}
