//! OpenLDAP's content synchronization: with a log of what was removed, without one, and after the log was lost.

use adc::directory::feed::{Feed, Subject};
use adc_tests::{Entry, Slapd};

use super::{company, gone, id, ids, mark, open, open_below, set, texts, touched};

/// Operations that the log remembers, where there is one: more than any of these tests does.
const LOG: Option<usize> = Some(100);

#[tokio::test]
async fn the_feed_is_offered_where_syncprov_is_loaded() {
    let without = Slapd::serving(&company());
    assert_eq!(Feed::of(open(&without).await.root()), Some(Feed::Timestamps));
    let with = Slapd::builder(&company()).syncprov(None).start();
    let feed = Feed::of(open(&with).await.root()).expect("it is offered");
    assert_eq!((feed.as_str(), feed.mark_kind()), ("syncrepl", mark(&with).await.kind.as_str()));
}

#[tokio::test]
async fn where_nothing_changed_nothing_is_touched() {
    for log in [None, LOG] {
        let slapd = Slapd::builder(&company()).syncprov(log).start();
        let since = mark(&slapd).await;
        let touched = touched(&slapd, &since).await;
        assert!(touched.changed.is_empty() && touched.removed.is_empty(), "{log:?}: {touched:?}");
        assert_eq!((touched.present, touched.result_codes), (None, vec![0]), "{log:?}");
    }
}

/// Does everything that can be done to an entry, and returns whom the feed has to name as changed, and whom as gone.
fn change_everything(slapd: &Slapd) -> (Vec<String>, Vec<String>) {
    let company = company();
    let max = id(slapd, "(uid=max)");
    slapd.set(&company.dn("jane"), "title", ["Head"]);
    slapd.delete(&company.dn("max"));
    slapd.add(&company.clone().ou("people").entry_of("zoe"));
    // Renamed, moved, or recreated under the name that somebody else had.
    slapd.add(&company.clone().ou("people").entry_of("ada"));
    slapd.rename("uid=ada,ou=people,dc=lg,dc=local", "uid=ava");
    slapd.add(&company.clone().ou("people").entry_of("bob"));
    slapd.move_to("uid=bob,ou=people,dc=lg,dc=local", "ou=sales,ou=people,dc=lg,dc=local");
    slapd.add(&company.clone().ou("people").entry_of("max"));
    // Came and went.
    slapd.add(&company.clone().ou("people").entry_of("eve"));
    let eve = id(slapd, "(uid=eve)");
    slapd.delete("uid=eve,ou=people,dc=lg,dc=local");
    let changed = ["jane", "zoe", "ava", "bob", "max"].map(|uid| id(slapd, &format!("(uid={uid})"))).to_vec();
    (changed, vec![max, eve])
}

#[tokio::test]
async fn a_log_names_what_changed_and_what_is_gone() {
    let slapd = Slapd::builder(&company()).syncprov(LOG).start();
    let since = mark(&slapd).await;
    let (changed, removed) = change_everything(&slapd);
    let touched = touched(&slapd, &since).await;
    assert_eq!(texts(&touched.changed), texts(changed));
    assert_eq!(texts(&touched.removed), texts(removed), "and Eve, of whom nobody heard");
    assert_eq!(touched.present, None);
}

#[tokio::test]
async fn without_a_log_it_names_what_is_there() {
    let slapd = Slapd::builder(&company()).syncprov(None).start();
    let (since, before) = (mark(&slapd).await, ids(&slapd, "(objectClass=*)"));
    let (changed, removed) = change_everything(&slapd);
    let touched = touched(&slapd, &since).await;
    assert_eq!(texts(&touched.changed), texts(changed));
    assert!(touched.removed.is_empty());
    assert_eq!(gone(&touched, &before), set([&removed[0]]), "Eve was never there");
}

#[tokio::test]
async fn a_log_that_was_too_short_is_done_without() {
    let slapd = Slapd::builder(&company()).syncprov(Some(2)).start();
    let (since, before) = (mark(&slapd).await, ids(&slapd, "(objectClass=*)"));
    let (changed, removed) = change_everything(&slapd);
    let touched = touched(&slapd, &since).await;
    assert_eq!(texts(&touched.changed), texts(changed));
    assert_eq!(gone(&touched, &before), set([&removed[0]]));
    assert!(touched.present.is_some());
}

#[tokio::test]
async fn everybody_present_is_named_in_a_tree_of_many_sets() {
    let slapd = Slapd::builder(&company().ou("crowd").crowd(1_000)).syncprov(None).start();
    let (since, before) = (mark(&slapd).await, ids(&slapd, "(objectClass=*)"));
    let leaver = id(&slapd, "(uid=user00500)");
    slapd.delete("uid=user00500,ou=crowd,dc=lg,dc=local");
    let touched = touched(&slapd, &since).await;
    assert!(touched.changed.is_empty());
    assert_eq!(gone(&touched, &before), set([&leaver]));
}

