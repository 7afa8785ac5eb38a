//! The only file that names `reqwest`: one HTTP request, tried until it is answered or patience ends.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::error::ControlPlaneError;
use super::outage::Outage;
use super::{retry, tunnel};
use crate::clock;
use crate::config::{Proxy, ServerConfig};
use crate::tls::{self, CertificateSummary, Presented};

/// Reaching the control plane's port and agreeing on TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One try of one request: longer than the control plane lets a caller wait for a plan.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// HTTP/2 where the control plane has it: a run's requests then share one connection.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Smaller bodies gain nothing from being compressed.
const COMPRESS_FROM_BYTES: usize = 1_024;
/// Level 1 takes a tenth of the time of the default and loses a tenth of the gain.
const ZSTD_LEVEL: i32 = 1;

/// How the HTTP library begins its complaint about an answer that is none of HTTP: over plain HTTP, a TLS alert.
const NOT_HTTP: &str = "invalid HTTP version";
/// How it ends its complaint about a proxy that opens no tunnel with [`tunnel::NOT_LET_IN`].
const NOT_LET_IN: &str = "proxy authorization required";

/// A client of one control plane.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    /// The address as configured, for messages.
    site: String,
    host: String,
    tls: bool,
    proxy: Option<Proxy>,
    presented: Presented,
    /// Shared by all that send at the same time.
    outage: Arc<Outage>,
}

/// A request's body as it is sent, made once and sent as often as needed.
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Bytes,
    compressed: bool,
}

impl Body {
    /// Packs a JSON text.
    pub fn pack(json: Vec<u8>) -> Self {
        if json.len() < COMPRESS_FROM_BYTES {
            return Self { bytes: json.into(), compressed: false };
        }
        match zstd::bulk::compress(&json, ZSTD_LEVEL) {
            Ok(mut packed) => {
                // It was made with room for a text that does not compress, and may wait long for an answer.
                packed.shrink_to_fit();
                Self { bytes: packed.into(), compressed: true }
            }
            Err(error) => {
                tracing::debug!(%error, "a request is sent uncompressed");
                Self { bytes: json.into(), compressed: false }
            }
        }
    }

