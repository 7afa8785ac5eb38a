//! The run protocol as calls.

use std::time::Duration;

use adc_core::plan::Action;
use adc_core::protocol::{
    Abort, Accepted, Change, Confirm, DigestBatch, Finish, Next, Noted, OpenRun, OpenedRun, Page,
    RENEW_SECONDS, RecordBatch, TouchedBatch, Wanted,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ControlPlaneError;
use super::http::{Body, Http};
use crate::config::ServerConfig;
use crate::tls::CertificateSummary;

/// A control plane that does not answer at the start is told to a person who waits.
const PATIENCE_AT_START: Duration = Duration::from_secs(10);
/// In the middle of a run a restart of the control plane is worth waiting for.
const PATIENCE_IN_RUN: Duration = Duration::from_mins(1);
/// Giving up must not take long: without this word the lease ends the run all the same. Nor must hearing of a run that is over.
const PATIENCE_AT_END: Duration = Duration::from_secs(3);
/// Lines of a plan asked for at once: the most a list gives.
const CHANGES_PER_PAGE: usize = 500;

/// The control plane, as the agent of one synchronization sees it.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    http: Http,
}

/// An answer, and how many bytes were sent for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent<T> {
    /// The answer.
    pub answer: T,
    /// The request's body as sent.
    pub bytes: u64,
}

impl ControlPlane {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn new(config: &ServerConfig) -> Result<Self, ControlPlaneError> {
        Ok(Self { http: Http::new(config)? })
    }

    /// The certificate the control plane presented last.
    pub fn certificate(&self) -> Option<CertificateSummary> {
        self.http.certificate()
    }

    /// Opens a run.
    ///
    /// # Errors
    /// See [`ControlPlaneError`]; another run may hold the place.
    pub async fn open(&self, run: &OpenRun) -> Result<OpenedRun, ControlPlaneError> {
        Ok(self.post("/agent/runs", run, PATIENCE_AT_START).await?.answer)
    }

    /// "These were touched." The answer may make the run full.
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn touched(&self, run_id: &str, batch: &TouchedBatch) -> Result<Noted, ControlPlaneError> {
        Ok(self.post(&format!("/agent/runs/{run_id}/touched"), batch, PATIENCE_IN_RUN).await?.answer)
    }

    /// "Do you have these?"
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn digests(
        &self,
        run_id: &str,
        batch: &DigestBatch,
    ) -> Result<Sent<Wanted>, ControlPlaneError> {
        self.post(&format!("/agent/runs/{run_id}/digests"), batch, PATIENCE_IN_RUN).await
    }

    /// "Here they are." Takes them, so that what waits for the answer is the packed request alone: a tenth of the records.
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn records(
        &self,
        run_id: &str,
        batch: RecordBatch,
    ) -> Result<Sent<Accepted>, ControlPlaneError> {
        let body = pack(&batch);
        drop(batch);
        self.post_packed(&format!("/agent/runs/{run_id}/records"), &body, PATIENCE_IN_RUN).await
    }

    /// "Still here."
    ///
    /// # Errors
    /// See [`ControlPlaneError`]; the run may have been cancelled.
    pub async fn renew(&self, run_id: &str) -> Result<(), ControlPlaneError> {
        let body = Body::pack(b"{}".to_vec());
        let path = format!("/agent/runs/{run_id}/renew");
        // The lease does not wait as long as a rate limiter may ask for.
        let heeded = Duration::from_secs(RENEW_SECONDS);
        self.http.post_in_time(&path, &body, PATIENCE_IN_RUN, heeded).await.map(drop)
    }

    /// "That was all, and this proves it."
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn finish(&self, run_id: &str, finish: &Finish) -> Result<Next, ControlPlaneError> {
        Ok(self.post(&format!("/agent/runs/{run_id}/finish"), finish, PATIENCE_IN_RUN).await?.answer)
    }

    /// As [`Self::finish`], of a run that is over: nothing hangs on the answer any more but what is told of it, so that nobody waits long.
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn how_it_ended(&self, run_id: &str, finish: &Finish) -> Result<Next, ControlPlaneError> {
        Ok(self.post(&format!("/agent/runs/{run_id}/finish"), finish, PATIENCE_AT_END).await?.answer)
    }

    /// "This is what became of those you miss."
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn confirm(&self, run_id: &str, confirm: &Confirm) -> Result<Next, ControlPlaneError> {
        Ok(self.post(&format!("/agent/runs/{run_id}/confirm"), confirm, PATIENCE_IN_RUN).await?.answer)
    }

    /// "I give up."
    ///
    /// # Errors
    /// See [`ControlPlaneError`]; then the lease ends the run.
    pub async fn abort(&self, run_id: &str, abort: &Abort) -> Result<(), ControlPlaneError> {
        let body = pack(abort);
        self.http.post(&format!("/agent/runs/{run_id}/abort"), &body, PATIENCE_AT_END).await.map(drop)
    }

    /// The first lines of the plan that call for an action, at most `limit`.
    ///
    /// # Errors
    /// See [`ControlPlaneError`].
    pub async fn changes(
        &self,
        run_id: &str,
        action: Action,
        limit: usize,
    ) -> Result<Vec<Change>, ControlPlaneError> {
        let limit = limit.min(CHANGES_PER_PAGE);
        let path = format!("/agent/runs/{run_id}/changes?action={action}&limit={limit}");
        let page: Page<Change> = decode(&path, &self.http.get(&path, PATIENCE_IN_RUN).await?)?;
        Ok(page.items)
    }

    /// Whether the control plane answers and believes the credentials: asks for the plan of a run that is not.
    ///
    /// # Errors
    /// It cannot be reached, or refuses the credentials.
    pub async fn probe(&self) -> Result<(), ControlPlaneError> {
        match self.http.get(&format!("/agent/runs/{PROBE_RUN_ID}/changes?limit=1"), Duration::ZERO).await {
            // "No such run" is said only to whom it believes; any other 404 means that nobody knows this address.
            Err(ControlPlaneError::Refused { code, .. }) if code == RUN_NOT_FOUND => Ok(()),
            Ok(_) => Err(self.http.odd("it shows a run that nobody made".to_owned())),
            Err(ControlPlaneError::Refused { status: 404, detail, .. }) => {
                Err(self.http.odd(format!("status 404: {detail}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        message: &impl Serialize,
        patience: Duration,
    ) -> Result<Sent<T>, ControlPlaneError> {
        self.post_packed(path, &pack(message), patience).await
    }

    async fn post_packed<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Body,
        patience: Duration,
    ) -> Result<Sent<T>, ControlPlaneError> {
        let answer = self.http.post(path, body, patience).await?;
        Ok(Sent { answer: decode(path, &answer)?, bytes: body.len() })
    }
}

fn pack(message: &impl Serialize) -> Body {
    Body::pack(serde_json::to_vec(message).expect("the protocol's messages are plain data"))
}

/// A problem's code when there is no such run of the synchronization.
const RUN_NOT_FOUND: &str = "run-not-found";
/// A run id of the right form that random choice will not meet.
const PROBE_RUN_ID: &str = "run_00000000000000000000000000000000";

fn decode<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, ControlPlaneError> {
    serde_json::from_slice(bytes).map_err(|error| ControlPlaneError::NotAControlPlane {
        url: path.to_owned(),
        reason: error.to_string(),
    })
}
