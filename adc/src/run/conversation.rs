//! One link, from the hello to its end.

use std::sync::Arc;
use std::time::Duration;

use adc_core::protocol::link::{
    AgentMessage, CloseCode, DirectoryInfo, Hello, NotUnderstood, Outcome, Reply, Request, RequestError,
    ServerMessage, understand,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::answer;
use super::link::BEAT;
use super::socket::{Frame, Socket};
use super::status::{LinkState, Loop};
use super::worker::Order;
use super::{Shared, reconfigured};
use crate::config::Config;
use crate::imp::configuration_fingerprint;
use crate::metrics;

/// A control plane that does not answer the hello by then is none.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// The shortest and the longest silence that a control plane may set as the link's end (seconds).
const DEADLINES: (u64, u64) = (1, 600);
/// Questions that are answered beside each other; each may cost a connection to the directory.
const ANSWERS: usize = 16;
/// A directory that could not be reached to be described is tried again.
const DESCRIBE_AGAIN: Duration = Duration::from_secs(30);
/// "Going away" (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// How a link ended.
pub(super) enum End {
    /// The daemon ends.
    Stopped,
    /// There is a new configuration.
    Reconfigured,
    /// The control plane does not serve this agent, and why.
    Refused(String),
    /// It does not serve this agent as things stand, and why.
    NotNow(String),
    /// The control plane goes down; when to come back.
    Drained(Duration),
    /// The control plane closed the link.
    Closed(Option<CloseCode>),
    /// The connection broke, or nobody is at its other end.
    Broken(String),
}

/// What a link converses with.
pub(super) struct Conversation<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) orders: &'a mpsc::Sender<Order>,
    pub(super) reports: &'a mut mpsc::Receiver<AgentMessage>,
    pub(super) stop: CancellationToken,
    pub(super) changes: watch::Receiver<Arc<Config>>,
    pub(super) config: Arc<Config>,
}

/// What is done while the link stands.
struct Open {
    /// What is being answered, and the directory's description.
    answers: JoinSet<AgentMessage>,
    /// Whether the directory is being described.
    describes: bool,
    /// When nothing was heard until then, nobody is there.
    deadline: Instant,
    /// How much silence that is.
    patience: Duration,
    welcomed: bool,
    return_after: Option<Duration>,
}

