//! A connection to a directory, over which one operation at a time is spoken.
//!
//! The socket is drained by a task of its own, so that a server is never kept waiting while entries are mapped: a
//! closed TCP window costs 200 ms each time. Written for this program because the client libraries at hand copy each
//! entry several times, lose a connection's end among pages, or panic on text that is not UTF-8.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::ber;
use super::error::{DirectoryError, Progress};
use super::outcome::{Outcome, code};
use super::request::{self, Control, SearchRequest};
use super::response::{self, Message, RawEntry, Response};

/// Bytes read from the socket at most at once: some hundred entries.
const READ_BYTES: usize = 64 << 10;
/// A buffer is filled up to here before a new one is begun: the entries in it hold all of it.
const WORTH_READING: usize = 4 << 10;
/// Reads that wait to be taken: more than a page of a thousand people, so that only an unpaged read ever waits.
const BLOCKS_AHEAD: usize = 64;
/// No entry is larger, not even a group of a million; what claims to be is not LDAP.
const MAX_MESSAGE_BYTES: usize = 256 << 20;
/// How an end of the connection is called that the server chose.
const CLOSED: &str = "the directory closed the connection";
/// Telling the server that nobody listens any more is a courtesy that must not take time.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(1);

/// A connection that is made, to be spoken LDAP over.
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix domain socket.
    Unix(UnixStream),
}

impl Stream {
    /// Where it leads, over TCP.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// How a TCP connection becomes safe.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Roots, versions, verifier.
    pub config: Arc<ClientConfig>,
    /// The name the certificate must carry.
    pub server_name: String,
    /// Plain until the server agrees to StartTLS (RFC 4511 section 4.14), instead of TLS from the first byte.
    pub start_tls: bool,
}

/// Why the wire gave no answer.
#[derive(Debug)]
pub enum WireError {
    /// TLS was refused by either side.
    Tls(rustls::Error),
    /// The server answered StartTLS with something else than success.
    StartTlsRefused(Outcome),
    /// The connection is gone, and what is known of why.
    Lost(String),
    /// No answer within the time given.
    Silent,
    /// Something was sent that is not LDAP.
    Undecodable(String),
}

/// A connection. Dropping it closes the connection.
#[derive(Debug)]
pub struct Wire {
    output: WriteHalf<Box<dyn Duplex>>,
    blocks: mpsc::Receiver<Result<Bytes, WireError>>,
    /// What is left of the last block: whole messages.
    block: Bytes,
    drain: JoinHandle<()>,
    last_id: i32,
}

/// A search under way.
#[derive(Debug)]
pub struct Search<'w> {
    wire: &'w mut Wire,
    id: i32,
    limit: Duration,
}

/// One answer to a search.
#[derive(Debug)]
pub enum Answer {
    /// An entry.
    Entry(RawEntry),
    /// URLs of servers that hold a part of what was searched.
    Reference(Vec<String>),
    /// The end, as the server put it, and the cookie of the page after this one, if the server sent one.
    Done(Outcome, Option<Vec<u8>>),
}

/// Anything bytes go in and out of.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Duplex for T {}

impl Wire {
    /// Makes a connection speak LDAP, over TLS if asked; `limit` is how long that may take.
    ///
    /// # Errors
    /// TLS was refused, StartTLS was refused, or the connection broke.
    pub async fn open(stream: Stream, tls: Option<Tls>, limit: Duration) -> Result<Self, WireError> {
        let stream: Box<dyn Duplex> = match (stream, tls) {
            (Stream::Unix(stream), _) => Box::new(stream),
            (Stream::Tcp(stream), None) => Box::new(stream),
            (Stream::Tcp(stream), Some(tls)) => {
                timeout(limit, secure(stream, tls)).await.unwrap_or(Err(WireError::Silent))?
            }
        };
        let (input, output) = split(stream);
        let (sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        let drain = tokio::spawn(drain(input, sender));
        Ok(Self { output, blocks, block: Bytes::new(), drain, last_id: FIRST_ID })
    }

    /// Signs in with a DN and a password (RFC 4513 section 5.1.3). The caller has seen that neither is empty.
    ///
    /// # Errors
    /// No answer came. A refusal is an answer.
    pub async fn bind(&mut self, dn: &str, password: &str, limit: Duration) -> Result<Outcome, WireError> {
        let id = self.next_id();
        self.send(&request::bind(id, dn, password), limit).await?;
        self.result_of(id, limit).await
    }

    /// Signs in with somebody's password to see whether the directory takes it; the answer comes with its controls.
    ///
    /// # Errors
    /// No answer came. A refusal is an answer.
    pub(super) async fn try_password(
        &mut self,
        dn: &str,
        password: &str,
        limit: Duration,
    ) -> Result<(Outcome, Bytes), WireError> {
        let id = self.next_id();
        self.send(&request::try_password(id, dn, password), limit).await?;
        loop {
            let message = self.receive(id, limit).await?;
            if let Response::Result(outcome) = message.response {
                return Ok((outcome, message.controls));
            }
        }
    }

    /// Signs in as whom the connection itself proves: by a client certificate, or on a socket by the account of this process.
    ///
    /// # Errors
    /// No answer came. A refusal is an answer.
    pub async fn bind_external(&mut self, limit: Duration) -> Result<Outcome, WireError> {
        let id = self.next_id();
        self.send(&request::bind_external(id), limit).await?;
        self.result_of(id, limit).await
    }

    async fn result_of(&mut self, id: i32, limit: Duration) -> Result<Outcome, WireError> {
        loop {
            if let Response::Result(outcome) = self.receive(id, limit).await?.response {
                return Ok(outcome);
            }
        }
    }

    /// Starts a search; `limit` is how long the server may stay silent.
    ///
    /// # Errors
    /// The request could not be sent.
    pub async fn search(
        &mut self,
        request: &SearchRequest<'_>,
        limit: Duration,
    ) -> Result<Search<'_>, WireError> {
        self.search_with(request, &[], limit).await
    }

