//! A directory that misbehaves. Each of these once lost people in some other tool.

use adc::directory::Failure;
use adc_sandbox::{Fault, ResultCode, Sandbox, sample};
use tokio::net::TcpListener;

use crate::{PAGE_SIZE, config, config_with, open, people, read};

/// Reads with one fault and returns how many entries were handed on, and the error.
async fn failing(fault: Fault, more: &str) -> (usize, Failure, String) {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config_with(&sandbox.url(), more)).await.expect("opens");
    sandbox.faults().inject(fault);
    let (entries, result) = read(&mut directory, &people()).await;
    assert_eq!(sandbox.faults().pending(), 0, "the fault struck");
    let error = result.expect_err("an incomplete read is an error");
    assert!(entries.len() < sample::PEOPLE);
    (entries.len(), error.failure, error.message)
}

#[tokio::test]
async fn a_connection_that_drops_inside_page_3_never_looks_like_an_end() {
    let (_, failure, message) = failing(Fault::drop_after(10).on_page(3), "").await;
    assert_eq!(failure, Failure::ConnectionLost);
    insta::assert_snapshot!(message, @"the connection to the directory was lost while reading people, after 50 entries, in page 3 (the directory closed it); nothing is concluded from a part: try again");
}

#[tokio::test]
async fn a_connection_that_drops_between_pages_never_looks_like_an_end() {
    for entries in [0, PAGE_SIZE as usize] {
        let (_, failure, _) = failing(Fault::drop_after(entries).on_page(3), "").await;
        assert_eq!(failure, Failure::ConnectionLost);
    }
}

#[tokio::test]
async fn a_first_page_that_is_full_and_says_nothing_of_another_was_taken_for_everybody() {
    let fault = Fault::answer_after(PAGE_SIZE as usize, ResultCode::Success, "").on_page(1);
    let (_, failure, message) = failing(fault, "").await;
    assert_eq!(failure, Failure::Protocol);
    insta::assert_snapshot!(message, @"the directory filled a page and did not say whether another one follows while reading people, after 20 entries, in page 1; ask who runs it, or what lies between, why the control of paged results is missing; if there is no more, give backend.ldap.sync.page_size another value");
}

#[tokio::test]
async fn a_message_cut_in_half_never_looks_like_an_end() {
    let (_, failure, message) = failing(Fault::cut_entry(5).on_page(2), "").await;
    assert_eq!(failure, Failure::ConnectionLost);
    assert!(message.contains("it sent what is not LDAP"), "{message}");
}

#[tokio::test]
async fn a_garbled_message_does_not_hang_for_ever() {
    let (_, failure, message) = failing(Fault::garble_entry(5).on_page(2), "    search_timeout: 1\n").await;
    insta::assert_snapshot!(format!("{failure:?}: {message}"), @"Unreadable: an entry of the directory cannot be read: it is not encoded as it must be");
}