impl Conversation<'_> {
    /// Holds it until it ends; says also whether the agent was ever welcome.
    pub(super) async fn hold(mut self, mut socket: Socket) -> (End, bool) {
        let mut open = Open {
            answers: JoinSet::new(),
            describes: false,
            deadline: Instant::now() + WELCOME_WITHIN,
            patience: WELCOME_WITHIN,
            welcomed: false,
            return_after: None,
        };
        let end = match say(&mut socket, &AgentMessage::Hello(Box::new(self.hello()))).await {
            Ok(()) => self.go_on(&mut socket, &mut open).await,
            Err(end) => end,
        };
        match end {
            End::Stopped | End::Reconfigured | End::Broken(_) => socket.close(GOING_AWAY).await,
            End::Refused(_) | End::NotNow(_) | End::Drained(_) | End::Closed(_) => {}
        }
        (end, open.welcomed)
    }

    async fn go_on(&mut self, socket: &mut Socket, open: &mut Open) -> End {
        let mut beats = interval(BEAT);
        let mut account = self.shared.account.news();
        account.mark_changed();
        loop {
            let said = tokio::select! {
                frame = socket.next() => {
                    open.deadline = Instant::now() + open.patience;
                    match self.hear(frame, open).await {
                        Ok(said) => said,
                        Err(end) => return end,
                    }
                }
                Some(report) = self.reports.recv(), if open.welcomed => {
                    if is_in_trouble(&report) {
                        self.describe_until_it_works(open, DESCRIBE_AGAIN);
                    }
                    Some(report)
                }
                Ok(()) = account.changed(), if open.welcomed => {
                    let news = self.shared.account_news(&self.config);
                    if news.as_ref().is_some_and(is_in_trouble) {
                        self.describe_until_it_works(open, DESCRIBE_AGAIN);
                    }
                    news
                }
                Some(answer) = open.answers.join_next() => {
                    if let Ok(AgentMessage::Directory(_)) = &answer {
                        open.describes = false;
                    }
                    if answer.as_ref().is_ok_and(is_in_trouble) {
                        self.describe_until_it_works(open, DESCRIBE_AGAIN);
                    }
                    answer.ok()
                }
                () = sleep_until(open.deadline) => {
                    let seconds = open.patience.as_secs();
                    return End::Broken(format!("nothing was heard for {seconds} s; the connection is dead"));
                }
                _ = beats.tick() => {
                    self.shared.status.beat(Loop::Link);
                    None
                }
                () = self.stop.cancelled() => return End::Stopped,
                () = reconfigured(&mut self.changes) => return End::Reconfigured,
            };
            let key = self.shared.desk.next_key().map(|public_key| AgentMessage::PublicKey { public_key });
            let trouble = self.shared.sign_in_fails();
            if trouble.is_some() {
                self.describe_until_it_works(open, DESCRIBE_AGAIN);
            }
            for said in key.into_iter().chain(trouble).chain(said) {
                if let Err(end) = say(socket, &said).await {
                    return end;
                }
            }
        }
    }

    /// Takes a frame up; returns what is said to it at once.
    async fn hear(&self, frame: Frame, open: &mut Open) -> Result<Option<AgentMessage>, End> {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Control => return Ok(None),
            Frame::Binary => return Ok(Some(AgentMessage::NotUnderstood(NotUnderstood::not_text()))),
            Frame::Closed(number) => {
                return Err(open
                    .return_after
                    .map_or_else(|| End::Closed(number.and_then(CloseCode::of)), End::Drained));
            }
            Frame::Broken(why) => return Err(open.return_after.map_or(End::Broken(why), End::Drained)),
        };
        let message = match understand::<ServerMessage>(&text) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!("a message of the control plane is not understood: {error}");
                return Ok(Some(AgentMessage::NotUnderstood(error)));
            }
        };
        match message {
            ServerMessage::Welcome(welcome) => {
                let (shortest, longest) = DEADLINES;
                open.patience = Duration::from_secs(welcome.deadline_seconds.clamp(shortest, longest));
                open.deadline = Instant::now() + open.patience;
                open.welcomed = true;
                metrics::link_made();
                tracing::info!(
                    "connected to the control plane {} (adc-server {})",
                    self.config.server.url,
                    welcome.version
                );
                self.shared.status.change(|standing| {
                    standing.link = LinkState::Connected;
                    standing.trouble = None;
                });
                if self.shared.directory.is_unknown() {
                    self.describe_until_it_works(open, Duration::ZERO);
                }
            }
            ServerMessage::Refused(refused) if refused.reason.passes() => {
                return Err(End::NotNow(refused.detail));
            }
            ServerMessage::Refused(refused) => return Err(End::Refused(refused.detail)),
            ServerMessage::Ping => return Ok(Some(AgentMessage::Pong)),
            ServerMessage::Follow { changes: true, .. } => self.order(Order::Follow).await?,
            ServerMessage::Follow { changes: false, because } => {
                self.order(Order::DoNotFollow(because)).await?;
            }
            ServerMessage::ReloadPolicy => self.order(Order::Reload).await?,
            ServerMessage::Drain { return_after_ms } => {
                open.return_after = Some(Duration::from_millis(return_after_ms));
            }
            ServerMessage::NotUnderstood(error) => {
                tracing::warn!("the control plane did not understand a message: {error}");
            }
            ServerMessage::Request { id, request } => return Ok(self.take(id, request, open)),
        }
        Ok(None)
    }

    /// Takes a request up; what takes time is answered later.
    fn take(&self, id: u64, request: Request, open: &mut Open) -> Option<AgentMessage> {
        let order = match request {
            Request::Run(command) => Order::Run(command),
            Request::Cancel { run_id } => Order::Cancel(run_id),
            question => {
                if open.answers.len() >= ANSWERS {
                    return Some(refuse(
                        id,
                        "busy",
                        format!("{ANSWERS} questions are being answered; ask again in a moment"),
                    ));
                }
                let (shared, config) = (Arc::clone(self.shared), Arc::clone(&self.config));
                let answer = async move {
                    let answered = match question {
                        Request::CheckPassword(check) => {
                            shared.desk.check(&config, check).await.map(Reply::PasswordChecked)
                        }
                        question => answer::answer(&shared.account_of(&config), question).await,
                    };
                    let outcome = match answered {
                        Ok(reply) => Outcome::Ok(Box::new(reply)),
                        Err(error) => Outcome::Error(error),
                    };
                    AgentMessage::Reply { id, outcome }
                };
                open.answers.spawn(answer.in_current_span());
                return None;
            }
        };
        Some(match self.orders.try_send(order) {
            Ok(()) => AgentMessage::Reply { id, outcome: Outcome::Ok(Box::new(Reply::Accepted)) },
            Err(_) => refuse(id, "busy", "too many orders wait already".to_owned()),
        })
    }

    /// Finds out what the directory is after a pause, and whether it can be worked with again, unless that is being done.
    fn describe_until_it_works(&self, open: &mut Open, pause: Duration) {
        if !std::mem::replace(&mut open.describes, true) {
            let describing = describe(Arc::clone(self.shared), Arc::clone(&self.config), pause);
            open.answers.spawn(describing.in_current_span());
        }
    }

    /// Passes an order on that must not be lost.
    async fn order(&self, order: Order) -> Result<(), End> {
        self.orders.send(order).await.map_err(|_| End::Broken("the daemon's worker has ended".to_owned()))
    }

    fn hello(&self) -> Hello {
        Hello {
            instance: self.shared.instance(),
            host: self.config.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            directory: self.shared.directory.info(&self.config, Instant::now()),
            configuration: configuration_fingerprint(&self.config.directory),
            settings: self.config.settings,
            public_key: self.shared.desk.key_for_link(&self.config),
            password_timeout_ms: u64::try_from(self.config.authentication.timeout.as_millis()).ok(),
            runs: self.shared.status.subscribe().borrow().runs.clone(),
        }
    }
}

