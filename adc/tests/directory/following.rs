//! A change feed that breaks off or makes no sense: nothing is concluded from it. A server that plays a script answers.

use adc::directory::feed::{Feed, Lost, Subject, Touched};
use adc::directory::{DirectoryError, Failure};
use adc_core::protocol::Mark;
use adc_sandbox::sample;

use crate::script::{Said, control, element, end, entry, octets, play, result};
use crate::{config_with, open};

const STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";

/// When the server says that it was started.
const STARTED: &str = "20261122043000Z";

fn named(state: u8, uuid: u8) -> Said {
    entry(&[], control(STATE, &element(0x30, &[element(10, &[state]), octets([uuid; 16])].concat())))
}

fn end_of_phase(named_removals: bool) -> Said {
    let value = element(0x30, &element(1, &[if named_removals { 0xff } else { 0 }]));
    result(0x65, 0, control(DONE, &value))
}

fn info(oid: &str, value: &[u8]) -> Said {
    (element(0x79, &[element(0x80, oid.as_bytes()), element(0x81, value)].concat()), Vec::new())
}

/// An OpenLDAP that answers searches for changes with these, one after the other, and hangs up then.
async fn serving(searches: Vec<Vec<Said>>) -> String {
    let about_itself = [
        ("objectClass", &["OpenLDAProotDSE"][..]),
        ("namingContexts", &["dc=com"]),
        ("supportedControl", &["1.3.6.1.4.1.4203.1.9.1.1"]),
        ("subschemaSubentry", &["cn=Subschema"]),
    ];
    let mut script = vec![
        vec![result(0x61, 0, Vec::new())],
        vec![entry(&about_itself, Vec::new()), end(0)],
        // Where the next delta would go on.
        vec![end(0)],
        vec![entry(&[("createTimestamp", &[STARTED])], Vec::new()), end(0)],
        vec![entry(&[], Vec::new()), end(0)],
    ];
    script.extend(searches);
    play(script).await.0
}

async fn ask(searches: Vec<Vec<Said>>) -> Result<Result<Touched, Lost>, DirectoryError> {
    let url = serving(searches).await;
    let mut directory = open(config_with(&url, "")).await.expect("opens");
    let csn = "20261122043638.123456Z#000000#000#000000".to_owned();
    let since = Mark { kind: "contextCSN".to_owned(), values: vec![csn, format!("started={STARTED}")] };
    directory.touched(Feed::Syncrepl, &since, &Subject::default()).await
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_does_not_say_how_it_ended_proves_nothing() {
    for (answers, failure) in [
        (vec![], Failure::ConnectionLost),
        (vec![named(3, 1)], Failure::ConnectionLost),
        (vec![named(0, 1), info(INFO, &element(0xa2, &[]))], Failure::ConnectionLost),
        (vec![named(3, 1), end(0)], Failure::Protocol),
        (vec![named(4, 1), end_of_phase(true)], Failure::Protocol),
        (vec![info(INFO, &element(0xa3, &[])), end_of_phase(true)], Failure::Protocol),
        (vec![named(3, 1), end(80)], Failure::SearchRefused),
        (vec![named(3, 1), end(51)], Failure::Busy),
    ] {
        let shown = format!("{answers:?}");
        let error = ask(vec![answers]).await.expect_err(&shown);
        assert_eq!(error.failure, failure, "{error}: {shown}");
    }
}

#[tokio::test]
async fn a_subordinate_database_that_the_overlay_does_not_watch_kept_everything_from_being_read() {
    let answers = vec![named(3, 1), entry(&[], Vec::new()), end_of_phase(true)];
    assert_eq!(ask(vec![answers]).await, Ok(Err(Lost::NotOffered)));
}

#[tokio::test]
async fn what_else_is_said_between_entries_is_none_of_our_business() {
    let answers = vec![info("1.2.3", b"?"), named(3, 1), end_of_phase(true)];
    let touched = ask(vec![answers]).await.expect("ends").expect("goes on");
    assert_eq!((touched.removed.len(), touched.changed.len(), touched.present), (1, 0, None));
}

#[tokio::test]
async fn a_result_says_why_the_place_is_lost() {
    for (code, why) in [
        (4_096, Lost::RefreshRequired),
        (2, Lost::MarkNotUnderstood),
        (53, Lost::MarkNotUnderstood),
        (3, Lost::Limit),
        (4, Lost::Limit),
        (11, Lost::Limit),
        (12, Lost::NotOffered),
    ] {
        assert_eq!(ask(vec![vec![named(1, 1), end(code)]]).await, Ok(Err(why)), "{code}");
    }
}

#[tokio::test]
async fn a_root_that_may_not_be_searched_leaves_the_base_and_nothing_of_what_was_said_before() {
    for code in [32, 50] {
        let searches = vec![vec![named(3, 1), end(code)], vec![named(3, 2), end_of_phase(true)]];
        let touched = ask(searches).await.expect("ends").expect("goes on");
        let removed: Vec<String> = touched.removed.iter().map(ToString::to_string).collect();
        assert_eq!(removed, ["02020202-0202-0202-0202-020202020202"], "{code}");
        let error = ask(vec![vec![end(code)], vec![end(code)]]).await.expect_err("no base either");
        assert!(error.message.contains(sample::BASE_DN), "{error}");
    }
}

#[tokio::test]
async fn a_reference_to_another_server_is_not_followed_and_not_passed_over() {
    let reference = (element(0x73, &octets("ldap://other.example/dc=com")), Vec::new());
    let error = ask(vec![vec![reference, end_of_phase(true)]]).await.expect_err("incomplete");
    assert_eq!(error.failure, Failure::Referral);
}
