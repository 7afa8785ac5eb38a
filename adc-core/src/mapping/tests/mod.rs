//! Records, from entries of the usual directories and of odd ones.

mod active_directory;
mod allowed;
mod references;

use super::*;
use crate::record::FieldValue;
use proptest::prelude::*;

/// `objectGUID` d84e1b52-4f0c-4569-a385-287c0e2f91b5.
const GUID: [u8; 16] =
    [0x52, 0x1b, 0x4e, 0xd8, 0x0c, 0x4f, 0x69, 0x45, 0xa3, 0x85, 0x28, 0x7c, 0x0e, 0x2f, 0x91, 0xb5];

/// As OpenLDAP returns her.
fn jane() -> Entry {
    Entry::new("uid=jdoe,ou=Sales,dc=lg,dc=local")
        .with("entryUUID", &["597ae2f6-16a6-1027-98f4-d28b5365dc14"])
        .with("mail", &["jane.doe@lg.local", "J.Doe@lg.local"])
        .with("uid", &["jdoe"])
        .with("cn", &["Jane Doe"])
        .with("givenName", &["Jane"])
        .with("sn", &["Doe"])
        .with("departmentNumber", &[" "])
        .with("ou", &["Sales"])
        .with("title", &["Engineer"])
        .with("telephoneNumber", &["+49 30 1234"])
        .with("employeeNumber", &["1234"])
        .with("l", &["Berlin"])
        .with("manager", &["uid=boss\\2C the,ou=Sales,dc=lg,dc=local"])
}

/// As Active Directory returns him.
fn john() -> Entry {
    let mut john = Entry::new("CN=John Doe,OU=Sales,DC=lg,DC=local")
        .with("userPrincipalName", &["john@lg.local"])
        .with("sAMAccountName", &["john"])
        .with("proxyAddresses", &["smtp:jd@lg.local", "SMTP:John.Doe@lg.local", "x500:/o=LG"])
        .with("givenName", &["John"])
        .with("sn", &["Doe"])
        .with("name", &["John Doe"])
        .with("department", &["Sales"])
        .with("employeeID", &[])
        .with("employeeNumber", &["7"])
        .with("physicalDeliveryOfficeName", &["B-2"])
        .with("userAccountControl", &["512"])
        .with("accountExpires", &["133801632000000000"]);
    john.push("objectGUID", vec![GUID.to_vec()]);
    john
}

fn active_directory() -> RootDse {
    RootDse::read(
        &Entry::new("").with("supportedCapabilities", &["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"]),
    )
}

/// A mapping under this policy (JSON) and these bounds.
fn compile(policy: &str, bounds: &Bounds, root_dse: RootDse) -> Result<Mapping, MappingError> {
    let policy: Policy = serde_json::from_str(policy).unwrap_or_else(|error| panic!("{policy}: {error}"));
    policy.validate().unwrap_or_else(|error| panic!("{error}"));
    Mapping::compile(&policy, bounds, &root_dse)
}

/// A mapping under a policy with these fields and no `attributes:` but those listed.
fn with_fields(fields: &str, attributes: &[&str]) -> Result<Mapping, MappingError> {
    let attributes =
        (!attributes.is_empty()).then(|| attributes.iter().map(|name| (*name).to_owned()).collect());
    let bounds = Bounds { attributes, ..Bounds::default() };
    compile(&format!("{{\"mapping\":{{\"fields\":{fields}}}}}"), &bounds, RootDse::default())
}

fn inetorgperson() -> Mapping {
    compile("{}", &Bounds::default(), RootDse::default()).expect("compiles")
}

/// The record as people would write it down.
fn shown(record: &Record) -> String {
    serde_json::to_string_pretty(record).expect("prints")
}

fn problem(record: &Record) -> String {
    record
        .problem
        .as_ref()
        .map_or("none".to_owned(), |problem| format!("{}: {}", problem.reason, problem.detail))
}

