//! A directory that behaves.

use adc::directory::{Query, RawEntry};
use adc_core::protocol::Mark;
use adc_sandbox::{Behaviour, Directory as Data, Fault, Sandbox, sample};
use tokio::sync::mpsc;

use crate::{PAGE_SIZE, config, config_with, open, people, read};

#[tokio::test]
async fn everybody_is_read_once_and_the_receipt_says_so() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (entries, receipt) = read(&mut directory, &people()).await;
    let receipt = receipt.expect("complete");
    let mut dns: Vec<&str> = entries.iter().map(adc_core::entry::Entry::dn).collect();
    dns.sort_unstable();
    dns.dedup();
    assert_eq!((entries.len(), dns.len()), (sample::PEOPLE, sample::PEOPLE));
    assert_eq!(receipt.entries, sample::PEOPLE as u64);
    assert_eq!(receipt.result_codes, vec![0; sample::PEOPLE.div_ceil(PAGE_SIZE as usize)]);
    assert!(receipt.complete);
    assert!(!sandbox.journal().log.iter().any(adc_sandbox::Operation::is_write));
}

#[tokio::test]
async fn a_server_without_pages_is_read_in_one() {
    let mut behaviour = Behaviour::default();
    behaviour.paged_results = false;
    let sandbox = Sandbox::builder().behaviour(behaviour).start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (entries, receipt) = read(&mut directory, &people()).await;
    assert_eq!(entries.len(), sample::PEOPLE);
    assert_eq!(receipt.expect("complete").result_codes, [0]);
}

#[tokio::test]
async fn a_search_that_finds_nobody_is_complete() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (entries, receipt) = read(
        &mut directory,
        &adc::directory::Query { filter: "(uid=nobody)".parse().expect("parses"), ..people() },
    )
    .await;
    assert!(entries.is_empty());
    assert_eq!(receipt.expect("complete").entries, 0);
}

#[tokio::test]
async fn reading_stops_when_nobody_listens() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    assert_eq!(directory.read(&people(), &sender).await, Ok(None));
}

#[tokio::test]
async fn the_server_says_what_it_is_and_where_it_stands() {
    let sandbox = Sandbox::builder().directory(Data::sample()).start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    assert!(directory.root().paged_results);
    let csn = sandbox.directory().context_csn().to_owned();
    assert_eq!(directory.mark().await, Ok(Some(Mark { kind: "contextCSN".to_owned(), values: vec![csn] })));
    assert!(directory.server_identity().contains(sample::BASE_DN), "{}", directory.server_identity());
}

#[tokio::test]
async fn big_entries_were_handed_on_by_the_hundred() {
    const BIG: usize = 200_000;
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let everybody: Vec<String> = sandbox.directory().entries().map(|entry| entry.dn().to_owned()).collect();
    let some: Vec<&String> = everybody.iter().filter(|dn| dn.starts_with("uid=")).take(20).collect();
    for dn in &some {
        sandbox.directory().set(dn, "description", ["x".repeat(BIG)]).expect("set");
    }
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let query = Query { attributes: vec!["description".to_owned()], ..people() };
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<RawEntry>>(1);
    let read = async {
        directory.read(&query, &sender).await.expect("reads");
        drop(sender);
    };
    let collect = async {
        let mut big = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            let entries = chunk.into_iter().map(|raw| raw.decode().expect("an entry"));
            big.push(
                entries
                    .filter(|entry| entry.text("description").is_some_and(|text| text.len() == BIG))
                    .count(),
            );
        }
        big
    };
    let ((), big) = tokio::join!(read, collect);
    assert_eq!(big.iter().sum::<usize>(), some.len());
    assert!(big.iter().all(|count| *count <= 3), "{big:?}");
}

#[tokio::test]
async fn what_a_slow_directory_had_sent_of_a_page_was_kept_back_until_the_chunk_was_full() {
    const OF_PAGE_2: usize = 7;
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config_with(&sandbox.url(), "    search_timeout: 2\n")).await.expect("opens");
    sandbox.faults().inject(Fault::stall_after(OF_PAGE_2).on_page(2));
    let (sender, mut receiver) = mpsc::channel::<Vec<RawEntry>>(1);
    let query = people();
    let read = async {
        let result = directory.read(&query, &sender).await;
        drop(sender);
        result
    };
    let collect = async {
        let mut handed_on = 0;
        while let Some(chunk) = receiver.recv().await {
            handed_on += chunk.len();
        }
        handed_on
    };
    let (result, handed_on) = tokio::join!(read, collect);
    assert_eq!(result.expect_err("it fell silent").failure, adc::directory::Failure::Silent);
    assert_eq!(handed_on, PAGE_SIZE as usize + OF_PAGE_2);
}
