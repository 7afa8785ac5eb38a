use std::collections::BTreeSet;

use adc_core::dn::Dn;

use super::*;

fn of_class(directory: &Directory, class: &str) -> Vec<String> {
    let has_class = |entry: &&crate::Entry| entry.attributes().values("objectClass").contains(&class.into());
    directory.entries().filter(has_class).map(|entry| entry.dn().to_owned()).collect()
}

#[test]
fn the_company_has_the_size_it_claims() {
    let directory = company();
    assert_eq!(of_class(&directory, "inetOrgPerson").len(), PEOPLE);
    assert_eq!(of_class(&directory, "organizationalUnit").len(), ORG_UNITS);
    let groups =
        of_class(&directory, "groupOfNames").len() + of_class(&directory, "groupOfUniqueNames").len();
    assert_eq!(groups, GROUPS);
}

#[test]
fn it_is_the_same_company_every_time() {
    let dump = |directory: &Directory| {
        format!("{:?}", directory.entries().map(crate::Entry::attributes).collect::<Vec<_>>())
    };
    assert_eq!(dump(&company()), dump(&company()));
}

#[test]
fn everybody_the_constants_name_is_there_and_the_ghost_is_not() {
    let directory = company();
    for dn in [ZOE, LUKASZ, LI_NA, JANE_DOE, DISABLED, SAME_MAIL, SAME_MAIL_TOO, WITHOUT_MAIL, READONLY_DN] {
        assert!(directory.get(dn).is_some(), "{dn}");
    }
    assert!(directory.get(GHOST).is_none());
    assert_eq!(directory.get(LI_NA).unwrap().text("cn"), Some("李娜"));
    assert_eq!(directory.get(JANE_DOE).unwrap().text("sn"), Some("Doe"));
    assert_eq!(directory.get(DISABLED).unwrap().text("pwdAccountLockedTime"), Some("000001010000Z"));
    assert_eq!(directory.get(WITHOUT_MAIL).unwrap().text("mail"), None);
}

#[test]
fn only_the_two_who_quarrel_share_an_address() {
    let directory = company();
    let mut seen = BTreeSet::new();
    let shared: Vec<&str> = directory
        .entries()
        .filter_map(|entry| entry.text("mail"))
        .filter(|mail| !seen.insert(*mail))
        .collect();
    assert_eq!(shared, ["s.obrien@example.com"]);
}

#[test]
fn every_reference_but_the_ghost_leads_somewhere() {
    let directory = company();
    let mut dangling = Vec::new();
    for entry in directory.entries() {
        for attribute in ["manager", "member", "uniqueMember"] {
            for value in entry.attributes().values(attribute) {
                let dn = std::str::from_utf8(value).unwrap();
                assert!(Dn::parse(dn).is_ok(), "{dn}");
                if directory.get(dn).is_none() {
                    dangling.push(dn.to_owned());
                }
            }
        }
    }
    assert_eq!(dangling, [GHOST]);
}

#[test]
fn everybody_but_the_first_has_a_manager() {
    let directory = company();
    let people = of_class(&directory, "inetOrgPerson");
    let unmanaged: Vec<&String> =
        people.iter().filter(|dn| directory.get(dn).unwrap().text("manager").is_none()).collect();
    assert_eq!(unmanaged, [&people[0]]);
}

#[test]
fn one_group_spells_a_member_otherwise_than_her_entry_does() {
    let directory = company();
    let group = directory.get("cn=administrators,ou=Roles,ou=Groups,dc=example,dc=com").unwrap();
    let members = group.attributes().values("member");
    let means_zoe = |member: &&Vec<u8>| {
        Dn::parse(std::str::from_utf8(member).unwrap()).unwrap() == Dn::parse(ZOE).unwrap()
    };
    let spelled: Vec<&Vec<u8>> = members.iter().filter(means_zoe).collect();
    assert_eq!(spelled.len(), 1, "{members:?}");
    assert_ne!(spelled[0], ZOE.as_bytes());
}