    /// As [`Self::search`], with controls.
    pub(super) async fn search_with(
        &mut self,
        request: &SearchRequest<'_>,
        controls: &[Control],
        limit: Duration,
    ) -> Result<Search<'_>, WireError> {
        let id = self.next_id();
        self.send(&request::search(id, request, controls), limit).await?;
        Ok(Search { wire: self, id, limit })
    }

    fn next_id(&mut self) -> i32 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(FIRST_ID);
        self.last_id
    }

    async fn send(&mut self, message: &[u8], limit: Duration) -> Result<(), WireError> {
        let sent = async {
            self.output.write_all(message).await?;
            self.output.flush().await
        };
        match timeout(limit, sent).await {
            Ok(Ok(())) => Ok(()),
            // What the server said before it hung up tells more than that it did.
            Ok(Err(error)) => Err(self.last_words().unwrap_or_else(|| WireError::Lost(error.to_string()))),
            Err(_) => Err(WireError::Silent),
        }
    }

    /// The next message that answers request `id`.
    async fn receive(&mut self, id: i32, limit: Duration) -> Result<Message, WireError> {
        loop {
            let message = self.next_message(limit).await?;
            let message = response::parse(&message).map_err(|_| not_ldap())?;
            match message.response {
                // Nobody asked: the notice of disconnection (RFC 4511 section 4.4.1), the last thing a server says.
                Response::Result(outcome) if message.id == 0 => {
                    return Err(WireError::Lost(format!("the directory hung up: {outcome}")));
                }
                // Late answers to a search that was abandoned are nobody's any more.
                _ if message.id != i64::from(id) => {}
                _ => return Ok(message),
            }
        }
    }

    async fn next_message(&mut self, limit: Duration) -> Result<Bytes, WireError> {
        if self.block.is_empty() {
            self.block = match timeout(limit, self.blocks.recv()).await {
                Ok(Some(block)) => block?,
                Ok(None) => return Err(WireError::Lost("the directory closed it".to_owned())),
                Err(_) => return Err(WireError::Silent),
            };
        }
        match ber::element_length(&self.block) {
            Ok(Some(length)) if length <= self.block.len() => Ok(self.block.split_to(length)),
            _ => Err(not_ldap()),
        }
    }

    fn last_words(&mut self) -> Option<WireError> {
        std::iter::from_fn(|| self.blocks.try_recv().ok()).find_map(Result::err)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.drain.abort();
    }
}

impl Search<'_> {
    /// The next answer. After [`Answer::Done`] or an error there is none: do not ask again.
    ///
    /// # Errors
    /// The connection broke, the server fell silent, or what came makes no sense. Never is any of these an end.
    pub async fn next(&mut self) -> Result<Answer, WireError> {
        loop {
            let Message { response, cookie, .. } = self.next_message().await?;
            match response {
                Response::Entry(entry) => return Ok(Answer::Entry(entry)),
                Response::Reference(urls) => return Ok(Answer::Reference(urls)),
                Response::Result(outcome) => return Ok(Answer::Done(outcome, cookie)),
                Response::Intermediate { .. } | Response::Other => {}
            }
        }
    }

    /// As [`Self::next`], for whoever asked with controls: everything that is said, and the controls it is said with.
    pub(super) async fn next_message(&mut self) -> Result<Message, WireError> {
        self.wire.receive(self.id, self.limit).await
    }

    /// As [`Self::next`], but `None` when nothing came for `patience`; what comes later is the next answer then.
    ///
    /// # Errors
    /// See [`Self::next`].
    pub async fn next_within(&mut self, patience: Duration) -> Result<Option<Answer>, WireError> {
        if self.wire.block.is_empty() {
            // Nothing is lost: waiting for the next block is the only thing that can be given up here.
            timeout(patience, self.next()).await.ok().transpose()
        } else {
            self.next().await.map(Some)
        }
    }

    /// Tells the server to stop sending (RFC 4511 section 4.11); there is no answer to wait for.
    pub async fn abandon(self) {
        let id = self.wire.next_id();
        if let Err(error) = self.wire.send(&request::abandon(id, self.id), FAREWELL_PATIENCE).await {
            tracing::debug!(reason = %error.reason(), "the directory was not told to stop a search");
        }
    }
}

