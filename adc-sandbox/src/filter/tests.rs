use adc_core::dn::Dn;

use super::*;

fn zoe() -> Entry {
    let dn = "uid=zoe,ou=Platform,dc=example,dc=com";
    Entry {
        dn: dn.to_owned(),
        parsed: Dn::parse(dn).unwrap(),
        attributes: Attributes::new()
            .with("objectClass", "inetOrgPerson")
            .with("cn", "Zoë  Müller")
            .with("uidNumber", "900")
            .with("userAccountControl", "514")
            .with("telephoneNumber", "+49 30 5550-101")
            .with("manager", r"cn=Doe\, Jane,OU=Board,DC=example,DC=com")
            .with("objectGUID", [0xFF, 0x00, 0x2A])
            .with("createTimestamp", "20260101000000Z"),
    }
}

fn equal(attribute: &str, value: impl AsRef<[u8]>) -> Filter {
    Filter::Equal(attribute.to_owned(), value.as_ref().to_vec())
}

fn extensible(attribute: Option<&str>, rule: Option<&str>, value: &str) -> Extensible {
    Extensible {
        attribute: attribute.map(str::to_owned),
        rule: rule.map(str::to_owned),
        value: value.as_bytes().to_vec(),
        dn_attributes: false,
    }
}

#[test]
fn equality_follows_the_syntax_of_the_attribute() {
    let person = zoe();
    assert!(equal("CN", "zoë müller").matches(&person), "case and runs of spaces do not count");
    assert!(equal("telephoneNumber", "+49305550101").matches(&person), "spaces and hyphens do not count");
    assert!(
        equal("manager", r"CN=doe\2C jane, ou=board,dc=EXAMPLE,dc=com").matches(&person),
        "DNs are normalized"
    );
    assert!(equal("objectGUID", [0xFF, 0x00, 0x2A]).matches(&person), "bytes are bytes");
    assert!(!equal("cn", "zoe muller").matches(&person));
    assert!(!equal("mail", "zoe@example.com").matches(&person));
}

#[test]
fn order_is_numeric_for_numbers_and_textual_for_times() {
    let person = zoe();
    let at_least = |attribute: &str, value: &str| Filter::AtLeast(attribute.to_owned(), value.into());
    let at_most = |attribute: &str, value: &str| Filter::AtMost(attribute.to_owned(), value.into());
    assert!(at_most("uidNumber", "1000").matches(&person), "900 <= 1000 though \"9\" > \"1\"");
    assert!(!at_least("uidNumber", "1000").matches(&person));
    assert!(at_least("createTimestamp", "20250101000000Z").matches(&person));
    assert!(!at_least("createTimestamp", "20260101000001Z").matches(&person));
}

#[test]
fn substrings_stand_in_their_order_without_overlapping() {
    let person = zoe();
    let pieces = |initial: &str, any: &[&str], last: &str| {
        let piece = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
        let any = any.iter().map(|text| text.as_bytes().to_vec()).collect();
        Filter::Substrings("cn".to_owned(), Substrings { initial: piece(initial), any, last: piece(last) })
    };
    assert!(pieces("ZOË", &[], "").matches(&person));
    assert!(pieces("", &["ë mü"], "").matches(&person), "a space inside a piece counts");
    assert!(pieces("z", &["m", "l"], "r").matches(&person));
    assert!(!pieces("", &["ller", "zoë"], "").matches(&person), "the order counts");
    assert!(!pieces("zoë müller", &[], "r").matches(&person), "a byte is used once");
}

#[test]
fn a_rule_that_nobody_knows_is_undefined_also_when_negated() {
    let unknown = Filter::Extensible(extensible(Some("cn"), Some("1.2.3"), "zoë"));
    assert!(!unknown.matches(&zoe()));
    assert!(!Filter::Not(Box::new(unknown.clone())).matches(&zoe()));
    assert!(Filter::Or(vec![unknown.clone(), equal("uidNumber", "900")]).matches(&zoe()));
    assert!(!Filter::And(vec![unknown, equal("uidNumber", "900")]).matches(&zoe()));
    assert!(
        Filter::Not(Box::new(equal("mail", "x"))).matches(&zoe()),
        "a missing attribute is false, not undefined"
    );
    assert!(Filter::And(vec![]).matches(&zoe()) && !Filter::Or(vec![]).matches(&zoe()), "RFC 4526");
}

#[test]
fn the_bit_rules_of_active_directory_look_at_bits() {
    let flag = |rule: &str, mask: &str| {
        Filter::Extensible(extensible(Some("userAccountControl"), Some(rule), mask)).matches(&zoe())
    };
    assert!(flag("1.2.840.113556.1.4.803", "2"), "514 = 512 + 2");
    assert!(flag("1.2.840.113556.1.4.803", "514"));
    assert!(!flag("1.2.840.113556.1.4.803", "6"));
    assert!(flag("1.2.840.113556.1.4.804", "6"));
    assert!(!flag("1.2.840.113556.1.4.804", "4"));
}

#[test]
fn dn_attributes_look_into_the_name() {
    let mut assertion = extensible(Some("ou"), None, "platform");
    assert!(!Filter::Extensible(assertion.clone()).matches(&zoe()));
    assertion.dn_attributes = true;
    assert!(Filter::Extensible(assertion.clone()).matches(&zoe()));
    assertion.value = b"Sales".to_vec();
    assert!(!Filter::Extensible(assertion).matches(&zoe()));
}

#[test]
fn filters_print_as_rfc_4515_writes_them() {
    let pieces = Substrings { initial: Some(b"a".to_vec()), any: vec![b"(b)".to_vec()], last: None };
    let filter = Filter::And(vec![
        Filter::Present("objectClass".to_owned()),
        Filter::Not(Box::new(equal("objectGUID", [0xFF, b'*']))),
        Filter::Substrings("cn".to_owned(), pieces),
        Filter::Extensible(Extensible {
            dn_attributes: true,
            ..extensible(Some("ou"), Some("2.5.13.5"), "Ä")
        }),
    ]);
    assert_eq!(
        filter.to_string(),
        r"(&(objectClass=*)(!(objectGUID=\ff\2a))(cn=a*\28b\29*)(ou:dn:2.5.13.5:=Ä))"
    );
}
