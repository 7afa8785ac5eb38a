use adc_sandbox::{Behaviour, sample};
use ldap3::controls::{CriticalControl, MakeCritical, PagedResults, RawControl};
use ldap3::{Scope, SearchOptions};

use crate::client::{PEOPLE, bound, page, sandbox, search, search_for};

#[tokio::test]
async fn pages_bring_everybody_once() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let (mut cookie, mut sizes, mut found) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let (entries, result, next) = page(&mut ldap, 70, cookie).await.unwrap();
        assert_eq!(result.rc, 0);
        sizes.push(entries.len());
        found.extend(entries.into_iter().map(|entry| entry.dn));
        cookie = next.expect("every page carries the control");
        if cookie.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [70, 70, 70, 70, 20]);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), sample::PEOPLE);
}

#[tokio::test]
async fn the_last_full_page_says_that_it_is_the_last() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let (entries, _, cookie) = page(&mut ldap, 300, Vec::new()).await.unwrap();
    assert_eq!((entries.len(), cookie), (300, Some(Vec::new())));
}

#[tokio::test]
async fn a_cookie_is_worth_nothing_on_another_connection() {
    let sandbox = sandbox().await;
    let (mut one, mut other) = (bound(&sandbox).await, bound(&sandbox).await);
    let (_, _, cookie) = page(&mut one, 10, Vec::new()).await.unwrap();
    let cookie = cookie.unwrap();
    let (entries, result, _) = page(&mut other, 10, cookie.clone()).await.unwrap();
    assert_eq!((entries.len(), result.rc), (0, 53));
    assert_eq!(page(&mut one, 10, cookie.clone()).await.unwrap().0.len(), 10);
    assert_eq!(page(&mut one, 10, cookie).await.unwrap().1.rc, 53, "and is used once");
}

#[tokio::test]
async fn a_cookie_is_worth_nothing_for_another_search_or_after_another_bind() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let cookie = page(&mut ldap, 10, Vec::new()).await.unwrap().2.unwrap();
    let control: RawControl = PagedResults { size: 10, cookie }.into();
    ldap.with_controls(vec![control]);
    assert_eq!(search(&mut ldap, "(objectClass=groupOfNames)").await.1.rc, 53);

    let cookie = page(&mut ldap, 10, Vec::new()).await.unwrap().2.unwrap();
    ldap.simple_bind(sample::READONLY_DN, sample::READONLY_PASSWORD).await.unwrap();
    assert_eq!(page(&mut ldap, 10, cookie).await.unwrap().1.rc, 53);
}

#[tokio::test]
async fn a_page_of_nothing_gives_the_sequence_up() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let cookie = page(&mut ldap, 10, Vec::new()).await.unwrap().2.unwrap();
    let (entries, result, next) = page(&mut ldap, 0, cookie.clone()).await.unwrap();
    assert_eq!((entries.len(), result.rc, next), (0, 0, Some(Vec::new())));
    assert_eq!(page(&mut ldap, 10, cookie).await.unwrap().1.rc, 53);
}

#[tokio::test]
async fn a_page_as_long_as_the_size_limit_is_no_page() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    ldap.with_search_options(SearchOptions::new().sizelimit(10));
    let (entries, result, cookie) = page(&mut ldap, 10, Vec::new()).await.unwrap();
    assert_eq!((entries.len(), result.rc, cookie), (10, 4, None));
}

#[tokio::test]
async fn pages_see_what_changed_since_the_first_one() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let cookie = page(&mut ldap, 299, Vec::new()).await.unwrap().2.unwrap();
    let last = sandbox
        .directory()
        .entries()
        .filter(|entry| entry.attributes().has("mail"))
        .last()
        .unwrap()
        .dn()
        .to_owned();
    sandbox.directory().delete(&last).unwrap();
    let (entries, _, cookie) = page(&mut ldap, 299, cookie).await.unwrap();
    assert_eq!((entries.len(), cookie), (0, Some(Vec::new())));
}

#[tokio::test]
async fn a_server_without_paging_says_so() {
    let sandbox = sandbox().await;
    let mut without = Behaviour::default();
    without.paged_results = false;
    sandbox.set_behaviour(without);
    let mut ldap = bound(&sandbox).await;

    let (root, _) = search_for(&mut ldap, "", Scope::Base, "(objectClass=*)", &["supportedControl"]).await;
    assert!(!root[0].attrs.contains_key("supportedControl"));
    let (entries, result, cookie) = page(&mut ldap, 10, Vec::new()).await.unwrap();
    assert_eq!((entries.len(), result.rc, cookie), (300, 0, None), "ignored when it may be");

    let critical: CriticalControl<PagedResults> = PagedResults { size: 10, cookie: Vec::new() }.critical();
    let critical: RawControl = critical.into();
    ldap.with_controls(vec![critical]);
    assert_eq!(search(&mut ldap, PEOPLE).await.1.rc, 12, "refused when it may not");
}
