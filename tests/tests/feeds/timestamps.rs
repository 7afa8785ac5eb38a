//! Directories that do not say what changed: the times of last changes compared, and what is concluded when that fails.

use adc::config::Scope;
use adc::directory::feed::{Feed, Lost, Snapshot, Subject, Touched};
use adc::directory::{DirectoryError, Query};
use adc_core::protocol::Mark;
use adc_core::record::Kind;
use adc_tests::Slapd;

use super::racing::Race;
use super::{company, id, ids, open, set, texts};

/// Everything there is, of which nothing but the time is asked for.
fn everybody() -> Subject {
    let query = Query {
        kind: Kind::User,
        base: "dc=lg,dc=local".to_owned(),
        scope: Scope::Sub,
        filter: "(objectClass=*)".parse().expect("parses"),
        attributes: Vec::new(),
        unlisted: None,
    };
    Subject { queries: vec![query], ..Subject::default() }
}

async fn ask(slapd: &Slapd, since: &Mark) -> Result<Result<Touched, Lost>, DirectoryError> {
    open(slapd).await.touched(Feed::Timestamps, since, &everybody()).await
}

async fn touched(slapd: &Slapd, since: &Mark) -> Touched {
    ask(slapd, since).await.expect("answers").expect("goes on")
}

/// Where it stands: since there was nobody, everybody came.
async fn place(slapd: &Slapd) -> Mark {
    let nobody = Snapshot::new(Subject::default().id, adc::clock::now()).mark().expect("a mark");
    touched(slapd, &nobody).await.mark.expect("a mark")
}

fn without_numbers() -> Slapd {
    let mut slapd = Slapd::serving(&company());
    slapd.restart_with_access("to attrs=entryCSN by * none");
    slapd
}

#[tokio::test]
async fn whoever_came_went_changed_or_moved_is_named() {
    let slapd = Slapd::serving(&company());
    let (since, max) = (place(&slapd).await, id(&slapd, "(uid=max)"));
    let nothing = touched(&slapd, &since).await;
    assert!(nothing.changed.is_empty() && nothing.mark == Some(since.clone()), "{nothing:?}");
    slapd.set(&company().dn("jane"), "title", ["Head"]);
    slapd.delete(&company().dn("max"));
    slapd.add(&company().ou("people").entry_of("zoe"));
    slapd.rename("ou=archive,dc=lg,dc=local", "ou=attic");
    let [jane, zoe, attic] = ["(uid=jane)", "(uid=zoe)", "(ou=attic)"].map(|filter| id(&slapd, filter));
    let touched = touched(&slapd, &since).await;
    assert_eq!(texts(&touched.changed), set([&jane, &max, &zoe, &attic]));
    assert_eq!(texts(&touched.tombstones), set([&max]));
    assert_eq!((touched.removed.len(), touched.present, touched.strangers), (0, None, true));
}

#[tokio::test]
async fn whoever_lies_beneath_what_was_renamed_is_named_too() {
    let slapd = Slapd::serving(&company());
    let since = place(&slapd).await;
    slapd.rename("ou=people,dc=lg,dc=local", "ou=staff");
    let beneath = ids(&slapd, "(|(uid=*)(ou=staff)(ou=sales))");
    assert_eq!(texts(&touched(&slapd, &since).await.changed), beneath);
}

#[tokio::test]
async fn a_right_that_was_taken_is_a_removal_to_be_looked_up_and_one_given_back_an_addition() {
    let mut slapd = Slapd::serving(&company());
    let (seen, people) = (place(&slapd).await, ids(&slapd, "(|(uid=*)(ou=sales)(ou=people))"));
    slapd.restart_with_access(
        "to dn.subtree=\"ou=people,dc=lg,dc=local\" by dn.exact=\"cn=readonly,dc=lg,dc=local\" none by * read",
    );
    let hidden = touched(&slapd, &seen).await;
    assert_eq!((texts(&hidden.changed), texts(&hidden.tombstones)), (people.clone(), people.clone()));
    slapd.restart_with_access(
        "to dn.subtree=\"ou=people,dc=lg,dc=local\" by dn.exact=\"cn=readonly,dc=lg,dc=local\" read by * read",
    );
    let shown = touched(&slapd, &hidden.mark.expect("a mark")).await;
    assert_eq!((texts(&shown.changed), shown.tombstones.len()), (people, 0));
}

