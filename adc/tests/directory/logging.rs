//! What is logged of searches.

use std::io;
use std::sync::{Arc, Mutex};

use adc::directory::Query;
use adc_core::source_id::{IdAttribute, SourceId};
use adc_sandbox::{Fault, ResultCode, Sandbox, sample};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::{PAGE_SIZE, config, open, people, read};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("unpoisoned").clone()).expect("UTF-8")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens to everything that this thread logs.
fn listen() -> (Log, DefaultGuard) {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || written.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn a_look_up_tells_how_many_ids_it_asks_for_and_not_which() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let ids = [SourceId::from("present"), SourceId::from("10815"), SourceId::from("secret-of-jane")];
    let (log, _guard) = listen();
    directory.look_up(&people(), &IdAttribute::new("employeeNumber"), &ids).await.expect("answers");
    let log = log.text();
    assert!(log.contains("filter=(objectClass=inetOrgPerson) and 3 ids by employeeNumber"), "{log}");
    assert!(log.contains("filter=3 ids by employeeNumber"), "in the whole tree too: {log}");
    assert!(!ids.iter().any(|id| log.contains(id.as_str())), "{log}");
}

#[tokio::test]
async fn a_search_that_fails_tells_how_far_it_came_and_its_code() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    sandbox.faults().inject(Fault::answer_after(5, ResultCode::Busy, "").on_page(2));
    let (log, _guard) = listen();
    let (_, result) = read(&mut directory, &people()).await;
    result.expect_err("it is busy");
    let log = log.text();
    assert!(log.contains(&format!("page=1 entries={PAGE_SIZE} ")), "{log}");
    assert!(
        log.contains(&format!("attributes=\"entryUUID mail cn\" pages=2 entries={} ", PAGE_SIZE + 5)),
        "{log}"
    );
    assert!(log.contains("code=51"), "{log}");
}

#[tokio::test]
async fn a_search_that_broke_off_has_no_code() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    sandbox.faults().inject(Fault::drop_after(5).on_page(2));
    let (log, _guard) = listen();
    let query = Query { base: sample::BASE_DN.to_owned(), ..people() };
    read(&mut directory, &query).await.1.expect_err("it broke off");
    let log = log.text();
    let search = log.lines().find(|line| line.contains("searched the directory")).expect("is told");
    assert!(search.contains("pages=2") && !search.contains("code="), "{search}");
}
