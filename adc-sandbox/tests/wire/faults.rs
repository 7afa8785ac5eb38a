use adc_sandbox::{Fault, ResultCode, sample};
use ldap3::{LdapError, Scope};
use ldap3_lber::structure::{PL, StructureTag};
use ldap3_proto::proto::{LdapMsg, LdapOp};

use crate::client::{PEOPLE, bound, connect, page, sandbox, search, search_for};
use crate::raw::{self, Raw};

#[tokio::test]
async fn the_line_drops_inside_page_3_and_only_there() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::drop_after(10).on_page(3));
    let mut ldap = bound(&sandbox).await;
    let cookie = page(&mut ldap, 50, Vec::new()).await.unwrap().2.unwrap();
    let cookie = page(&mut ldap, 50, cookie).await.unwrap().2.unwrap();
    let error = page(&mut ldap, 50, cookie).await.unwrap_err();
    assert!(
        matches!(error, LdapError::EndOfStream | LdapError::ResultRecv { .. } | LdapError::Io { .. }),
        "{error}"
    );
    assert_eq!(sandbox.journal().entries, 110, "ten entries of the third page were sent");
    assert_eq!(sandbox.faults().pending(), 0);
    assert_eq!(search(&mut bound(&sandbox).await, PEOPLE).await.0.len(), 300, "once is once");
}

#[tokio::test]
async fn what_was_sent_before_a_drop_arrives() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::drop_after(10));
    let mut raw = Raw::bound(&sandbox).await;
    raw.send(raw::people()).await;
    for _ in 0..10 {
        assert!(matches!(raw.receive().await.op, LdapOp::SearchResultEntry(_)));
    }
    assert_eq!(raw.rest().await.len(), 0, "no result, no notice");
}

#[tokio::test]
async fn a_search_ends_with_the_result_it_was_told() {
    let sandbox = sandbox().await;
    sandbox
        .faults()
        .inject(Fault::answer_after(5, ResultCode::AdminLimitExceeded, "too much of it").always());
    let mut ldap = bound(&sandbox).await;
    for _ in 0..2 {
        let (entries, result) = search(&mut ldap, PEOPLE).await;
        assert_eq!((entries.len(), result.rc, result.text.as_str()), (5, 11, "too much of it"));
    }
    let (_, result, cookie) = page(&mut ldap, 50, Vec::new()).await.unwrap();
    assert_eq!((result.rc, cookie), (11, None), "such a page has no cookie");
    sandbox.faults().clear();
    assert_eq!(search(&mut ldap, PEOPLE).await.1.rc, 0);
}

#[tokio::test]
async fn a_fault_after_more_entries_than_there_are_comes_after_the_last() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::answer_after(5, ResultCode::Busy, ""));
    let (entries, result) = search(&mut bound(&sandbox).await, "(uid=zoe.mueller)").await;
    assert_eq!((entries.len(), result.rc), (1, 51));
}

#[tokio::test]
async fn a_fault_waits_for_the_search_it_is_meant_for() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::answer_after(0, ResultCode::Busy, "").mentioning("GROUPofnames"));
    let mut ldap = bound(&sandbox).await;
    assert_eq!(search(&mut ldap, PEOPLE).await.1.rc, 0);
    assert_eq!(sandbox.faults().pending(), 1);
    assert_eq!(search(&mut ldap, "(|(objectClass=groupOfNames)(cn=x))").await.1.rc, 51);
    assert_eq!(sandbox.faults().pending(), 0);
}

#[tokio::test]
async fn a_stalled_search_never_ends_while_its_connection_lives() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::stall_after(2));
    let mut raw = Raw::bound(&sandbox).await;
    let search = raw.send(raw::people()).await;
    for _ in 0..2 {
        assert_eq!(raw.receive().await.msgid, search);
    }
    let other = raw.send(raw::who_am_i()).await;
    assert_eq!(raw.receive().await.msgid, other, "no third entry and no result before it");
    raw.send(LdapOp::UnbindRequest).await;
    assert_eq!(raw.rest().await.len(), 0);
}

#[tokio::test]
async fn a_referral_comes_among_the_entries() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::refer_after(3, "ldap://elsewhere.example.com/dc=elsewhere"));
    let mut raw = Raw::bound(&sandbox).await;
    raw.send(raw::people()).await;
    let mut references = Vec::new();
    for position in 0.. {
        match raw.receive().await.op {
            LdapOp::SearchResultReference(reference) => references.push((position, reference.uris)),
            LdapOp::SearchResultDone(result) => {
                assert_eq!((position, result.code), (301, ResultCode::Success));
                break;
            }
            _ => {}
        }
    }
    assert_eq!(references, [(3, vec!["ldap://elsewhere.example.com/dc=elsewhere".to_owned()])]);
}