#[tokio::test]
async fn times_that_are_hidden_between_two_runs_are_missed_at_once() {
    let mut slapd = Slapd::serving(&company());
    let since = place(&slapd).await;
    slapd.restart_with_access(
        "to dn.exact=\"cn=all,ou=groups,dc=lg,dc=local\" attrs=modifyTimestamp by * none",
    );
    assert_eq!(ask(&slapd, &since).await, Ok(Err(Lost::NoTimes)));
    assert_eq!(
        open(&slapd).await.mark().await.map(|mark| mark.map(|mark| mark.kind)),
        Ok(Some("contextCSN".to_owned()))
    );
}

#[tokio::test]
async fn a_mark_that_is_none_is_not_understood() {
    let slapd = Slapd::serving(&company());
    let since = place(&slapd).await;
    for spoiled in [
        Mark { kind: "contextCSN".to_owned(), ..since.clone() },
        Mark { values: Vec::new(), ..since.clone() },
        Mark {
            values: since.values.iter().map(|value| value[..value.len() / 2].to_owned()).collect(),
            ..since
        },
    ] {
        assert_eq!(ask(&slapd, &spoiled).await, Ok(Err(Lost::MarkNotUnderstood)), "{spoiled:?}");
    }
}

#[tokio::test]
async fn of_another_directory_nobody_who_was_changed_last_is_shown() {
    let (slapd, other) = (Slapd::serving(&company()), Slapd::serving(&company()));
    let mark = place(&other).await;
    assert_eq!(ask(&slapd, &mark).await, Ok(Err(Lost::OutOfSight)));
}

#[tokio::test]
async fn a_directory_that_was_put_back_was_taken_for_the_present() {
    for mut slapd in [Slapd::serving(&company()), without_numbers()] {
        let backup = slapd.back_up();
        // In another second than the one in which everything was loaded.
        let loaded = slapd.search("(uid=jane)", &["modifyTimestamp"]);
        while slapd.search("(uid=jane)", &["modifyTimestamp"]) == loaded {
            slapd.set(&company().dn("jane"), "title", ["Head"]);
        }
        let since = place(&slapd).await;
        slapd.put_back(&backup);
        slapd.set(&company().dn("max"), "title", ["Later than anything before"]);
        assert_eq!(ask(&slapd, &since).await, Ok(Err(Lost::WentBack)));
    }
}

#[tokio::test]
async fn a_comparison_that_was_cut_off_proves_nothing() {
    let limited = "cn=readonly,dc=lg,dc=local";
    let mut slapd = Slapd::serving(&company());
    let since = place(&slapd).await;
    let short = Slapd::builder(&company()).limit(limited, "size.soft=3 size.hard=3").start();
    let error = ask(&short, &since).await.expect_err("must fail");
    assert_eq!(error.failure.code(), "size-limit-exceeded", "{error}");
    let mut directory = open(&slapd).await;
    slapd.kill();
    let error = directory.touched(Feed::Timestamps, &since, &everybody()).await.expect_err("must fail");
    assert_eq!(error.failure.code(), "directory-connection-lost", "{error}");
}

#[tokio::test]
async fn whoever_changes_while_times_are_compared_is_in_the_next_comparison() {
    // Where changes are not numbered, each comparison waits for a second to pass.
    for (slapd, numbered, at_least) in [(Slapd::serving(&company()), true, 3), (without_numbers(), false, 2)]
    {
        let mut since = place(&slapd).await;
        let mut race = Race::begin(&slapd);
        while race.goes_on() {
            match ask(&slapd, &since).await.expect("answers") {
                Ok(touched) => {
                    since = touched.mark.expect("a mark");
                    race.read(&texts(&touched.tombstones), &texts(&touched.changed));
                }
                Err(Lost::TooMuch) => {
                    since = place(&slapd).await;
                    race.read_all();
                }
                // All who were changed last left in that very second, in which nobody else was changed later, as far as times tell.
                Err(Lost::OutOfSight) if !numbered => {
                    since = place(&slapd).await;
                    race.read_all();
                }
                Err(lost) => panic!("{lost}"),
            }
        }
        race.is_seen_as_it_is(at_least);
    }
}
