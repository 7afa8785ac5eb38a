//! References by GUID, as Active Directory gives them.

use super::*;

#[test]
fn references_by_guid_keep_the_guid_and_show_the_name() {
    let extended = |guid: char, dn: &str| format!("<GUID={}>;<SID=0105>;{dn}", guid.to_string().repeat(32));
    let reference = |guid: char, dn: &str| format!("<GUID={}>;{dn}", guid.to_string().repeat(32));
    let mapping = compile("{}", &Bounds::default(), active_directory()).expect("compiles");
    let jane = Entry::new(extended('a', "CN=Jane,DC=lg"))
        .with("objectGUID", &["0123456789abcdef"])
        .with("userPrincipalName", &["jane@lg.local"])
        .with("manager", &[&extended('b', "CN=Boss,DC=lg")]);
    let record = mapping.map(Kind::User, &jane);
    assert_eq!((record.dn.as_str(), record.guid), ("CN=Jane,DC=lg", Some("a".repeat(32))));
    assert_eq!(record.fields["manager"], "CN=Boss,DC=lg".into());
    assert_eq!(record.manager_guid, Some("b".repeat(32)));

    let group = Entry::new(extended('c', "CN=G,DC=lg"))
        .with("objectGUID", &["0123456789abcdef"])
        .with("member", &[&extended('b', "CN=Boss,DC=lg"), "CN=Old,DC=lg"]);
    let members = mapping.map(Kind::Group, &group).members;
    assert_eq!(members, [&reference('b', "CN=Boss,DC=lg"), "CN=Old,DC=lg"]);
    // Filters mean names.
    let filter: crate::filter::Filter = "(member=cn=boss,dc=lg)".parse().expect("parses");
    assert!(filter.matches(&group));
}
