//! What is said of a control plane that goes away while many requests are on their way.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::script::{Answer, Script};
use crate::{WANTED, batch, control_plane};

/// As many as a run sends at the same time, and more.
const AT_ONCE: usize = 24;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_request_told_of_the_same_outage() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let lost = std::iter::repeat_n(Answer::Lost, AT_ONCE);
    let answered = std::iter::repeat_n(Answer::json(200, WANTED), AT_ONCE);
    let script = Script::start(lost.chain(answered)).await;
    let control_plane = control_plane(&script);
    let mut requests: JoinSet<_> = (0..AT_ONCE)
        .map(|_| {
            let control_plane = control_plane.clone();
            async move { control_plane.digests("run_1", &batch()).await.map(drop) }
        })
        .collect();
    while let Some(request) = requests.join_next().await {
        request.expect("ends").expect("answers in the end");
    }

    let said = String::from_utf8(log.0.lock().expect("unpoisoned").clone()).expect("UTF-8");
    assert_eq!(said.matches("; trying again for up to ").count(), 1, "{said}");
    assert_eq!(said.matches(" answers again, after ").count(), 1, "{said}");
    assert!(said.contains("see whether the control plane still runs"), "{said}");
}
