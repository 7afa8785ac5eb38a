use adc_sandbox::{Operation, ResultCode, sample};

use crate::client::{bound, page, sandbox, search};

#[tokio::test]
async fn the_journal_tells_what_a_client_did() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    search(&mut ldap, "(uid=zoe.mueller)").await;
    let cookie = page(&mut ldap, 20, Vec::new()).await.unwrap().2.unwrap();
    page(&mut ldap, 20, cookie).await.unwrap();
    ldap.unbind().await.unwrap();
    sandbox.until(|journal| journal.log.contains(&Operation::Unbind)).await;

    let journal = sandbox.journal();
    assert_eq!((journal.connections, journal.binds, journal.searches), (1, 1, 2));
    assert_eq!((journal.pages, journal.entries), (3, 41));
    let bind = Operation::Bind { dn: sample::READONLY_DN.to_owned(), answer: Some(ResultCode::Success) };
    let searched = |filter: &str, attributes: &[&str], page| Operation::Search {
        base: sample::BASE_DN.to_owned(),
        filter: filter.to_owned(),
        attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        page,
    };
    assert_eq!(
        Vec::from(journal.log),
        [
            bind,
            searched("(uid=zoe.mueller)", &[], 1),
            searched("(objectClass=inetOrgPerson)", &["uid"], 1),
            searched("(objectClass=inetOrgPerson)", &["uid"], 2),
            Operation::Unbind,
        ]
    );
}
