//! Giving a run up that the control plane may have brought to its end already: what is said then must be true.

use adc_core::protocol::{Abort, Finish, Next, RunReport};

use super::{Run, conclude};
use crate::control_plane::ControlPlaneError;
use crate::exit::AgentError;

/// What the control plane says to whoever gives up a run that it is applying.
const RUN_CONCLUDING: &str = "run-concluding";
/// What it says to whoever goes on with a run that was given up.
const RUN_ENDED: &str = "run-ended";

impl Run<'_> {
    /// Gives the run up after its receipt may have been handed in.
    ///
    /// `None` when it is being applied, and its end to be waited for; a report when it had ended before we spoke.
    pub(super) async fn stop(&self) -> Result<Option<RunReport>, AgentError> {
        let abort = Abort { error: AgentError::Interrupted.run_error() };
        match self.control_plane.abort(&self.opened.run_id, &abort).await {
            Ok(()) => self.end_we_missed().await,
            Err(error) if error.code() == RUN_CONCLUDING => Ok(None),
            Err(error) => {
                tracing::debug!(%error, "nobody answers how the run ended");
                Err(self.unknown_end())
            }
        }
    }

    /// A run that had ended is given up with success too: whether it had is what its report tells.
    async fn end_we_missed(&self) -> Result<Option<RunReport>, AgentError> {
        match self.end().await {
            Ok(Next::Done { report }) => conclude::outcome(*report).map(Some),
            Err(error) if error.code() == RUN_ENDED => Err(AgentError::Interrupted),
            _ => Err(self.unknown_end()),
        }
    }

    /// Hears how the run ended, which is over by now.
    pub(super) async fn end(&self) -> Result<Next, ControlPlaneError> {
        let finish = Finish { receipt: self.receipt.clone() };
        self.control_plane.how_it_ended(&self.opened.run_id, &finish).await
    }

    fn unknown_end(&self) -> AgentError {
        let run_id = self.opened.run_id.clone();
        let url = format!("{}/api/v1/runs/{run_id}", self.config.server.url);
        AgentError::InterruptedAtTheEnd { run_id, url }
    }
}

#[cfg(test)]
mod tests {
    use adc_core::protocol::{Counts, Mode, OpenedRun, ReadCounts, Receipt, RunReport, RunState, SentCounts};
    use adc_core::settings::{EffectiveSettings, Settings};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};
    use crate::control_plane::ControlPlane;
    use crate::imp::Surroundings;
    use crate::imp::lease::Lease;

    /// Stops a run of a control plane that gives these answers, status and body, one a request, and then hangs up.
    async fn stop(answers: Vec<(u16, String)>) -> Result<Option<RunReport>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("has one"));
        let control_plane = tokio::spawn(async move {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.expect("comes");
                // The requests are small enough to come in one piece.
                let read = stream.read(&mut [0; 16_384]).await.expect("says something");
                assert!(read > 0);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.expect("is heard");
            }
        });
        let text = format!(
            "server: {{url: '{url}', application_id: a, secret_token: s}}\nbackend: {{ldap: {{addr: 'ldaps://dc1', bind_dn: 'cn=a', bind_password: p, base_dn: 'dc=lg'}}}}\n"
        );
        let file = File::parse("adc.yaml", &text).expect("parses");
        let config =
            resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves");
        let surroundings = Surroundings::default();
        let run = Run {
            config: &config,
            control_plane: ControlPlane::new(&config.server).expect("a client"),
            lease: Lease::new(),
            surroundings: &surroundings,
            feed: None,
            opened: OpenedRun {
                run_id: "run_1".to_owned(),
                mode: Mode::Full,
                full_because: None,
                settings: EffectiveSettings::merge(&Settings::default(), &Settings::default(), false),
                policy: adc_core::policy::Policy::default(),
                checkpoint: None,
                left: std::collections::BTreeSet::new(),
                others_were_read: false,
                mirror_empty: true,
            },
            receipt: Receipt::default(),
            primary_groups: std::collections::BTreeSet::new(),
            subject: None,
        };
        let stopped = run.stop().await.map_err(|error| error.to_string().replace(&url, "URL"));
        control_plane.await.expect("was asked as often as it answers");
        stopped
    }

    fn problem(status: u16, code: &str) -> (u16, String) {
        let body = format!(
            r#"{{"type":"about:blank","title":"X","status":{status},"code":"{code}","detail":"Words."}}"#
        );
        (status, body)
    }

    fn done(state: RunState) -> (u16, String) {
        let report = RunReport {
            run_id: "run_1".to_owned(),
            mode: Mode::Full,
            full_because: None,
            dry_run: false,
            state,
            held_because: Vec::new(),
            settings: EffectiveSettings::merge(&Settings::default(), &Settings::default(), false),
            read: ReadCounts::default(),
            counts: Counts::default(),
            needs_attention: 0,
            sent: SentCounts::default(),
            duration_ms: 1,
            report_url: "https://cloud.example.com/api/v1/runs/run_1".to_owned(),
            error: None,
        };
        (200, serde_json::to_string(&Next::Done { report: Box::new(report) }).expect("plain data"))
    }

    #[tokio::test]
    async fn an_interruption_that_came_after_the_end_tells_the_end_and_not_that_nothing_was_changed() {
        let report = stop(vec![(204, String::new()), done(RunState::Applied)]).await.expect("ended");
        assert_eq!(report.map(|report| report.state), Some(RunState::Applied));
    }

    #[tokio::test]
    async fn a_run_that_was_given_up_in_time_changed_nothing() {
        let stopped = stop(vec![(204, String::new()), problem(409, "run-ended")]).await;
        assert_eq!(stopped.expect_err("given up"), "interrupted; nothing was changed");
    }

    #[tokio::test]
    async fn a_run_that_is_being_applied_is_waited_for() {
        assert_eq!(stop(vec![problem(409, "run-concluding")]).await, Ok(None));
    }

    #[tokio::test]
    async fn an_end_that_cannot_be_known_is_not_claimed() {
        let stopped = stop(vec![problem(500, "internal")]).await;
        assert_eq!(
            stopped.expect_err("unknown"),
            "interrupted while the control plane was applying the run run_1; it is either wholly applied or not at all: see URL/api/v1/runs/run_1"
        );
    }
}
