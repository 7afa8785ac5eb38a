//! A domain controller whose change feed comes in rounds, breaks off or makes no sense: nothing is concluded from it.

use std::collections::BTreeSet;

use adc::config::Scope;
use adc::directory::feed::{Feed, Lost, Subject, Touched};
use adc::directory::{DirectoryError, Failure, Query};
use adc_core::protocol::Mark;
use adc_core::record::Kind;

use crate::script::{Requests, Said, control, element, end, entry, object, octets, play, result};
use crate::{config_with, open};

const DIRSYNC: &str = "1.2.840.113556.1.4.841";
/// The flags of a search by the right to replicate, and by the bind account's own rights.
const BY_REPLICATION: [u8; 6] = [2, 4, 0x80, 0, 0, 0];
const BY_OWN_RIGHTS: [u8; 6] = [2, 4, 0x80, 0, 0, 1];

const JANE: &str = "0123456789abcdef";
const JANE_ID: &str = "33323130-3534-3736-3839-616263646566";
const MAX: &str = "fedcba9876543210";
const MAX_ID: &str = "63646566-6162-3839-3736-353433323130";

/// What a round ends with.
fn round(more: bool, cookie: &str) -> Said {
    let parts = [element(2, &[u8::from(more)]), element(2, &[0]), octets(cookie)].concat();
    result(0x65, 0, control(DIRSYNC, &element(0x30, &parts)))
}

fn named(guid: &str) -> Said {
    object("CN=somebody,DC=example,DC=com", &[("objectGUID", &[guid]), ("title", &["x"])], Vec::new())
}

fn removed(guid: &str) -> Said {
    let dn = "CN=somebody\\0ADEL:guid,CN=Deleted Objects,DC=example,DC=com";
    object(dn, &[("objectGUID", &[guid]), ("isDeleted", &["TRUE"])], Vec::new())
}

/// The container of deleted objects, shown.
fn deleted_objects() -> Vec<Said> {
    vec![entry(&[("objectClass", &["container"])], Vec::new()), end(0)]
}

/// A domain controller that answers what comes after the sign-in with these, one after the other, and hangs up then.
async fn serving(searches: Vec<Vec<Said>>) -> (String, Requests) {
    let about_itself = [
        ("supportedCapabilities", &["1.2.840.113556.1.4.800"][..]),
        ("namingContexts", &["DC=example,DC=com"]),
        ("supportedControl", &[DIRSYNC]),
        ("currentTime", &["20261122051036.0Z"]),
        ("highestCommittedUSN", &["4048"]),
    ];
    let mut script = vec![vec![result(0x61, 0, Vec::new())], vec![entry(&about_itself, Vec::new()), end(0)]];
    script.extend(searches);
    play(script).await
}

fn mark() -> Mark {
    let values = ["cookie=AAAA", "currentTime=2026-11-22T05:00:00", "highestCommittedUSN=4000"];
    Mark { kind: "dirsync".to_owned(), values: values.map(str::to_owned).to_vec() }
}

/// Of people nothing but their titles is read.
fn titles() -> Subject {
    let people = Query {
        kind: Kind::User,
        base: "DC=example,DC=com".to_owned(),
        scope: Scope::Sub,
        filter: "(title=*)".parse().expect("parses"),
        attributes: vec!["title".to_owned()],
        unlisted: None,
    };
    Subject { queries: vec![people], ..Subject::default() }
}

type Answer = Result<Result<Touched, Lost>, DirectoryError>;

/// What is found out, and what was asked for that after the sign-in.
async fn ask(searches: Vec<Vec<Said>>) -> (Answer, Vec<Vec<u8>>) {
    let (url, requests) = serving(searches).await;
    let mut directory = open(config_with(&url, "")).await.expect("opens");
    let touched = directory.touched(Feed::DirSync, &mark(), &titles()).await;
    let requests = requests.lock().expect("nobody panics")[2..].to_vec();
    (touched, requests)
}

fn texts(ids: &BTreeSet<adc_core::source_id::SourceId>) -> Vec<&str> {
    ids.iter().map(adc_core::source_id::SourceId::as_str).collect()
}

