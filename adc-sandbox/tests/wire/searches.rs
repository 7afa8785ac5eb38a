use adc_sandbox::{Attributes, ResultCode, sample};
use ldap3::controls::RawControl;
use ldap3::{Scope, SearchOptions};
use ldap3_proto::proto::{
    LdapAddRequest, LdapCompareRequest, LdapModifyDNRequest, LdapModifyRequest, LdapOp,
};

use crate::client::{PEOPLE, bound, connect, dns, sandbox, search, search_for};
use crate::raw::Raw;

const PEOPLE_OU: &str = "ou=People,dc=example,dc=com";

#[tokio::test]
async fn scopes_reach_as_far_as_they_say() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let base = search_for(&mut ldap, PEOPLE_OU, Scope::Base, "(objectClass=*)", &["1.1"]).await.0;
    assert_eq!(dns(&base), [PEOPLE_OU]);
    let one = search_for(&mut ldap, PEOPLE_OU, Scope::OneLevel, "(objectClass=*)", &["1.1"]).await.0;
    assert_eq!(one.len(), 10, "the departments: {:?}", dns(&one));
    let below = "OU=Engineering , ou=people,DC=example,dc=com";
    let sub = search_for(&mut ldap, below, Scope::Subtree, PEOPLE, &["1.1"]).await.0;
    assert_eq!(sub.len(), 78);
    assert_eq!(search(&mut ldap, PEOPLE).await.0.len(), sample::PEOPLE);
}

#[tokio::test]
async fn names_come_back_as_stored() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let base = r"CN=Doe\2C jane,ou=contractors,ou=people,dc=example,dc=com";
    let (entries, _) = search_for(&mut ldap, base, Scope::Base, "(objectClass=*)", &["entryDN"]).await;
    assert_eq!(dns(&entries), [sample::JANE_DOE]);
    assert_eq!(entries[0].attrs["entryDN"], [sample::JANE_DOE]);
}

#[tokio::test]
async fn filters_of_every_kind_find_whom_they_should() {
    let sandbox = sandbox().await;
    sandbox.directory().set(sample::ZOE, "objectGUID", [[0xFF, 0x00, 0x2A]]).unwrap();
    sandbox.directory().set(sample::ZOE, "userAccountControl", ["514"]).unwrap();
    let mut ldap = bound(&sandbox).await;
    let mut count = async |filter: &str| {
        let (entries, result) = search(&mut ldap, filter).await;
        assert_eq!(result.rc, 0, "{filter}: {result}");
        entries.len()
    };
    assert_eq!(count("(uid=ZOE.mueller)").await, 1);
    assert_eq!(count("(cn=李娜)").await, 1);
    assert_eq!(count("(cn=zo*m*ller)").await, 1);
    assert_eq!(count("(sn=O'Brien)").await, 2);
    assert_eq!(count(r"(objectGUID=\ff\00\2a)").await, 1, "a value that is no text");
    assert_eq!(count(&format!("(&{PEOPLE}(!(mail=*)))")).await, 1);
    assert_eq!(count("(|(uid=zoe.mueller)(uid=lukasz.wojcik))").await, 2);
    assert_eq!(count("(&)").await, 300 + 30 + 29 + 2, "absolute true");
    assert_eq!(count(r"(&(objectClass=inetOrgPerson)(ou:dn:=Engineering))").await, 78);
    assert_eq!(count("(userAccountControl:1.2.840.113556.1.4.803:=2)").await, 1);
    assert_eq!(count("(userAccountControl:1.2.840.113556.1.4.803:=4)").await, 0);
    assert_eq!(count("(employeeNumber>=E00300)").await, 1);
    assert_eq!(count("(employeeNumber<=E00001)").await, 1);
    assert_eq!(count("(uid~=zoe.mueller)").await, 1);
    let as_named = format!("(&(cn=administrators)(member={}))", sample::ZOE);
    assert_eq!(count(&as_named).await, 1, "though the group spells her name otherwise");
}

#[tokio::test]
async fn only_what_was_asked_for_is_returned() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let mut returned = async |attributes: &[&str]| {
        let (entries, _) =
            search_for(&mut ldap, sample::ZOE, Scope::Base, "(objectClass=*)", attributes).await;
        let mut names: Vec<String> = entries[0].attrs.keys().cloned().collect();
        names.sort();
        names
    };
    let operational =
        ["createTimestamp", "entryCSN", "entryDN", "entryUUID", "modifyTimestamp", "uSNChanged"];
    assert_eq!(returned(&["MAIL", "Uid", "noSuchThing"]).await, ["mail", "uid"]);
    assert_eq!(returned(&["1.1"]).await, [""; 0]);
    assert_eq!(returned(&["+"]).await, operational);
    assert_eq!(returned(&["entryUUID", "uid"]).await, ["entryUUID", "uid"]);
    let all_user = returned(&[]).await;
    assert_eq!(returned(&["*"]).await, all_user);
    assert!(all_user.contains(&"telephoneNumber".to_owned()) && !all_user.contains(&"entryUUID".to_owned()));
    assert_eq!(returned(&["*", "+"]).await.len(), all_user.len() + operational.len());
}

#[tokio::test]
async fn types_only_leaves_the_values_out() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    ldap.with_search_options(SearchOptions::new().typesonly(true));
    let (entries, _) = search_for(&mut ldap, sample::ZOE, Scope::Base, "(objectClass=*)", &["uid"]).await;
    assert_eq!(entries[0].attrs["uid"], [""; 0]);
}

