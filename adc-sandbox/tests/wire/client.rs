//! What tests say to the server, through the `ldap3` crate.

use adc_sandbox::{Sandbox, sample};
use ldap3::controls::{Control, ControlType, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapError, LdapResult, Scope, SearchEntry, SearchResult};

/// The sample company, served.
pub(crate) async fn sandbox() -> Sandbox {
    Sandbox::builder().start().await.expect("the loopback has a free port")
}

/// A connection that nobody is bound to.
pub(crate) async fn connect(sandbox: &Sandbox) -> Ldap {
    let (connection, ldap) = LdapConnAsync::new(&sandbox.url()).await.expect("the server listens");
    ldap3::drive!(connection);
    ldap
}

/// A connection of the bind account.
pub(crate) async fn bound(sandbox: &Sandbox) -> Ldap {
    let mut ldap = connect(sandbox).await;
    let bind = ldap.simple_bind(sample::READONLY_DN, sample::READONLY_PASSWORD).await.expect("an answer");
    assert_eq!(bind.rc, 0, "{bind}");
    ldap
}

/// What a search of the whole directory finds.
pub(crate) async fn search(ldap: &mut Ldap, filter: &str) -> (Vec<SearchEntry>, LdapResult) {
    search_for(ldap, sample::BASE_DN, Scope::Subtree, filter, &[]).await
}

pub(crate) async fn search_for(
    ldap: &mut Ldap,
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[&str],
) -> (Vec<SearchEntry>, LdapResult) {
    let SearchResult(entries, result) =
        ldap.search(base, scope, filter, attributes).await.expect("an answer");
    (entries.into_iter().map(SearchEntry::construct).collect(), result)
}

/// One page of all people; the cookie is empty on the last one, and missing where the server did not page.
pub(crate) async fn page(
    ldap: &mut Ldap,
    size: i32,
    cookie: Vec<u8>,
) -> Result<(Vec<SearchEntry>, LdapResult, Option<Vec<u8>>), LdapError> {
    let control: RawControl = PagedResults { size, cookie }.into();
    ldap.with_controls(vec![control]);
    let SearchResult(entries, result) =
        ldap.search(sample::BASE_DN, Scope::Subtree, PEOPLE, vec!["uid"]).await?;
    let cookie = result.ctrls.iter().find_map(|control| match control {
        Control(Some(ControlType::PagedResults), raw) => Some(raw.parse::<PagedResults>().cookie),
        _ => None,
    });
    Ok((entries.into_iter().map(SearchEntry::construct).collect(), result, cookie))
}

pub(crate) const PEOPLE: &str = "(objectClass=inetOrgPerson)";

/// The DNs of entries, as the server spells them.
pub(crate) fn dns(entries: &[SearchEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.dn.as_str()).collect()
}