/// Finds out, after a pause, what the directory is, however long it is out of reach; returns what is new of that.
async fn describe(shared: Arc<Shared>, config: Arc<Config>, mut pause: Duration) -> AgentMessage {
    loop {
        sleep(pause).await;
        pause = DESCRIBE_AGAIN;
        let _turn = shared.directory.turn().await;
        let now = Instant::now();
        if shared.directory.spared_until(&config, now).is_some() || shared.directory.waits_for_a_read(now) {
            continue;
        }
        match answer::describe(&shared.account_of(&config)).await {
            Ok(info) => {
                let info = shared.directory.note(&config, info, now);
                shared.show_trouble();
                return AgentMessage::Directory(info);
            }
            Err(error) => {
                tracing::warn!("{error}");
                metrics::directory_failed(&error);
                if let Some(told) = shared.directory_fails(&config, &error, now) {
                    return told;
                }
            }
        }
    }
}

/// Whether it says that the directory cannot be worked with.
fn is_in_trouble(message: &AgentMessage) -> bool {
    matches!(message, AgentMessage::Directory(DirectoryInfo { trouble: Some(_), .. }))
}

fn refuse(id: u64, code: &str, message: String) -> AgentMessage {
    AgentMessage::Reply { id, outcome: Outcome::Error(RequestError { code: code.to_owned(), message }) }
}

async fn say(socket: &mut Socket, message: &AgentMessage) -> Result<(), End> {
    let text = serde_json::to_string(message).expect("the protocol's messages are plain data");
    socket.send(text).await.map_err(|why| End::Broken(format!("the link broke ({why})")))
}