fn holds(request: &[u8], part: &[u8]) -> bool {
    request.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_feed_is_followed_round_by_round_to_its_end() {
    let (touched, requests) = ask(vec![
        vec![named(JANE), named(MAX), round(true, "first")],
        vec![round(true, "second")],
        vec![removed(MAX), round(false, "last")],
        deleted_objects(),
    ])
    .await;
    let touched = touched.expect("ends").expect("goes on");
    assert_eq!((texts(&touched.changed), texts(&touched.removed)), (vec![JANE_ID], vec![MAX_ID]));
    assert_eq!((texts(&touched.tombstones), touched.present), (vec![MAX_ID], None));
    assert_eq!(touched.result_codes, [0, 0, 0]);
    let values = touched.mark.expect("a mark").values;
    assert_eq!(values, ["cookie=bGFzdA==", "currentTime=2026-11-22T05:10:36", "highestCommittedUSN=4048"]);
    // Each round goes on from where the one before ended.
    for (request, cookie) in requests.iter().zip([&[0, 0, 0][..], b"first", b"second"]) {
        assert!(holds(request, &octets(cookie)) && holds(request, &BY_REPLICATION), "{request:?}");
    }
}

#[tokio::test]
async fn a_feed_that_does_not_get_on_is_no_feed() {
    let same = || vec![named(JANE), round(true, "same")];
    let (touched, requests) = ask(vec![same(), same(), same()]).await;
    assert_eq!(touched.expect_err("it would go on for ever").failure, Failure::Protocol);
    assert_eq!(requests.len(), 2);

    let endless = (0..10_001).map(|number| vec![round(true, &number.to_string())]).collect();
    let (touched, requests) = ask(endless).await;
    assert_eq!(touched.expect_err("it would go on for ever").failure, Failure::Protocol);
    assert_eq!(requests.len(), 10_000);
}

#[tokio::test]
async fn a_round_that_breaks_off_or_makes_no_sense_proves_nothing() {
    let empty = |value: &[u8]| vec![named(JANE), result(0x65, 0, control(DIRSYNC, value))];
    for (searches, failure) in [
        (vec![], Failure::ConnectionLost),
        (vec![vec![named(JANE)]], Failure::ConnectionLost),
        (vec![vec![named(JANE), round(true, "first")]], Failure::ConnectionLost),
        (vec![vec![named(JANE), round(true, "first")], vec![removed(MAX)]], Failure::ConnectionLost),
        (vec![vec![named(JANE), round(true, "first")], vec![end(80)]], Failure::SearchRefused),
        (vec![vec![named(JANE), end(0)]], Failure::Protocol),
        (vec![vec![named("short"), round(false, "last")]], Failure::Protocol),
        (vec![vec![named(JANE), round(false, "")]], Failure::Protocol),
        (vec![empty(&[])], Failure::Protocol),
        (vec![empty(&[0x30, 3, 2, 1, 0])], Failure::Protocol),
        // Whether removals were named is not known.
        (vec![vec![named(JANE), round(false, "last")]], Failure::ConnectionLost),
        (vec![vec![named(JANE), round(false, "last")], vec![end(51)]], Failure::Busy),
    ] {
        let shown = format!("{searches:?}");
        let error = ask(searches).await.0.expect_err(&shown);
        assert_eq!(error.failure, failure, "{error}: {shown}");
    }
}

#[tokio::test]
async fn whoever_hides_who_they_are_had_every_delta_fail() {
    let nameless = entry(&[("title", &["x"])], Vec::new());
    let (touched, _) = ask(vec![vec![named(JANE), nameless, round(false, "last")]]).await;
    assert_eq!(touched.expect("ends"), Err(Lost::Nameless));
}

#[tokio::test]
async fn without_the_right_to_replicate_all_ids_are_read_besides() {
    let (touched, requests) = ask(vec![
        vec![end(50)],
        vec![named(JANE), round(false, "last")],
        vec![named(JANE), named(MAX), end(0)],
    ])
    .await;
    let touched = touched.expect("ends").expect("goes on");
    assert!(holds(&requests[0], &BY_REPLICATION) && holds(&requests[1], &BY_OWN_RIGHTS));
    let present: Vec<String> = touched.present.expect("all ids").iter().map(String::from).collect();
    // Whoever was named is not among those who were not.
    assert_eq!((texts(&touched.changed), present), (vec![JANE_ID], vec![MAX_ID.to_owned()]));
    assert_eq!(touched.result_codes, [0, 0]);

    let (touched, _) = ask(vec![vec![end(50)], vec![end(50)]]).await;
    assert_eq!(touched.expect("answers"), Err(Lost::NotLetIn));
}

#[tokio::test]
async fn ids_that_were_not_all_read_prove_nothing() {
    let searches = |sweep| vec![vec![named(JANE), round(false, "last")], vec![end(32)], sweep];
    let (touched, _) = ask(searches(vec![named(JANE), end(4)])).await;
    assert_eq!(touched.expect_err("cut").failure, Failure::SizeLimitExceeded);
    let (touched, _) = ask(searches(vec![named(JANE)])).await;
    assert_eq!(touched.expect_err("broken off").failure, Failure::ConnectionLost);
    let (touched, _) = ask(searches(vec![named(JANE), end(0)])).await;
    assert!(touched.expect("ends").expect("goes on").present.is_some());
}

#[tokio::test]
async fn a_result_says_why_the_place_is_lost() {
    for (code, why) in [
        (12, Lost::MarkNotUnderstood),
        (2, Lost::MarkNotUnderstood),
        (3, Lost::Limit),
        (4, Lost::Limit),
        (11, Lost::Limit),
        (32, Lost::NotLetIn),
    ] {
        let (touched, _) = ask(vec![vec![end(code)]]).await;
        assert_eq!(touched.expect("answers"), Err(why), "{code}");
    }
    // It may also mean the right to replicate.
    let (touched, _) = ask(vec![vec![end(53)], vec![end(53)]]).await;
    assert_eq!(touched.expect("answers"), Err(Lost::MarkNotUnderstood));
}

#[tokio::test]
async fn a_mark_is_the_place_after_everything_or_at_least_a_number() {
    let (url, requests) = serving(vec![vec![round(true, "first")], vec![round(false, "now")]]).await;
    let mut directory = open(config_with(&url, "")).await.expect("opens");
    let mark = directory.mark().await.expect("answers").expect("a mark");
    assert_eq!((mark.kind.as_str(), mark.values[0].as_str()), ("dirsync", "cookie=bm93"));
    let requests = requests.lock().expect("nobody panics").clone();
    assert!(requests[2..].iter().all(|request| holds(request, &[0; 16])), "nobody matches");

    let (url, _) = serving(vec![vec![end(50)], vec![end(50)]]).await;
    let mut directory = open(config_with(&url, "")).await.expect("opens");
    let mark = directory.mark().await.expect("answers").expect("a mark");
    assert_eq!(
        (mark.kind.as_str(), mark.values.as_slice()),
        ("highestCommittedUSN", &["4048".to_owned()][..])
    );
}
