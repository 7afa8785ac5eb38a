//! A client of the control plane's HTTP API.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, Method, RequestBuilder};
use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::control_plane::Synchronization;

/// The most that a list may be asked for at once (`?limit=`).
const LARGEST_PAGE: usize = 500;

/// How long an answer may take: `finish` waits for the plan, and says `wait` after 20 s.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);

/// A client that signs in as somebody, or as nobody.
pub struct Api {
    runtime: Runtime,
    client: Client,
    base: String,
    authorization: Option<String>,
}

/// What the control plane answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type, without parameters.
    pub media_type: String,
    /// The body: parsed if it is JSON, else a string, or null if there is none.
    pub body: Value,
}

impl Api {
    /// A client of the control plane at `url` that signs in as nobody.
    pub fn new(url: &str, authority_pem: Option<&str>) -> Self {
        // A second installation is refused, and changes nothing.
        let _ = aws_lc_rs::default_provider().install_default();
        // A connection that is kept may lead to a control plane that was killed since.
        let mut client = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(ANSWERS_WITHIN);
        if let Some(pem) = authority_pem {
            let certificate = Certificate::from_pem(pem.as_bytes()).expect("rcgen writes valid certificates");
            client = client.tls_certs_only([certificate]);
        }
        Self {
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime can be made"),
            client: client.build().expect("the client's options fit each other"),
            base: url.to_owned(),
            authorization: None,
        }
    }

    /// Signs in with an API key.
    #[must_use]
    pub fn with_key(mut self, api_key: &str) -> Self {
        self.authorization = Some(format!("Bearer {api_key}"));
        self
    }

    /// Signs in as an agent of a synchronization.
    #[must_use]
    pub fn as_agent(mut self, synchronization: &Synchronization) -> Self {
        let Synchronization { application_id, secret_token, .. } = synchronization;
        let credentials = STANDARD.encode(format!("{application_id}:{secret_token}"));
        self.authorization = Some(format!("Basic {credentials}"));
        self
    }

    /// Signs in as the same at another control plane, one without TLS.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { authorization: self.authorization.clone(), ..Self::new(url, None) }
    }

    /// `GET /api/v1{path}`.
    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    /// `POST /api/v1{path}` with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body))
    }

    /// `PATCH /api/v1{path}` with a merge patch (RFC 7396).
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
    }

    /// `DELETE /api/v1{path}`.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path))
    }

    /// Every item of a list, page by page.
    #[track_caller]
    pub fn all(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{separator}limit={LARGEST_PAGE}{cursor}")).ok();
            items.extend(page["items"].as_array().expect("a list answers items").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// A request still to be sent, for headers and bodies that the other methods do not offer.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/api/v1{path}", self.base));
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }

    /// Sends a request made by [`Api::request`].
    #[track_caller]
    pub fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).unwrap_or_else(|error| panic!("the control plane did not answer: {error:?}"))
    }

    /// Sends a request that may meet nobody, such as one to a control plane that was killed.
    pub fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let media_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
            let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
            let text = response.text().await?;
            let body = match text.as_str() {
                "" => Value::Null,
                text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
            };
            Ok(Answer { status, media_type, body })
        })
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Api").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "the control plane answered {}: {}",
            self.status,
            self.body
        );
        self.body
    }

    /// The status and the stable code of a refusal, which must be a problem document (RFC 9457).
    #[track_caller]
    pub fn problem(&self) -> (u16, &str) {
        assert_eq!(self.media_type, "application/problem+json", "{} is no problem document", self.body);
        (self.status, self.body["code"].as_str().expect("a problem has a code"))
    }
}
