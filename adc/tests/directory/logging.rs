//! What is logged of searches.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use adc::directory::Query;
use adc_core::source_id::{IdAttribute, SourceId};
use adc_sandbox::{Fault, ResultCode, Sandbox, sample};
use tracing::Level;

use crate::{PAGE_SIZE, config, open, people, read};

thread_local! {
    /// What this thread logged: a test runs on a thread of its own.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One subscriber for the whole process, for a test that came and went with one of its own left others without a word.
static LISTENING: Once = Once::new();

/// Writes what a thread logs where that thread finds it.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What this thread has logged since it began to listen.
struct Log;

impl Log {
    #[expect(clippy::unused_self, reason = "whoever has it listens")]
    fn text(&self) -> String {
        LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).expect("UTF-8"))
    }
}

/// Listens to everything that this thread logs.
fn listen() -> Log {
    LISTENING.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(|| Here)
            .init();
    });
    LOGGED.with_borrow_mut(Vec::clear);
    Log
}

#[tokio::test]
async fn a_look_up_tells_how_many_ids_it_asks_for_and_not_which() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let ids = [SourceId::from("present"), SourceId::from("10815"), SourceId::from("secret-of-jane")];
    let log = listen();
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
    let log = listen();
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
    let log = listen();
    let query = Query { base: sample::BASE_DN.to_owned(), ..people() };
    read(&mut directory, &query).await.1.expect_err("it broke off");
    let log = log.text();
    let search = log.lines().find(|line| line.contains("searched the directory")).expect("is told");
    assert!(search.contains("pages=2") && !search.contains("code="), "{search}");
}
