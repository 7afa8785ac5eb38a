//! The only file that names `ldap3`: one connection, and the few operations this program needs. None of them writes.
//!
//! `ldap3` is used below its conveniences, each of which loses or hides something (the page adapter forgets a lost
//! connection, `SearchEntry` panics on a DN that is not UTF-8): one search at a time, its raw answers decoded in
//! [`decode`], its result taken only when the server sent it.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::{MakeCritical, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, SearchStream, StdStream};
use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::decode::{self, Decoded};
use super::error::{DirectoryError, Progress};
use super::outcome::Outcome;
use crate::config::Scope;

/// The control of paged results (RFC 2696).
pub const PAGED_RESULTS_OID: &str = "1.2.840.113556.1.4.319";

/// A connection that is made, to be spoken LDAP over.
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix domain socket.
    Unix(UnixStream),
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
    /// Something was sent that is not LDAP, or not what was asked.
    Undecodable(String),
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
            Self::Undecodable(reason) => DirectoryError::undecodable(progress, &reason),
            error => DirectoryError::connection_lost(progress, &error.reason()),
        }
    }
}

/// A connection. Dropping it closes the connection.
#[derive(Debug)]
pub struct Wire {
    ldap: Ldap,
    driver: JoinHandle<Result<(), LdapError>>,
}

/// A search (RFC 4511 section 4.5.1).
#[derive(Debug, Clone, Copy)]
pub struct SearchRequest<'a> {
    /// Where to start.
    pub base: &'a str,
    /// How deep to go.
    pub scope: Scope,
    /// Which entries.
    pub filter: &'a str,
    /// Which of their attributes.
    pub attributes: &'a [String],
    /// At most so many entries; 0 for no limit of ours.
    pub size_limit: i32,
    /// One page of the result: its size, and the cookie of the page before.
    pub page: Option<(u32, &'a [u8])>,
}

/// A search under way.
pub struct Search<'w, 'a> {
    wire: &'w mut Wire,
    stream: SearchStream<'a, &'a str, Vec<&'a str>>,
}

/// One answer to a search.
#[derive(Debug)]
pub enum Answer {
    /// An entry or a reference.
    Item(Decoded),
    /// The end, as the server put it, and the cookie of the page after this one, if the server sent one.
    Done(Outcome, Option<Vec<u8>>),
}

impl Wire {
    /// Makes a connection speak LDAP, over TLS if asked.
    ///
    /// # Errors
    /// TLS was refused, StartTLS was refused, or the connection broke.
    pub async fn open(stream: Stream, tls: Option<Tls>, limit: Duration) -> Result<Self, WireError> {
        let settings = LdapConnSettings::new().set_conn_timeout(limit);
        // The stream is there already: of the address, only scheme and name are still looked at.
        let (settings, url) = match (stream, tls) {
            (Stream::Unix(stream), _) => {
                (settings.set_std_stream(StdStream::Unix(stream)), "ldapi:///".to_owned())
            }
            (Stream::Tcp(stream), None) => {
                (settings.set_std_stream(StdStream::Tcp(stream)), "ldap://plain".to_owned())
            }
            (Stream::Tcp(stream), Some(tls)) => {
                let scheme = if tls.start_tls { "ldap" } else { "ldaps" };
                let settings = settings
                    .set_std_stream(StdStream::Tcp(stream))
                    .set_config(tls.config)
                    .set_starttls(tls.start_tls);
                (settings, format!("{scheme}://{}", tls.server_name))
            }
        };
        let (connection, ldap) =
            LdapConnAsync::with_settings(settings, &url).await.map_err(explain_opening)?;
        Ok(Self { ldap, driver: tokio::spawn(connection.drive()) })
    }

