//! A feed that cannot go on says so: everything is read then, rather than anybody missed.

use adc::directory::feed::{Feed, Lost, Subject};
use adc_core::protocol::Mark;
use adc_tests::Slapd;

use super::{company, id, ids, lost, mark, open, open_below, set, texts, touched};

/// A mark that this server could have left, with another position.
async fn with_position(slapd: &Slapd, position: &str) -> Mark {
    let mut mark = mark(slapd).await;
    mark.values.retain(|value| value.starts_with("started="));
    assert_eq!(mark.values.len(), 1, "the server shows when it was started");
    mark.values.push(position.to_owned());
    mark
}

/// Starts it again until it can be seen: it tells its age in seconds.
async fn restart(slapd: &mut Slapd, before: &Mark) {
    let start = |mark: &Mark| mark.values.iter().find(|value| value.starts_with("started=")).cloned();
    loop {
        slapd.restart();
        if start(&mark(slapd).await) != start(before) {
            return;
        }
    }
}

#[tokio::test]
async fn a_mark_newer_than_the_server_is_not_understood() {
    let slapd = Slapd::builder(&company()).syncprov(Some(100)).start();
    let newer = with_position(&slapd, "20990101000000.000000Z#000000#000#000000").await;
    assert_eq!(lost(&slapd, &newer).await, Lost::MarkNotUnderstood);
}

#[tokio::test]
async fn a_mark_that_is_none_had_slapd_call_everybody_new_and_nobody_gone() {
    let slapd = Slapd::builder(&company()).syncprov(Some(100)).start();
    slapd.delete(&company().dn("max"));
    for garbage in ["", "yesterday", "20990101000000Z", "20261301000000.000000Z#000000#000#000000"] {
        let mark = with_position(&slapd, garbage).await;
        assert_eq!(lost(&slapd, &mark).await, Lost::MarkNotUnderstood, "{garbage}");
    }
    let of_another_kind = Mark { kind: "highestCommittedUSN".to_owned(), values: vec!["17".to_owned()] };
    assert_eq!(lost(&slapd, &of_another_kind).await, Lost::MarkNotUnderstood);
}

#[tokio::test]
async fn a_mark_older_than_everybody_names_everybody_unless_the_server_would_rather_not() {
    let older = "20000101000000.000000Z#000000#000#000000";
    let sends_all = Slapd::builder(&company()).syncprov(None).start();
    let since = with_position(&sends_all, older).await;
    let touched = touched(&sends_all, &since).await;
    assert_eq!(texts(&touched.changed), ids(&sends_all, "(objectClass=*)"));
    assert!(touched.present.is_some_and(|present| present.is_empty()), "whoever is not named is gone");

    let says_so = Slapd::builder(&company()).overlay("syncprov", ["syncprov-reloadhint TRUE"]).start();
    let since = with_position(&says_so, older).await;
    assert_eq!(lost(&says_so, &since).await, Lost::RefreshRequired);
}

#[tokio::test]
async fn a_mark_from_before_the_feed_was_offered_is_of_no_use() {
    // Without syncprov nobody writes down that something was removed.
    let without = Slapd::serving(&company());
    let mark = open(&without).await.mark().await.expect("answers").expect("slapadd left a mark");
    assert!(mark.values.iter().all(|value| value.contains('#')), "{mark:?}");
    let with = Slapd::builder(&company()).syncprov(Some(100)).start();
    assert_eq!(lost(&with, &mark).await, Lost::MarkNotUnderstood);
}

#[tokio::test]
async fn a_crash_took_a_removal_out_of_the_feed_for_ever() {
    let mut slapd = Slapd::builder(&company()).syncprov(Some(100)).start();
    let since = mark(&slapd).await;
    slapd.delete(&company().dn("max"));
    restart(&mut slapd, &since).await;
    assert_eq!(lost(&slapd, &since).await, Lost::Restarted, "it calls that nothing changed");
    slapd.set(&company().dn("jane"), "title", ["Head"]);
    assert_eq!(lost(&slapd, &since).await, Lost::Restarted, "it names her, and says that this was all");
}

#[tokio::test]
async fn a_server_that_hides_its_age_is_not_followed() {
    let mut slapd = Slapd::builder(&company()).syncprov(Some(100)).start();
    let since = mark(&slapd).await;
    slapd.stop();
    slapd.restart_with_global_access("to dn.base=\"cn=Subschema\" by * none");
    assert!(mark(&slapd).await.values.iter().all(|value| value.contains('#')));
    assert_eq!(lost(&slapd, &since).await, Lost::NotAllowed);
}

#[tokio::test]
async fn a_limit_cuts_a_feed_that_has_something_to_say() {
    let limited = "cn=readonly,dc=lg,dc=local";
    let slapd =
        Slapd::builder(&company()).syncprov(Some(100)).limit(limited, "size.soft=1 size.hard=1").start();
    let since = mark(&slapd).await;
    assert!(touched(&slapd, &since).await.changed.is_empty(), "nothing to say yet");
    slapd.set(&company().dn("jane"), "title", ["Head"]);
    slapd.set(&company().dn("max"), "title", ["Hand"]);
    assert_eq!(lost(&slapd, &since).await, Lost::Limit);
}

#[tokio::test]
async fn a_change_that_the_bind_account_may_not_search_for_was_missed() {
    let mut slapd = Slapd::builder(&company()).syncprov(Some(100)).start();
    slapd.stop();
    slapd.restart_with_access("to attrs=entryCSN by * none");
    let since = mark(&slapd).await;
    slapd.set(&company().dn("jane"), "title", ["Head"]);
    assert_eq!(lost(&slapd, &since).await, Lost::NotAllowed);
}

#[tokio::test]
async fn a_root_that_was_hidden_since_leaves_the_base() {
    let mut slapd = Slapd::builder(&company()).syncprov(None).start();
    let (mut since, jane) = (mark(&slapd).await, id(&slapd, "(uid=jane)"));
    slapd.set(&company().dn("jane"), "title", ["Head"]);
    slapd.stop();
    slapd.restart_with_access("to dn.base=\"dc=lg,dc=local\" by * none");
    let mut directory = open_below(&slapd, "ou=people,dc=lg,dc=local").await;
    // As if the right had been taken away without a restart.
    let schema = directory.entry("cn=Subschema", &["createTimestamp".to_owned()]).await.expect("answers");
    since.values.retain(|value| !value.starts_with("started="));
    since
        .values
        .push(format!("started={}", schema.expect("is there").text("createTimestamp").expect("is shown")));
    let touched = directory
        .touched(Feed::Syncrepl, &since, &Subject::default())
        .await
        .expect("answers")
        .expect("goes on");
    assert_eq!(texts(&touched.changed), set([&jane]));
}

#[tokio::test]
async fn an_answer_that_breaks_off_proves_nothing() {
    let mut slapd = Slapd::builder(&company()).syncprov(Some(100)).start();
    let since = mark(&slapd).await;
    let mut directory = open_below(&slapd, slapd.suffix()).await;
    slapd.kill();
    let error = directory.touched(Feed::Syncrepl, &since, &Subject::default()).await.expect_err("must fail");
    assert_eq!(error.failure.code(), "directory-connection-lost", "{error}");
}