#[tokio::test]
async fn every_result_code_but_success_is_an_error_that_says_what_to_do() {
    let mut said = Vec::new();
    for code in [
        ResultCode::SizeLimitExceeded,
        ResultCode::TimeLimitExceeded,
        ResultCode::AdminLimitExceeded,
        ResultCode::Busy,
        ResultCode::Unavailable,
        ResultCode::UnwillingToPerform,
        ResultCode::InsufficentAccessRights,
        ResultCode::OperationsError,
        ResultCode::NoSuchObject,
    ] {
        let (entries, failure, message) =
            failing(Fault::answer_after(10, code, "said so").on_page(3), "").await;
        assert!(entries <= 50);
        said.push(format!("{}: {message}", failure.code()));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn a_bind_account_whose_password_was_reset_was_to_be_given_rights() {
    // Word for word what slapd's ppolicy overlay says.
    let words = "Operations are restricted to bind/unbind/abandon/StartTLS/modify password";
    let fault = Fault::answer_after(0, ResultCode::InsufficentAccessRights, words);
    let (_, failure, message) = failing(fault, "").await;
    assert_eq!(failure, Failure::SearchRefused);
    assert!(message.contains("set a new one (ldappasswd)") && !message.contains("the right"), "{message}");
}

#[tokio::test]
async fn a_limit_without_pages_is_an_error_too() {
    let (_, failure, _) =
        failing(Fault::answer_after(250, ResultCode::SizeLimitExceeded, "").on_page(1), "").await;
    assert_eq!(failure, Failure::SizeLimitExceeded);
}

#[tokio::test]
async fn a_referral_makes_the_read_incomplete() {
    let (_, failure, message) =
        failing(Fault::refer_after(10, "ldap://other.lg.local/dc=lg,dc=local").on_page(2), "").await;
    assert_eq!(failure, Failure::Referral);
    insta::assert_snapshot!(message, @"part of dc=example,dc=com lies elsewhere: the search for people was referred to ldap://other.lg.local/dc=lg,dc=local and is not complete; read from the server that holds all of it, choose a base DN below what this one holds, or, if nobody there is to be synchronized, set backend.ldap.referrals: ignore");
}

#[tokio::test]
async fn a_referral_that_is_ignored_changes_nothing() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let config = config_with(&sandbox.url(), "    referrals: ignore\n");
    let mut directory = open(config).await.expect("opens");
    sandbox.faults().inject(Fault::refer_after(10, "ldap://other.lg.local/dc=lg,dc=local").on_page(2));
    let (entries, result) = read(&mut directory, &people()).await;
    result.expect("complete");
    assert_eq!((entries.len(), sandbox.faults().pending()), (sample::PEOPLE, 0));
}

#[tokio::test]
async fn silence_ends_at_the_search_timeout() {
    let (_, failure, message) = failing(Fault::stall_after(10).on_page(2), "    search_timeout: 1\n").await;
    assert_eq!(failure, Failure::Silent);
    insta::assert_snapshot!(message, @"the directory fell silent for 1 s while reading people, after 30 entries, in page 2; try again, or raise backend.ldap.search_timeout");
}

#[tokio::test]
async fn a_dn_that_is_not_utf8_is_named_and_nothing_crashes() {
    let (_, failure, message) = failing(Fault::dn_not_utf8(3).on_page(2), "").await;
    assert_eq!(failure, Failure::Unreadable);
    insta::assert_snapshot!(message, @r#"an entry of the directory cannot be read: the DN "uid=celina.zajac,ou=Platform,ou=Engineering,ou=People,dc=example,dc=com�" is not UTF-8; rename that entry"#);
}

#[tokio::test]
async fn a_value_that_is_not_utf8_spoils_nothing() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    sandbox.faults().inject(Fault::value_not_utf8(3, "cn").on_page(2));
    let (entries, result) = read(&mut directory, &people()).await;
    result.expect("complete");
    assert_eq!(entries.len(), sample::PEOPLE);
    assert_eq!(entries.iter().filter(|entry| entry.text("cn").is_none()).count(), 1);
}

#[tokio::test]
async fn a_base_that_does_not_exist_says_what_does() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let query = adc::directory::Query { base: "ou=Poeple,dc=example,dc=com".to_owned(), ..people() };
    let error = read(&mut directory, &query).await.1.expect_err("must fail");
    assert_eq!(error.failure, Failure::BaseNotFound);
    insta::assert_snapshot!(error, @"ou=Poeple,dc=example,dc=com does not exist in the directory, or the bind account may not see it; what exists of it is dc=example,dc=com; check backend.ldap.base_dn");
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_words() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut config = config(&sandbox);
    config.bind_password = "wrong".into();
    let error = open(config).await.expect_err("must fail");
    assert_eq!(error.failure, Failure::BindRefused);
    insta::assert_snapshot!(error, @"the directory refuses cn=readonly,dc=example,dc=com (49 invalidCredentials); check backend.ldap.bind_dn and its password");
}

#[tokio::test]
async fn an_empty_password_is_never_sent() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut config = config(&sandbox);
    config.bind_password = "".into();
    let error = open(config).await.expect_err("must fail");
    assert_eq!(error.failure, Failure::BindRefused);
    assert_eq!(sandbox.journal().binds, 0);
}

#[tokio::test]
async fn a_bind_that_is_not_answered_ends_at_the_timeout() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    sandbox.faults().inject(Fault::stall_bind());
    let error = open(config_with(&sandbox.url(), "    connect_timeout: 1\n")).await.expect_err("must fail");
    assert_eq!(error.failure, Failure::Silent);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("has one").port();
    drop(listener);
    let error = open(config_with(&format!("ldap://127.0.0.1:{port}"), "")).await.expect_err("must fail");
    assert_eq!(error.failure, Failure::Unreachable);
    insta::assert_snapshot!(error.message.replace(&port.to_string(), "PORT"), @"nobody listens on 127.0.0.1:PORT; is the directory running, and is the port of backend.ldap.addr right?");
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let error = open(config_with("ldap://nowhere.invalid", "")).await.expect_err("must fail");
    assert_eq!(error.failure, Failure::Unreachable);
    assert!(error.message.starts_with("the directory's host nowhere.invalid is not found"), "{error}");
}
