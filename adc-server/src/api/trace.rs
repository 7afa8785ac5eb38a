//! One line in the log and one sample in the metrics per request, under an id that the answer names too.

use crate::{clock::random, metrics};
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use std::time::Instant;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request, and says what became of it. Headers and bodies are never logged.
pub(super) async fn request(request: Request, next: Next) -> Response {
    let id = format!("{:016x}", u64::from_be_bytes(random()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let span = tracing::info_span!("request", id, %method, path);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status(), started.elapsed());
    if let Some(route) = route {
        metrics::answered(&method, route, status, elapsed);
    }
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), ms = elapsed.as_millis(), "failed");
        } else {
            tracing::debug!(status = status.as_u16(), ms = elapsed.as_millis(), "answered");
        }
    });
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