#[tokio::test]
async fn whoever_leaves_the_base_is_named_with_and_without_a_log() {
    for log in [None, LOG] {
        let slapd = Slapd::builder(&company()).syncprov(log).start();
        let since = mark(&slapd).await;
        slapd.move_to(&company().dn("jane"), "ou=archive,dc=lg,dc=local");
        let mut directory = open_below(&slapd, "ou=people,dc=lg,dc=local").await;
        let touched = directory
            .touched(Feed::Syncrepl, &since, &Subject::default())
            .await
            .expect("answers")
            .expect("goes on");
        assert_eq!(texts(&touched.changed), set([&id(&slapd, "(uid=jane)")]), "{log:?}");
    }
}

#[tokio::test]
async fn a_container_is_named_and_whoever_moves_with_it_is_not() {
    let slapd = Slapd::builder(&company()).syncprov(LOG).start();
    let since = mark(&slapd).await;
    slapd.rename("ou=people,dc=lg,dc=local", "ou=staff");
    let touched = touched(&slapd, &since).await;
    assert_eq!(texts(&touched.changed), set([&id(&slapd, "(ou=staff)")]));
}

#[tokio::test]
async fn references_that_are_rewritten_are_not_named() {
    let slapd = Slapd::builder(&company())
        .syncprov(LOG)
        .overlay("refint", ["refint_attributes member", "refint_nothing cn=nobody,dc=lg,dc=local"])
        .start();
    let since = mark(&slapd).await;
    slapd.rename(&company().dn("jane"), "uid=janet");
    let group = slapd.search("(cn=all)", &["member"]);
    assert!(group.contains("uid=janet"), "{group}");
    let touched = touched(&slapd, &since).await;
    assert_eq!(
        texts(&touched.changed),
        set([&id(&slapd, "(uid=janet)")]),
        "whoever refers to her is asked of the mirror"
    );
}

#[tokio::test]
async fn a_reference_to_another_server_outside_the_base_is_no_failure() {
    let slapd = Slapd::builder(&company()).syncprov(LOG).start();
    let since = mark(&slapd).await;
    let elsewhere = Entry::new("ou=elsewhere,dc=lg,dc=local")
        .with("objectClass", "referral")
        .with("objectClass", "extensibleObject")
        .with("ou", "elsewhere")
        .with("ref", "ldap://other.example/ou=elsewhere,dc=lg,dc=local");
    slapd.add(&elsewhere);
    let mut directory = open_below(&slapd, "ou=people,dc=lg,dc=local").await;
    let touched = directory
        .touched(Feed::Syncrepl, &since, &Subject::default())
        .await
        .expect("answers")
        .expect("goes on");
    assert_eq!(touched.changed.len(), 1);
}

#[tokio::test]
async fn a_mark_of_several_servers_goes_on_from_each() {
    for log in [None, LOG] {
        let slapd = Slapd::builder(&company()).server_id(1).syncprov(log).start();
        slapd.set(&company().dn("jane"), "title", ["Head"]);
        let (since, before) = (mark(&slapd).await, ids(&slapd, "(objectClass=*)"));
        let positions = since.values.iter().filter(|value| value.contains('#')).count();
        assert_eq!(positions, 2, "{since:?}");
        assert!(touched(&slapd, &since).await.changed.is_empty());
        let max = id(&slapd, "(uid=max)");
        slapd.delete(&company().dn("max"));
        slapd.set(&company().dn("all"), "description", ["Everybody"]);
        let touched = touched(&slapd, &since).await;
        assert_eq!(texts(&touched.changed), set([&id(&slapd, "(cn=all)")]), "{log:?}");
        assert_eq!(gone(&touched, &before), set([&max]), "{log:?}");
    }
}

#[tokio::test]
async fn a_server_that_joined_since_takes_nobodys_removal_along() {
    for log in [None, LOG] {
        let slapd = Slapd::builder(&company()).server_id(1).syncprov(log).start();
        let (since, before) = (mark(&slapd).await, ids(&slapd, "(objectClass=*)"));
        let max = id(&slapd, "(uid=max)");
        slapd.delete(&company().dn("max"));
        slapd.set(&company().dn("jane"), "title", ["Head"]);
        let touched = touched(&slapd, &since).await;
        assert!(texts(&touched.changed).contains(&id(&slapd, "(uid=jane)")), "{log:?}: {touched:?}");
        assert_eq!(gone(&touched, &before), set([&max]), "{log:?}: {touched:?}");
    }
}
