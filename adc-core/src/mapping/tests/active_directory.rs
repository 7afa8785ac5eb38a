//! Records of Active Directory's entries.

use super::*;

#[test]
fn a_person_of_active_directory_becomes_a_record() {
    let mapping = compile("{}", &Bounds::default(), active_directory()).expect("compiles");
    insta::assert_snapshot!(shown(&mapping.map(Kind::User, &john())), @r##"
    {
      "kind": "user",
      "source_id": "d84e1b52-4f0c-4569-a385-287c0e2f91b5",
      "dn": "CN=John Doe,OU=Sales,DC=lg,DC=local",
      "name": "john@lg.local",
      "email": "John.Doe@lg.local",
      "fields": {
        "department": "Sales",
        "display_name": "John Doe",
        "employee_id": "7",
        "family_name": "Doe",
        "given_name": "John",
        "location": "B-2"
      },
      "expires_at": 1735689600000
    }
    "##);
}

#[test]
fn a_group_of_active_directory_is_for_rights_or_for_mail() {
    let mapping = compile("{}", &Bounds::default(), active_directory()).expect("compiles");
    for (group_type, kind) in [
        (&["-2147483646"][..], GroupKind::Security),
        (&["2147483650"], GroupKind::Security),
        (&["2"], GroupKind::Distribution),
        (&[], GroupKind::Group),
        (&["x"], GroupKind::Group),
    ] {
        let group = Entry::new("CN=g").with("groupType", group_type);
        assert_eq!(mapping.map(Kind::Group, &group).group_kind, Some(kind), "{group_type:?}");
    }
    let group = Entry::new("CN=g").with("groupType", &["2"]);
    assert_eq!(inetorgperson().map(Kind::Group, &group).group_kind, Some(GroupKind::Group));
}

#[test]
fn part_of_a_large_group_is_a_conflict_and_not_an_emptied_group() {
    let mapping = compile("{}", &Bounds::default(), active_directory()).expect("compiles");
    let mut group = Entry::new("CN=g").with("member", &[]).with("member;range=0-1499", &["CN=a"]);
    group.push("objectGUID", vec![GUID.to_vec()]);
    let record = mapping.map(Kind::Group, &group);
    assert_eq!(problem(&record), "members-incomplete: member came only in part");
}

#[test]
fn whose_lock_was_hidden_in_active_directory_was_let_in() {
    let mapping = compile("{}", &Bounds::default(), active_directory()).expect("compiles");
    let user =
        Entry::new("CN=x").with("objectGUID", &["0123456789abcdef"]).with("userPrincipalName", &["x@y"]);
    let hidden = mapping.map(Kind::User, &user);
    assert_eq!(problem(&hidden), "status-hidden: the entry has no userAccountControl");
    assert_eq!(mapping.map(Kind::User, &user.with("userAccountControl", &["512"])).problem, None);
}

#[test]
fn an_account_of_active_directory_can_be_disabled_and_can_expire() {
    let mapping = compile("{}", &Bounds::default(), active_directory()).expect("compiles");
    let status = |attribute: &str, value: &str| {
        let record = mapping.map(Kind::User, &Entry::new("CN=x").with(attribute, &[value]));
        (record.active, record.expires_at)
    };
    assert_eq!(status("userAccountControl", "514"), (false, None));
    assert_eq!(status("userAccountControl", "528"), (true, None), "a lockout is not inactivity");
    assert_eq!(status("userAccountControl", "-2147483646"), (false, None));
    assert_eq!(status("accountExpires", "0"), (true, None));
    assert_eq!(status("accountExpires", "9223372036854775807"), (true, None));
    assert_eq!(status("accountExpires", "116444736000000000"), (true, Some(0)));
    assert_eq!(status("accountExpires", "116444736000010000"), (true, Some(1)));
    assert_eq!(status("accountExpires", "1"), (true, Some(-11_644_473_600_000)));
}