#[tokio::test]
async fn paging_can_be_ignored_silently() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::ignore_paging().always());
    let mut ldap = bound(&sandbox).await;
    let (entries, result, cookie) = page(&mut ldap, 50, Vec::new()).await.unwrap();
    assert_eq!((entries.len(), result.rc, cookie), (300, 0, None));
}

#[tokio::test]
async fn a_hidden_subtree_looks_deleted() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let hidden = "OU=engineering,ou=People,dc=example,dc=com";
    sandbox.faults().inject(Fault::hide(hidden).always());
    assert_eq!(search(&mut ldap, PEOPLE).await.0.len(), 300 - 78);
    let (_, result) = search_for(&mut ldap, sample::ZOE, Scope::Base, PEOPLE, &[]).await;
    assert_eq!((result.rc, result.matched.as_str()), (32, "ou=People,dc=example,dc=com"));
    assert!(sandbox.directory().get(sample::ZOE).is_some());
    sandbox.faults().clear();
    assert_eq!(search(&mut ldap, PEOPLE).await.0.len(), 300);
}

#[tokio::test]
async fn a_cut_entry_is_never_whole() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::cut_entry(2).mentioning("inetOrgPerson"));
    sandbox.faults().inject(Fault::answer_after(2, ResultCode::Success, ""));
    let mut raw = Raw::bound(&sandbox).await;
    raw.send(raw::people()).await;
    assert!(matches!(raw.receive().await.op, LdapOp::SearchResultEntry(_)));
    raw.send(LdapOp::UnbindRequest).await;
    let rest = raw.rest().await;
    let claimed = usize::from(u16::from_be_bytes([rest[2], rest[3]])) + 4;
    assert_eq!(rest[..2], [0x30, 0x82], "the start of a message with a length of two bytes");
    assert!(claimed > rest.len(), "{claimed} bytes were promised, {} came with all that follows", rest.len());
}

#[tokio::test]
async fn a_garbled_entry_is_whole_but_malformed() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::garble_entry(2));
    let mut raw = Raw::bound(&sandbox).await;
    raw.send(raw::people()).await;
    let mut malformed = Vec::new();
    for number in 1..=301 {
        if LdapMsg::try_from(raw.receive_tag().await).is_err() {
            malformed.push(number);
        }
    }
    assert_eq!(malformed, [2], "what follows it is well-formed again");
}

#[tokio::test]
async fn a_dn_or_a_value_can_be_no_text() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::dn_not_utf8(1));
    sandbox.faults().inject(Fault::value_not_utf8(2, "MAIL"));
    let mut raw = Raw::bound(&sandbox).await;
    raw.send(raw::people()).await;

    let dn = octets(&child(&child(&raw.receive_tag().await, 1), 0));
    assert!(std::str::from_utf8(&dn).is_err(), "{dn:?}");
    assert!(dn.starts_with(b"uid="), "a DN all the same");

    let LdapOp::SearchResultEntry(entry) = raw.receive().await.op else { panic!("no entry") };
    let broken = entry.attributes.iter().filter(|a| a.vals.iter().any(|v| std::str::from_utf8(v).is_err()));
    assert_eq!(broken.map(|attribute| attribute.atype.as_str()).collect::<Vec<_>>(), ["mail"]);

    let LdapOp::SearchResultEntry(entry) = raw.receive().await.op else { panic!("no entry") };
    assert!(entry.attributes.iter().flat_map(|a| &a.vals).all(|v| std::str::from_utf8(v).is_ok()));
}

#[tokio::test]
async fn a_bind_can_be_refused_whatever_its_password() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::refuse_bind(ResultCode::Unavailable, "in maintenance"));
    let mut ldap = connect(&sandbox).await;
    let refused = ldap.simple_bind(sample::READONLY_DN, sample::READONLY_PASSWORD).await.unwrap();
    assert_eq!((refused.rc, refused.text.as_str()), (52, "in maintenance"));
    bound(&sandbox).await;
}

#[tokio::test]
async fn a_bind_can_stay_without_an_answer() {
    let sandbox = sandbox().await;
    sandbox.faults().inject(Fault::stall_bind());
    let mut raw = Raw::connect(&sandbox).await;
    raw.send(raw::bind(sample::READONLY_DN, sample::READONLY_PASSWORD)).await;
    let other = raw.send(raw::who_am_i()).await;
    assert_eq!(raw.receive().await.msgid, other);
    assert_eq!(sandbox.journal().binds, 1);
}

fn child(tag: &StructureTag, position: usize) -> StructureTag {
    let PL::C(parts) = &tag.payload else { panic!("a primitive has no parts") };
    parts[position].clone()
}

fn octets(tag: &StructureTag) -> Vec<u8> {
    let PL::P(octets) = &tag.payload else { panic!("a constructed value has no octets") };
    octets.clone()
}
