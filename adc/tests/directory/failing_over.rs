//! Several servers of one directory.

use adc::config::DirectoryConfig;
use adc::directory::error::Failure;
use adc_core::source_id::{IdAttribute, SourceId};
use adc_sandbox::{Fault, ResultCode, Sandbox, sample};

use crate::{config_with, open, people, read};

/// Reads from these, in order.
fn config(urls: &[&str]) -> DirectoryConfig {
    config_with(&format!("[{}]", urls.join(", ")), "    connect_timeout: 1\n")
}

/// An address at which nobody listens any more.
async fn gone() -> String {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let url = sandbox.url();
    sandbox.stop().await;
    url
}

#[tokio::test]
async fn the_next_server_is_read_when_one_is_out_of_reach() {
    for fault in [Fault::stall_bind(), Fault::refuse_bind(ResultCode::Busy, "later")] {
        let (busy, other) = (
            Sandbox::builder().start().await.expect("starts"),
            Sandbox::builder().start().await.expect("starts"),
        );
        busy.faults().inject(fault);
        let gone = gone().await;
        let mut directory = open(config(&[&gone, &busy.url(), &other.url()])).await.expect("opens");
        let (entries, result) = read(&mut directory, &people()).await;
        result.expect("complete");
        assert_eq!(entries.len(), sample::PEOPLE);
        assert!(directory.server_identity().contains(&other.addr().to_string()));
        assert_eq!((busy.faults().pending(), busy.journal().binds), (0, 1));
    }
}

#[tokio::test]
async fn a_refused_account_is_not_tried_on_every_server_until_it_is_locked() {
    let (one, other) = (
        Sandbox::builder().start().await.expect("starts"),
        Sandbox::builder().start().await.expect("starts"),
    );
    one.faults().inject(Fault::refuse_bind(ResultCode::InvalidCredentials, "data 52e"));
    let error = open(config(&[&one.url(), &other.url()])).await.expect_err("refused");
    assert_eq!(error.failure, Failure::BindRefused);
    assert_eq!(other.journal().connections, 0);
}

#[tokio::test]
async fn when_none_is_within_reach_each_says_why() {
    let (one, other) = (gone().await, gone().await);
    let error = open(config(&[&one, &other])).await.expect_err("nobody is there");
    assert_eq!(error.failure, Failure::Unreachable);
    let message = error.message.replace(one.trim_start_matches("ldap://"), "ONE");
    let message = message.replace(other.trim_start_matches("ldap://"), "OTHER");
    insta::assert_snapshot!(message, @"none of the 2 directories is within reach: (1) nobody listens on ONE; is the directory running, and is the port of backend.ldap.addr right? (2) nobody listens on OTHER; is the directory running, and is the port of backend.ldap.addr right?");
}

#[tokio::test]
async fn absence_is_proved_on_the_server_that_was_read() {
    let (one, other) = (
        Sandbox::builder().start().await.expect("starts"),
        Sandbox::builder().start().await.expect("starts"),
    );
    let mut directory = open(config(&[&one.url(), &other.url()])).await.expect("opens");
    read(&mut directory, &people()).await.1.expect("complete");
    one.stop().await;
    let ids = [SourceId::from("597ae2f6-16a6-1027-98f4-d28b5365dc14")];
    let error =
        directory.look_up(&people(), &IdAttribute::new("entryUUID"), &ids).await.expect_err("it is gone");
    assert_eq!(error.failure, Failure::Unreachable);
    assert_eq!(other.journal().connections, 0);
}