    /// How many bytes cross the network.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Http {
    /// A client that signs every request with the Application ID and the Secret Token.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn new(config: &ServerConfig) -> Result<Self, ControlPlaneError> {
        let url = config.url.to_string();
        let refuse = |reason: String| ControlPlaneError::Tls { url: url.clone(), reason };
        let presented = Presented::default();
        let tls = if config.url.tls {
            tls::client_config(config.ca_file.as_deref().into(), None, &PROTOCOLS, &presented)
                .map_err(|error| refuse(error.to_string()))?
        } else {
            tls::trusting_nobody()
        };
        let credentials = format!("{}:{}", config.application_id, config.secret_token.expose_secret());
        let mut signed = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials)))
            .expect("base64 is made of characters a header may hold");
        signed.set_sensitive(true);
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("adc/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, signed)]));
        // The configuration has looked at the environment already; the library would look again, and read it otherwise.
        builder = builder.no_proxy();
        if let Some(named) = &config.proxy {
            let mut proxy = reqwest::Proxy::all(named.to_string()).map_err(|error| refuse(chain(&error)))?;
            if let Some(credentials) = &named.credentials {
                proxy = proxy.basic_auth(&credentials.user, credentials.password.expose_secret());
            }
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| refuse(chain(&error)))?;
        let host = config.url.at.host.clone();
        let (tls, proxy) = (config.url.tls, config.proxy.clone());
        Ok(Self { client, site: url, host, tls, proxy, presented, outage: Arc::default() })
    }

    /// The certificate the control plane presented last.
    pub fn certificate(&self) -> Option<CertificateSummary> {
        self.presented.summary()
    }

    /// What an answer means that no control plane gives; `reason` says what is odd about it.
    pub(super) fn odd(&self, reason: String) -> ControlPlaneError {
        ControlPlaneError::NotAControlPlane { url: self.site.clone(), reason }
    }

    /// Gets a document; tried again until `patience` has passed.
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn get(&self, path: &str, patience: Duration) -> Result<Bytes, ControlPlaneError> {
        self.send(Method::GET, path, None, patience, patience).await
    }

    /// Posts a document and returns the answer's; tried again until `patience` has passed.
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn post(
        &self,
        path: &str,
        body: &Body,
        patience: Duration,
    ) -> Result<Bytes, ControlPlaneError> {
        self.send(Method::POST, path, Some(body), patience, patience).await
    }

    /// As [`Self::post`], but waits no longer than `heeded` between two tries, whatever is asked for: for what comes to nothing
    /// when it comes late.
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn post_in_time(
        &self,
        path: &str,
        body: &Body,
        patience: Duration,
        heeded: Duration,
    ) -> Result<Bytes, ControlPlaneError> {
        self.send(Method::POST, path, Some(body), patience, heeded).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Body>,
        patience: Duration,
        heeded: Duration,
    ) -> Result<Bytes, ControlPlaneError> {
        let deadline = Instant::now() + patience;
        let mut failures = 0;
        loop {
            let started = Instant::now();
            let begun = self.outage.begin();
            let answer = self.once(method.clone(), path, body).await;
            let outcome =
                answer.as_ref().map_or_else(|failure| failure.error.to_string(), |_| "ok".to_owned());
            let (sent, duration_ms) = (body.map_or(0, Body::len), started.elapsed().as_millis());
            tracing::debug!(%method, path, sent, duration_ms, outcome, "asked the control plane");
            let failure = match answer {
                Err(failure) if failure.may_pass => failure,
                final_answer => {
                    self.tell_that_it_is_back();
                    return final_answer.map_err(|failure| failure.error);
                }
            };
            failures += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = failure.retry_after.map(|asked| asked.min(heeded));
            let Some(pause) = retry::pause(failures, asked, clock::jitter(), left) else {
                return Err(failure.error);
            };
            if self.outage.failed(begun, Instant::now()) {
                tracing::warn!("{}; trying again for up to {} s", failure.error, patience.as_secs());
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn tell_that_it_is_back(&self) {
        if let Some(after) = self.outage.answered(Instant::now()) {
            tracing::info!(
                "the control plane {} answers again, after {:.1} s",
                self.site,
                after.as_secs_f64()
            );
        }
    }

    async fn once(&self, method: Method, path: &str, body: Option<&Body>) -> Result<Bytes, Failure> {
        let url = format!("{}/api/v1{path}", self.site);
        let mut request = self.client.request(method, &url);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.bytes.clone());
            if body.compressed {
                request = request.header(CONTENT_ENCODING, "zstd");
            }
        }
        let response = request.send().await.map_err(|error| self.failure(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(seconds);
        let bytes = response.bytes().await.map_err(|error| self.failure(&error))?;
        if (200..300).contains(&status) {
            return Ok(bytes);
        }
        if let Some(proxy) = &self.proxy
            && status == tunnel::NOT_LET_IN
        {
            return Err(self.not_let_in_by(proxy));
        }
        let error = ControlPlaneError::of_answer(&self.site, status, &bytes);
        Err(Failure { error, may_pass: retry::is_passing(status), retry_after })
    }

    /// What a request that got no answer means.
    fn failure(&self, error: &reqwest::Error) -> Failure {
        let url = self.site.clone();
        if let Some(tls) = tls_cause(error) {
            let reason = tls::explain(tls, &self.presented, &self.host);
            return Failure {
                error: ControlPlaneError::Tls { url, reason },
                may_pass: false,
                retry_after: None,
            };
        }
        if !self.tls && chain(error).starts_with(NOT_HTTP) {
            let reason = "this port speaks TLS; write https://".to_owned();
            let error = ControlPlaneError::Unreachable { url, reason };
            return Failure { error, may_pass: false, retry_after: None };
        }
        if let Some(proxy) = &self.proxy
            && chain(error).ends_with(NOT_LET_IN)
        {
            return self.not_let_in_by(proxy);
        }
        let reason = if error.is_timeout() && error.is_connect() {
            format!("no answer within {} s; is a firewall or proxy in the way?", CONNECT_TIMEOUT.as_secs())
        } else if error.is_timeout() {
            format!("no answer within {} s; look at its log", REQUEST_TIMEOUT.as_secs())
        } else if error.is_connect() {
            format!(
                "{}; check that the control plane runs, server.url, and the network between",
                chain(error)
            )
        } else {
            format!(
                "the connection broke ({}); see whether the control plane still runs, and look at its log",
                chain(error)
            )
        };
        Failure { error: ControlPlaneError::Unreachable { url, reason }, may_pass: true, retry_after: None }
    }

    /// Not tried again: a password that is shown over and over may be locked out.
    fn not_let_in_by(&self, proxy: &Proxy) -> Failure {
        let reason = format!("the proxy {proxy} {}", tunnel::why_not_let_in(proxy));
        let error = ControlPlaneError::Unreachable { url: self.site.clone(), reason };
        Failure { error, may_pass: false, retry_after: None }
    }
}

struct Failure {
    error: ControlPlaneError,
    may_pass: bool,
    retry_after: Option<Duration>,
}

/// The innermost cause, which says most; the outer ones only say that something failed.
fn chain(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

/// The TLS error among the causes. An `io::Error` hides what it wraps from `source`, so it is asked for separately.
fn tls_cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.and_then(|inner| tls_cause(inner)).or_else(|| error.source().and_then(tls_cause))
}

/// `Retry-After` in seconds; the other form, a date, is ignored: our clock may be wrong.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