    /// Signs in with a DN and a password (RFC 4513 section 5.1.3). The caller has seen that neither is empty.
    ///
    /// # Errors
    /// No answer came. A refusal is an answer.
    pub async fn bind(&mut self, dn: &str, password: &str, limit: Duration) -> Result<Outcome, WireError> {
        let result = self.ldap.with_timeout(limit).simple_bind(dn, password).await;
        match result {
            Ok(result) => Ok(outcome(&result)),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Starts a search; `limit` is how long the server may stay silent.
    ///
    /// # Errors
    /// The request could not be sent.
    pub async fn search<'w, 'a>(
        &'w mut self,
        request: SearchRequest<'a>,
        limit: Duration,
    ) -> Result<Search<'w, 'a>, WireError> {
        let mut ldap = self.ldap.clone();
        if let Some((size, cookie)) = request.page {
            let size = i32::try_from(size).unwrap_or(i32::MAX);
            ldap.with_controls(RawControl::from(PagedResults { size, cookie: cookie.to_vec() }.critical()));
        }
        ldap.with_search_options(ldap3::SearchOptions::new().sizelimit(request.size_limit));
        ldap.with_timeout(limit);
        let attributes = request.attributes.iter().map(String::as_str).collect();
        let started =
            ldap.streaming_search(request.base, scope(request.scope), request.filter, attributes).await;
        match started {
            Ok(stream) => Ok(Search { wire: self, stream }),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Says what happened to a connection that gave no answer.
    async fn explain(&mut self, error: LdapError) -> WireError {
        match error {
            LdapError::Timeout { .. } => WireError::Silent,
            LdapError::FilterParsing => WireError::Undecodable("the filter cannot be sent".to_owned()),
            // The task that drives the connection ended, and knows more.
            _ => match (&mut self.driver).await {
                Ok(Ok(())) => WireError::Lost("the directory closed it".to_owned()),
                Ok(Err(LdapError::Io { source })) if source.to_string() == "decoding error" => {
                    WireError::Undecodable("it sent what is not LDAP".to_owned())
                }
                Ok(Err(LdapError::Io { source })) => WireError::Lost(source.to_string()),
                Ok(Err(error)) => WireError::Lost(error.to_string()),
                Err(_) => WireError::Undecodable("it sent an answer that cannot be decoded".to_owned()),
            },
        }
    }
}

impl Search<'_, '_> {
    /// The next answer. After [`Answer::Done`] or an error there is none: do not ask again.
    ///
    /// # Errors
    /// The connection broke, the server fell silent, or what came makes no sense. Never is any of these an end.
    pub async fn next(&mut self) -> Result<Answer, WireError> {
        match self.stream.next().await {
            Ok(Some(entry)) => decode::item(entry.0).map(Answer::Item).map_err(WireError::Undecodable),
            // Only here, right after the server's own SearchResultDone, is `finish` the server's word.
            Ok(None) => {
                let result = self.stream.finish().await;
                let cookie = result
                    .ctrls
                    .iter()
                    .find(|control| control.1.ctype == PAGED_RESULTS_OID)
                    .map(|control| decode::page_cookie(control.1.val.as_deref().unwrap_or_default()))
                    .transpose()
                    .map_err(WireError::Undecodable)?;
                Ok(Answer::Done(outcome(&result), cookie))
            }
            Err(error) => Err(self.wire.explain(error).await),
        }
    }

    /// Tells the server to stop sending (RFC 4511 section 4.11); there is no answer to wait for.
    pub async fn abandon(mut self) {
        let id = self.stream.ldap_handle().last_id();
        if let Err(error) = timeout(ABANDON_PATIENCE, self.wire.ldap.abandon(id)).await {
            tracing::debug!(%error, "the directory was not told to stop a search");
        }
    }
}

/// Abandoning is a courtesy: it must not hold up the error that caused it.
const ABANDON_PATIENCE: Duration = Duration::from_secs(1);

fn explain_opening(error: LdapError) -> WireError {
    match error {
        LdapError::Timeout { .. } => WireError::Silent,
        LdapError::LdapResult { result } => WireError::StartTlsRefused(outcome(&result)),
        LdapError::Rustls { source } => WireError::Tls(source),
        LdapError::DNSName { .. } => WireError::Tls(rustls::Error::General(
            "the host is no name a certificate can carry; set server_name".to_owned(),
        )),
        LdapError::Io { source } => tls_error(&source),
        LdapError::ResultRecv { .. } => WireError::Lost("it closed the connection".to_owned()),
        error => WireError::Lost(error.to_string()),
    }
}

fn tls_error(error: &io::Error) -> WireError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => WireError::Tls(inner.clone()),
        None => WireError::Lost(error.to_string()),
    }
}

fn outcome(result: &LdapResult) -> Outcome {
    Outcome {
        code: result.rc,
        matched: result.matched.clone(),
        text: result.text.clone(),
        referrals: result.refs.clone(),
    }
}

fn scope(scope: Scope) -> ldap3::Scope {
    match scope {
        Scope::Base => ldap3::Scope::Base,
        Scope::One => ldap3::Scope::OneLevel,
        Scope::Sub => ldap3::Scope::Subtree,
    }
}
