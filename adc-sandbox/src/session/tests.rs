use ldap3_proto::proto::LdapSearchScope;

use super::*;
use crate::directory::Directory;
use crate::filter::Filter;
use crate::root_dse::START_TLS;
use crate::sample;
use crate::server::Behaviour;
use crate::wire::Search;

fn session() -> Session {
    let behaviour = Behaviour { anonymous_search: true, ..Behaviour::default() };
    Session::new(Arc::new(Shared::new(Directory::sample(), behaviour)), true)
}

fn search(id: i32) -> Request {
    let search = Search {
        base: sample::BASE_DN.to_owned(),
        scope: LdapSearchScope::Subtree,
        size_limit: 0,
        types_only: false,
        filter: Filter::Present("objectClass".to_owned()),
        attributes: Vec::new(),
    };
    Request { id, operation: Operation::Search(search), controls: Vec::new() }
}

fn other(id: i32, operation: LdapOp) -> Request {
    Request { id, operation: Operation::Other(operation), controls: Vec::new() }
}

fn start_tls(id: i32) -> Request {
    let request = ldap3_proto::proto::LdapExtendedRequest { name: START_TLS.to_owned(), value: None };
    other(id, LdapOp::ExtendedRequest(request))
}

#[test]
fn an_abandoned_search_ends_without_a_result() {
    let mut session = session();
    session.receive(search(1));
    session.receive(search(2));
    assert!(matches!(session.next(), Some(Step::SendEntry(_))));
    session.receive(other(3, LdapOp::AbandonRequest(1)));
    let rest = std::iter::from_fn(|| session.next()).count();
    assert_eq!(rest, 300 + 30 + 29 + 2 + 1, "the other search is whole, with its result");
}

#[test]
fn start_tls_waits_for_no_search() {
    let mut session = session();
    session.receive(search(1));
    session.receive(start_tls(2));
    assert!(!std::iter::from_fn(|| session.next()).any(|step| matches!(step, Step::StartTls)));
    session.receive(start_tls(3));
    assert!(matches!(session.next(), Some(Step::Send(_))), "its answer is the last word in plain text");
    assert!(matches!(session.next(), Some(Step::StartTls)));
    session.secured();
    session.receive(start_tls(4));
    assert!(
        !std::iter::from_fn(|| session.next()).any(|step| matches!(step, Step::StartTls)),
        "once is enough"
    );
}