impl WireError {
    /// What is known of the cause, as a clause.
    pub fn reason(&self) -> String {
        match self {
            Self::Tls(error) => error.to_string(),
            Self::StartTlsRefused(outcome) => outcome.to_string(),
            Self::Lost(reason) | Self::Undecodable(reason) => reason.clone(),
            Self::Silent => "it does not answer".to_owned(),
        }
    }

    /// The error of a search that broke off here.
    pub(super) fn during(self, progress: Progress<'_>, limit: Duration) -> DirectoryError {
        match self {
            Self::Silent => DirectoryError::silent(progress, limit),
            error => DirectoryError::connection_lost(progress, &error.reason()),
        }
    }
}

/// Message ids start here again after the last one there is.
const FIRST_ID: i32 = 1;

/// TLS from the first byte, or after the server agreed to it.
async fn secure(mut stream: TcpStream, tls: Tls) -> Result<Box<dyn Duplex>, WireError> {
    if tls.start_tls {
        agree_on_tls(&mut stream).await?;
    }
    let name = ServerName::try_from(tls.server_name).map_err(|_| {
        WireError::Tls(rustls::Error::General(
            "the host is no name a certificate can carry; set server_name".to_owned(),
        ))
    })?;
    let stream = TlsConnector::from(tls.config).connect(name, stream).await;
    stream.map(|stream| Box::new(stream) as Box<dyn Duplex>).map_err(|error| tls_error(&error))
}

async fn agree_on_tls(stream: &mut TcpStream) -> Result<(), WireError> {
    let lost = |error: std::io::Error| lost(&error);
    stream.write_all(&request::start_tls(FIRST_ID)).await.map_err(lost)?;
    let mut buffer = BytesMut::new();
    while whole_messages(&buffer)? == 0 {
        if stream.read_buf(&mut buffer).await.map_err(lost)? == 0 {
            return Err(WireError::Lost(CLOSED.to_owned()));
        }
    }
    let length = ber::element_length(&buffer).ok().flatten().unwrap_or_default();
    // What somebody slipped in before TLS must not be taken for said under it.
    if length != buffer.len() {
        return Err(WireError::Undecodable("it sent more than the answer to StartTLS".to_owned()));
    }
    match response::parse(&buffer.freeze()).map_err(|_| not_ldap())?.response {
        Response::Result(outcome) if outcome.code == code::SUCCESS => Ok(()),
        Response::Result(outcome) => Err(WireError::StartTlsRefused(outcome)),
        _ => Err(not_ldap()),
    }
}

fn tls_error(error: &std::io::Error) -> WireError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => WireError::Tls(inner.clone()),
        None => lost(error),
    }
}

/// A connection that ended without TLS's own farewell ends all the same: rustls explains that to whoever writes programs.
fn lost(error: &std::io::Error) -> WireError {
    WireError::Lost(match error.kind() {
        std::io::ErrorKind::UnexpectedEof => CLOSED.to_owned(),
        _ => error.to_string(),
    })
}

/// Reads the socket as fast as it gives and hands on whole messages, until either side hangs up.
async fn drain(mut input: ReadHalf<Box<dyn Duplex>>, blocks: mpsc::Sender<Result<Bytes, WireError>>) {
    let mut buffer = BytesMut::new();
    let end = loop {
        match whole_messages(&buffer) {
            Ok(0) => {}
            Ok(length) => {
                if blocks.send(Ok(buffer.split_to(length).freeze())).await.is_err() {
                    return;
                }
            }
            Err(error) => break error,
        }
        if buffer.capacity() - buffer.len() < WORTH_READING {
            buffer.reserve(READ_BYTES);
        }
        match input.read_buf(&mut buffer).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => break lost(&error),
        }
    };
    // Whoever waits hears why; whoever went away does not need to.
    let _ = blocks.send(Err(end)).await;
}

/// How many bytes at the beginning are whole messages.
fn whole_messages(buffer: &[u8]) -> Result<usize, WireError> {
    let mut whole = 0;
    while let Some(length) = ber::element_length(&buffer[whole..]).map_err(|_| not_ldap())? {
        if buffer[whole] != ber::SEQUENCE || length > MAX_MESSAGE_BYTES {
            return Err(not_ldap());
        }
        if whole + length > buffer.len() {
            break;
        }
        whole += length;
    }
    Ok(whole)
}

fn not_ldap() -> WireError {
    WireError::Undecodable("it sent what is not LDAP".to_owned())
}