#[test]
fn a_person_of_openldap_becomes_a_record() {
    insta::assert_snapshot!(shown(&inetorgperson().map(Kind::User, &jane())), @r##"
    {
      "kind": "user",
      "source_id": "597ae2f6-16a6-1027-98f4-d28b5365dc14",
      "dn": "uid=jdoe,ou=Sales,dc=lg,dc=local",
      "name": "J.Doe@lg.local",
      "email": "J.Doe@lg.local",
      "fields": {
        "department": "Sales",
        "display_name": "Jane Doe",
        "employee_id": "1234",
        "family_name": "Doe",
        "given_name": "Jane",
        "location": "Berlin",
        "manager": "uid=boss\\2C the,ou=Sales,dc=lg,dc=local",
        "phone": "+49 30 1234",
        "title": "Engineer"
      }
    }
    "##);
}

#[test]
fn an_object_whose_dn_is_none_counted_as_moved() {
    let mapping = inetorgperson();
    let named = |dn: &str| {
        Entry::new(dn).with("entryUUID", &["1"]).with("mail", &["jane@lg.local"]).with("cn", &["Jane"])
    };
    for kind in Kind::ALL {
        let said = problem(&mapping.map(kind, &named("not a dn")));
        insta::allow_duplicates! { insta::assert_snapshot!(said, @r#"invalid-dn: not a distinguished name: expected "=" at character 5, found "a""#); }
    }
    for dn in ["uid=jdoe,ou=Sales,dc=lg", "CN=Doe\\, Jane+UID=\"x\";DC=lg", "OID.2.5.4.3=Zoë,dc=lg"] {
        assert_eq!(problem(&mapping.map(Kind::User, &named(dn))), "none", "{dn}");
    }
}

#[test]
fn groups_and_org_units_become_records() {
    let group = Entry::new("cn=devs,ou=groups,dc=lg")
        .with("entryUUID", &["1"])
        .with("cn", &["devs"])
        .with("description", &["All who code"])
        .with("member", &["uid=b,dc=lg", "uid=a,dc=lg", "", "uid=b,dc=lg"])
        .with("uniqueMember", &["uid=c,dc=lg#'0101'B", "cn=d#1\\27B,dc=lg"]);
    let unit =
        Entry::new("ou=Sales\\, Europe,dc=lg").with("entryUUID", &["2"]).with("ou", &["A", "Sales, Europe"]);
    let records = [inetorgperson().map(Kind::Group, &group), inetorgperson().map(Kind::OrgUnit, &unit)];
    insta::assert_snapshot!(records.each_ref().map(shown).join("\n"), @r##"
    {
      "kind": "group",
      "source_id": "1",
      "dn": "cn=devs,ou=groups,dc=lg",
      "name": "devs",
      "fields": {
        "description": "All who code"
      },
      "group_kind": "group",
      "members": [
        "cn=d#1\\27B,dc=lg",
        "uid=a,dc=lg",
        "uid=b,dc=lg",
        "uid=c,dc=lg"
      ]
    }
    {
      "kind": "org_unit",
      "source_id": "2",
      "dn": "ou=Sales\\, Europe,dc=lg",
      "name": "Sales, Europe"
    }
    "##);
}

#[test]
fn only_a_lock_for_good_makes_a_person_inactive() {
    let mapping = inetorgperson();
    for (attribute, value, active, shown_active) in [
        ("nsAccountLock", "TRUE", false, false),
        ("nsaccountlock", "true ", false, false),
        ("nsAccountLock", "false", true, true),
        ("loginDisabled", "TRUE", false, false),
        ("loginDisabled", "FALSE", true, true),
        ("pwdAccountLockedTime", "000001010000Z", false, false),
        ("pwdAccountLockedTime", "20240229120000Z", true, true),
        ("userAccountControl", "514", true, false),
    ] {
        let record = mapping.map(Kind::User, &jane().with(attribute, &[value]));
        assert_eq!((record.active, record.shown_active), (active, shown_active), "{attribute}={value}");
    }
}

#[test]
fn data_that_do_not_fit_are_a_conflict_of_that_one_object() {
    let mapping = inetorgperson();
    let mut bad = jane();
    bad.attributes_mut().retain(|attribute| attribute.name != "title" && attribute.name != "entryUUID");
    bad.push("entryUUID", vec![b"1".to_vec()]);
    bad.push("title", vec![b"Engineer".to_vec(), b"J\xf6rg".to_vec()]);
    let record = mapping.map(Kind::User, &bad);
    assert_eq!(problem(&record), "not-utf8: field \"title\": a value of title is not valid UTF-8");
    assert_eq!((record.source_id.as_str(), record.name.as_str()), ("1", "J.Doe@lg.local"));

    let with = |name: &str, value: &str| Entry::new("cn=x").with("entryUUID", &["1"]).with(name, &[value]);
    let problems = [
        with("cn", "no name to log in with"),
        with("mail", " "),
        with("mail", "a\0b"),
        with("mail", &"a".repeat(70_000)),
        Entry::new("cn=x").with("mail", &["x@lg.local"]),
        Entry::new("cn=x").with("mail", &["x@lg.local"]).with("entryUUID", &["1", "2"]),
    ]
    .map(|entry| problem(&mapping.map(Kind::User, &entry)));
    insta::assert_snapshot!(problems.join("\n"), @r##"
    missing-required-field: field "username": no value in mail, uid
    missing-required-field: field "username": no value in mail, uid
    not-utf8: field "email": a value of mail contains a NUL character
    value-too-long: field "email": a value of mail is longer than 64 KiB
    missing-source-id: the entry has no entryUUID; let the bind account read it, or set id_attribute to one that every entry has
    missing-source-id: the entry has 2 values of entryUUID; set id_attribute to an attribute with a single value
    "##);
    let unidentified = mapping.map(Kind::User, &Entry::new("CN=X").with("mail", &["x@lg.local"]));
    assert_eq!(unidentified.source_id, format!("dn:{}", crate::dn::DnKey::of("cn=x")));
}

#[test]
fn an_excluded_person_without_a_user_name_had_no_name_at_all() {
    let policy = r#"{"exclude":[{"name":"robots","filter":"(ou=robots)"}]}"#;
    let mapping = compile(policy, &Bounds::default(), RootDse::default()).expect("compiles");
    let robot = Entry::new("cn=R2 D2,dc=lg").with("entryUUID", &["1"]).with("ou", &["robots"]);
    let record = mapping.map(Kind::User, &robot);
    assert_eq!((record.excluded_by.as_deref(), record.name.as_str()), (Some("robots"), "R2 D2"));
    assert_eq!(record.problem, None);
}

#[test]
fn a_group_whose_rdn_is_blank_had_no_name_at_all() {
    for (kind, dn) in [(Kind::Group, "cn=\\20,dc=lg"), (Kind::OrgUnit, "ou=,dc=lg")] {
        let record = inetorgperson().map(kind, &Entry::new(dn).with("entryUUID", &["1"]));
        assert_eq!((record.name.as_str(), record.problem), (dn, None));
    }
}

#[test]
fn a_policy_changes_adds_and_drops_fields() {
    let mapping = with_fields(
        r#"[
            {"name": "username", "from": "uid"},
            {"name": "title", "from": null},
            {"name": "department", "from": ["businessCategory", "l"]},
            {"name": "display_name", "from": "{{ sn|upper }}, {{ givenName|left(1) }}.{{ initials|default('') }}"},
            {"name": "mails", "from": "mail", "multi_valued": true},
            {"name": "employee_id", "from": "employeeNumber", "unique": true, "required": true},
            {"name": "badge", "from": "MAIL", "unique": true}
        ]"#,
        &["mail", "uid", "givenname", "sn", "initials", "businessCategory", "l", "employeeNumber"],
    )
    .expect("compiles");
    let record = mapping.map(Kind::User, &jane());
    insta::assert_snapshot!(shown(&record), @r##"
    {
      "kind": "user",
      "source_id": "597ae2f6-16a6-1027-98f4-d28b5365dc14",
      "dn": "uid=jdoe,ou=Sales,dc=lg,dc=local",
      "name": "jdoe",
      "email": "J.Doe@lg.local",
      "fields": {
        "badge": "J.Doe@lg.local",
        "department": "Berlin",
        "display_name": "DOE, J.",
        "employee_id": "1234",
        "family_name": "Doe",
        "given_name": "Jane",
        "location": "Berlin",
        "mails": [
          "J.Doe@lg.local",
          "jane.doe@lg.local"
        ]
      },
      "unique": {
        "badge": "j.doe@lg.local",
        "employee_id": "1234"
      }
    }
    "##);
    assert_eq!(
        mapping.attributes(Kind::User).join(" "),
        "businessCategory employeeNumber entryUUID givenName initials l loginDisabled MAIL nsAccountLock pwdAccountLockedTime sn uid"
    );
    assert_eq!(mapping.attributes(Kind::Group), ["entryUUID", "mail"]);

    let mut nameless = jane();
    nameless
        .attributes_mut()
        .retain(|attribute| !["sn", "employeeNumber"].contains(&attribute.name.as_str()));
    assert_eq!(
        problem(&mapping.map(Kind::User, &nameless)),
        "mapping-template: field \"display_name\": no value in initials, sn"
    );
    nameless.push("sn", vec![b"Doe".to_vec()]);
    assert_eq!(
        problem(&mapping.map(Kind::User, &nameless)),
        "missing-required-field: field \"employee_id\": no value in employeeNumber"
    );
}

#[test]
fn a_list_of_addresses_has_the_primary_one_first() {
    let policy =
        r#"{"mapping":{"fields":[{"name":"addresses","from":"proxyAddresses","multi_valued":true}]}}"#;
    let mapping = compile(policy, &Bounds::default(), active_directory()).expect("compiles");
    let list = ["SMTP:John.Doe@lg.local", "smtp:jd@lg.local", "x500:/o=LG"].map(str::to_owned);
    assert_eq!(mapping.map(Kind::User, &john()).fields["addresses"], FieldValue::List(list.to_vec()));
    let without_primary = Entry::new("CN=x").with("proxyAddresses", &["smtp:a@lg.local"]);
    assert_eq!(mapping.map(Kind::User, &without_primary).email, None);
}

#[test]
fn whom_a_rule_leaves_out_is_named_and_nothing_else() {
    let policy = r#"{
        "include": ["(title=*)", "(l=Paris)"],
        "exclude": [{"name": "contractors", "filter": "(employeeNumber>=9000)"}, {"name": "sales", "filter": "(OU=sales)"}]
    }"#;
    let mapping = compile(policy, &Bounds::default(), RootDse::default()).expect("compiles");
    let excluded_by = |entry: &Entry| mapping.map(Kind::User, entry).excluded_by;
    let person = || Entry::new("uid=x,dc=lg").with("entryUUID", &["1"]).with("mail", &["x@lg.local"]);
    assert_eq!(excluded_by(&person().with("title", &["T"])), None);
    assert_eq!(excluded_by(&person().with("l", &["paris"])), None);
    assert_eq!(excluded_by(&person()).as_deref(), Some(""));
    assert_eq!(excluded_by(&person().with("employeeNumber", &["10000"])).as_deref(), Some("contractors"));
    let record = mapping.map(Kind::User, &jane());
    assert_eq!(record.excluded_by.as_deref(), Some("sales"));
    assert_eq!((record.name.as_str(), record.email, record.fields.len()), ("J.Doe@lg.local", None, 0));

    // Excluding is how an administrator gets rid of conflicts.
    let broken = Entry::new("cn=service").with("ou", &["sales"]);
    assert_eq!(mapping.map(Kind::User, &broken).problem, None);
    assert_eq!(mapping.map(Kind::Group, &broken).excluded_by, None);
}

#[test]
fn of_what_rules_look_for_it_is_told_what_somebody_shows() {
    let policy = r#"{
        "include": ["(&(title=*)(!(sn=X)))"],
        "exclude": [{"name": "robots", "filter": "(OU=robots)"}, {"name": "guests", "filter": "(|(l=away)(mail=*@guest))"}]
    }"#;
    let mapping = compile(policy, &Bounds::default(), RootDse::default()).expect("compiles");
    let shown = |entry: Entry| {
        let record = mapping.map(Kind::User, &entry);
        let shows = record.shows.into_iter().flatten().collect::<Vec<_>>().join(" ");
        (record.excluded_by, shows)
    };
    let person = || Entry::new("uid=x,dc=lg").with("entryUUID", &["1"]).with("mail", &["x@lg.local"]);
    let staff = || person().with("title", &["T"]);
    assert_eq!(shown(staff()), (None, "mail".to_owned()));
    assert_eq!(shown(staff().with("L;lang-de", &["Berlin"]).with("ou", &[])), (None, "l mail".to_owned()));
    let because = |rule: &str, shows: &str| (Some(rule.to_owned()), shows.to_owned());
    let robot = || staff().with("ou", &["robots"]);
    assert_eq!(shown(robot()), because("robots", "ou"), "not for the address");
    assert_eq!(shown(robot().with("l", &["away"])), because("robots", "l mail ou"), "for both");
    assert_eq!(shown(person()), because("", ""), "for what is missing");
    assert_eq!(shown(staff().with("sn", &["X"])), because("", "sn"));
    assert_eq!(shown(robot().with("sn", &["X"])), because("robots", "ou sn"));
    assert_eq!(mapping.map(Kind::Group, &robot()).shows, None);
}

#[test]
fn a_directory_is_recognized_by_its_root_dse() {
    let root_dse = |name: &str, values: &[&str]| RootDse::read(&Entry::new("").with(name, values));
    let auto = |root_dse: RootDse| {
        let mapping = compile("{}", &Bounds::default(), root_dse).expect("compiles");
        (mapping.flavor(), mapping.id().name().to_owned())
    };
    let id = |name: &str| name.to_owned();
    assert_eq!(auto(active_directory()), (Flavor::ActiveDirectory, id("objectGUID")));
    assert_eq!(auto(RootDse::default()), (Flavor::InetOrgPerson, id("entryUUID")));
    assert_eq!(auto(root_dse("vendorName", &["389 Project"])), (Flavor::InetOrgPerson, id("nsUniqueId")));
    assert_eq!(auto(root_dse("vendorName", &["NetIQ Corporation"])), (Flavor::InetOrgPerson, id("GUID")));

    let bounds = Bounds { preset: Preset::ActiveDirectory, ..Bounds::default() };
    let mapping = compile("{}", &bounds, RootDse::default()).expect("compiles");
    assert_eq!((mapping.flavor(), mapping.id().name()), (Flavor::ActiveDirectory, "objectGUID"));
    let mapping =
        compile(r#"{"mapping":{"preset":"inetorgperson"}}"#, &bounds, active_directory()).expect("compiles");
    assert_eq!((mapping.flavor(), mapping.id().name()), (Flavor::InetOrgPerson, "objectGUID"));
    let bounds = Bounds { id_attribute: Some("employeeNumber".to_owned()), ..Bounds::default() };
    assert_eq!(compile("{}", &bounds, active_directory()).expect("compiles").id().name(), "employeeNumber");
}

#[test]
fn the_presets_filters_find_whom_they_should() {
    let person = Entry::new("CN=x")
        .with("objectClass", &["top", "person", "organizationalPerson", "user"])
        .with("objectCategory", &["CN=Person,CN=Schema,CN=Configuration,DC=lg"]);
    let computer = Entry::new("CN=x")
        .with("objectClass", &["top", "person", "organizationalPerson", "user", "computer"])
        .with("objectCategory", &["CN=Computer,CN=Schema,CN=Configuration,DC=lg"]);
    let filter = Flavor::ActiveDirectory.filter(Kind::User);
    assert!(filter.matches(&person) && !filter.matches(&computer));
    // A trust to another domain; a person says 805306368 there.
    assert!(!filter.matches(&person.clone().with("sAMAccountType", &["805306370"])));
    assert!(!filter.matches(&person.with("isCriticalSystemObject", &["TRUE"])));
    for flavor in [Flavor::InetOrgPerson, Flavor::ActiveDirectory] {
        let allowed = Allowed::new(flavor, "entryUUID", None).expect("the preset names no secret");
        for kind in Kind::ALL {
            assert_eq!(allowed.check_filter("the preset", &flavor.filter(kind)), Ok(()));
        }
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let names = proptest::sample::select(vec![
        "entryUUID",
        "mail",
        "uid",
        "cn",
        "sn",
        "title",
        "ou",
        "member",
        "uniqueMember",
        "member;range=0-1",
        "manager",
        "objectGUID",
        "userPrincipalName",
        "proxyAddresses",
        "userAccountControl",
        "accountExpires",
        "groupType",
        "nsAccountLock",
        "CN;lang-de",
    ]);
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        "\\PC{0,6}".prop_map(String::into_bytes),
        "(SMTP:|smtp:)?[a-cA-C ]{0,3}|-?[0-9]{1,20}|TRUE".prop_map(String::into_bytes),
    ];
    let attributes = proptest::collection::btree_map(names, proptest::collection::vec(value, 0..4), 0..10);
    ("\\PC{0,10}|cn=[a-c]{0,3},dc=x", attributes).prop_map(|(dn, attributes)| {
        let mut entry = Entry::new(dn);
        for (name, values) in attributes {
            entry.push(name, values);
        }
        entry
    })
}

fn mappings() -> Vec<Mapping> {
    let policy = r#"{"mapping":{"fields":[
        {"name":"t","from":"{{ sn|upper }}{{ title|default('?') }}"},
        {"name":"l","from":"proxyAddresses","multi_valued":true},
        {"name":"u","from":["mail","uid"],"unique":true}]},
        "exclude":[{"name":"e","filter":"(|(ou=a*)(title>=5))"}]}"#;
    let everything =
        ["mail", "uid", "sn", "title", "ou", "proxyAddresses", "userPrincipalName", "member", "groupType"];
    let bounds = Bounds { attributes: Some(everything.map(str::to_owned).to_vec()), ..Bounds::default() };
    let mapping = |policy, bounds: &Bounds, root_dse| compile(policy, bounds, root_dse).expect("compiles");
    vec![
        mapping("{}", &Bounds::default(), RootDse::default()),
        mapping("{}", &Bounds::default(), active_directory()),
        mapping(policy, &bounds, RootDse::default()),
        mapping(policy, &bounds, active_directory()),
    ]
}

proptest! {
    #[test]
    fn any_entry_becomes_a_record_in_any_order(entry in any_entry(), kind in proptest::sample::select(Kind::ALL.to_vec())) {
        let mut reversed = Entry::new(entry.dn());
        for attribute in entry.attributes().iter().rev() {
            reversed.push(attribute.name.clone(), attribute.values.iter().rev().cloned().collect());
        }
        for mapping in mappings() {
            let record = mapping.map(kind, &entry);
            prop_assert_eq!(&record, &mapping.map(kind, &reversed));
            prop_assert!(!record.source_id.is_empty());
            prop_assert!(!record.name.is_empty() || record.problem.is_some() || entry.dn().is_empty(), "{:?}", record);
            let text = serde_json::to_string(&record).expect("prints");
            prop_assert!(!text.contains("\\u0000") || record.dn.contains('\0'));
        }
    }
}