#[tokio::test]
async fn a_size_limit_cuts_the_search_and_says_so() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    ldap.with_search_options(SearchOptions::new().sizelimit(7));
    let (entries, result) = search(&mut ldap, PEOPLE).await;
    assert_eq!((entries.len(), result.rc), (7, 4));
    ldap.with_search_options(SearchOptions::new().sizelimit(300));
    let (entries, result) = search(&mut ldap, PEOPLE).await;
    assert_eq!((entries.len(), result.rc), (300, 0), "all of them fit");
}

#[tokio::test]
async fn a_missing_base_names_how_far_the_dn_exists() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let base = "uid=x,ou=Nowhere,OU=people,dc=example,dc=com";
    let (_, result) = search_for(&mut ldap, base, Scope::Subtree, PEOPLE, &[]).await;
    assert_eq!((result.rc, result.matched.as_str()), (32, PEOPLE_OU));
    let (_, result) = search_for(&mut ldap, "dc=lg,dc=local", Scope::Subtree, PEOPLE, &[]).await;
    assert_eq!((result.rc, result.matched.as_str()), (32, ""));
    let (_, result) = search_for(&mut ldap, "no DN", Scope::Subtree, PEOPLE, &[]).await;
    assert_eq!(result.rc, 34);
}

#[tokio::test]
async fn the_root_dse_tells_what_the_server_offers() {
    let sandbox = sandbox().await;
    let mut ldap = connect(&sandbox).await;
    let (entries, _) = search_for(&mut ldap, "", Scope::Base, "(objectClass=*)", &["*", "+"]).await;
    let values = |name: &str| entries[0].attrs[name].clone();
    assert_eq!(values("namingContexts"), [sample::BASE_DN]);
    assert_eq!(values("supportedLDAPVersion"), ["3"]);
    assert_eq!(values("supportedControl"), ["1.2.840.113556.1.4.319"]);
    assert_eq!(
        values("supportedExtension"),
        ["1.3.6.1.4.1.4203.1.11.3"],
        "no StartTLS without a certificate"
    );
    assert_eq!(values("vendorName"), ["adc-sandbox"]);
}

#[tokio::test]
async fn an_unknown_control_stops_a_search_only_when_it_is_critical() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    let control = |crit| RawControl { ctype: "1.2.3.4".to_owned(), crit, val: None };
    ldap.with_controls(vec![control(false)]);
    assert_eq!(search(&mut ldap, "(uid=zoe.mueller)").await.0.len(), 1);
    ldap.with_controls(vec![control(true)]);
    let (entries, result) = search(&mut ldap, "(uid=zoe.mueller)").await;
    assert_eq!((entries.len(), result.rc), (0, 12));
}

#[tokio::test]
async fn writes_over_the_wire_are_refused_and_noted() {
    let sandbox = sandbox().await;
    let before = sandbox.directory().context_csn().to_owned();
    let mut raw = Raw::bound(&sandbox).await;
    let dn = || sample::ZOE.to_owned();
    let rename =
        LdapModifyDNRequest { dn: dn(), newrdn: "uid=z".to_owned(), deleteoldrdn: true, new_superior: None };
    let compare = LdapCompareRequest { dn: dn(), atype: "uid".to_owned(), val: b"zoe.mueller".to_vec() };
    for write in [
        LdapOp::AddRequest(LdapAddRequest { dn: dn(), attributes: Vec::new() }),
        LdapOp::ModifyRequest(LdapModifyRequest { dn: dn(), changes: Vec::new() }),
        LdapOp::DelRequest(dn()),
        LdapOp::ModifyDNRequest(rename),
        LdapOp::CompareRequest(compare),
    ] {
        raw.send(write).await;
        let (LdapOp::AddResponse(result)
        | LdapOp::ModifyResponse(result)
        | LdapOp::DelResponse(result)
        | LdapOp::ModifyDNResponse(result)
        | LdapOp::CompareResult(result)) = raw.receive().await.op
        else {
            panic!("another response than the request's")
        };
        assert_eq!(result.code, ResultCode::UnwillingToPerform);
    }
    assert_eq!(sandbox.journal().log.iter().filter(|operation| operation.is_write()).count(), 4);
    assert_eq!(sandbox.directory().context_csn(), before);
}

#[tokio::test]
async fn bytes_that_are_no_ldap_get_a_notice_of_disconnection() {
    let sandbox = sandbox().await;
    let mut raw = Raw::connect(&sandbox).await;
    raw.send_bytes(b"GET / HTTP/1.1\r\nHost: directory.example.com\r\nAccept: everything there is\r\n\r\n")
        .await;
    let message = raw.receive().await;
    let LdapOp::ExtendedResponse(notice) = message.op else { panic!("no notice: {message:?}") };
    assert_eq!(message.msgid, 0);
    assert_eq!(notice.name.as_deref(), Some("1.3.6.1.4.1.1466.20036"));
    assert_eq!(notice.res.code, ResultCode::ProtocolError);
    assert_eq!(raw.rest().await.len(), 0);
}

#[tokio::test]
async fn large_values_travel_whole() {
    let sandbox = sandbox().await;
    let photo: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let person = Attributes::new().with("objectClass", "inetOrgPerson").with("jpegPhoto", &photo);
    let dn = "uid=photogenic,ou=People,dc=example,dc=com";
    sandbox.directory().add(dn, person).unwrap();
    let mut ldap = bound(&sandbox).await;
    let (entries, _) = search_for(&mut ldap, dn, Scope::Base, "(objectClass=*)", &["jpegPhoto"]).await;
    assert!(entries[0].bin_attrs["jpegPhoto"] == [photo]);
}
