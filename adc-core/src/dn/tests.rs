use super::*;
use proptest::prelude::*;

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Spellings of one name; the first is its normalized form.
const SAME: [&[&str]; 11] = [
    &[
        "uid=jane,ou=people,dc=lg,dc=local",
        "UID=Jane, OU=People ,dc = LG;dc=local",
        "userid=jane,ou=people,0.9.2342.19200300.100.1.25=lg,domainComponent=local",
    ],
    &[
        "cn=doe\\, jane,dc=lg",
        "cn=Doe\\2C Jane,dc=lg",
        "CN=\"Doe, Jane\",DC=lg",
        "2.5.4.3=Doe\\, Jane,dc=lg",
        "OID.2.5.4.3=Doe\\,  Jane ,dc=lg",
        "commonname=doe\\2c jane,dc=lg",
    ],
    &["cn=the \\\"boss\\\",dc=lg", "cn=the \\22Boss\\22,dc=lg", "cn=\"the \\\"boss\\\"\",dc=lg"],
    &["cn=jane+uid=7,dc=lg", "uid=7+cn=jane,dc=lg", "UID=7 + CN=Jane,dc=lg"],
    &["cn=hi", "cn=#04024869", "cn=#0c024869", "cn=#13024849", "cn=#0481024869"],
    &["cn=#0201ff", "cn=#0201FF"],
    &["cn=lučić", "cn=Lu\\C4\\8Di\\C4\\87", "cn=LUC\u{30c}IC\u{301}"],
    &["cn=\\ff\\fe", "cn=\\FF\\FE", "cn=#0402FFFE"],
    &["cn=a=b\\<c\\>#d", "cn=A=b<c>#d", "cn=a\\=b\\3cc\\3E\\#d"],
    &["cn=\\#1", "cn=\\23\\31", "cn=\"#1\""],
    &["cn=,dc=lg", "cn= ,dc=lg", "cn=\\ ,dc=lg", "cn=\"\",dc=lg"],
];

#[test]
fn one_name_has_one_normalized_form_however_it_is_spelled() {
    let mut keys = Vec::new();
    for spellings in SAME {
        for spelling in spellings {
            assert_eq!(dn(spelling).normalized(), spellings[0], "{spelling}");
            assert_eq!(DnKey::of(spelling), dn(spellings[0]).key(), "{spelling}");
        }
        keys.push(dn(spellings[0]).key());
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), SAME.len());
}

#[test]
fn a_name_is_printed_as_rfc_4514_wants_it() {
    for (text, printed) in [
        ("CN=Doe\\2C Jane , DC=lg", "CN=Doe\\, Jane,DC=lg"),
        ("cn=\"  x  \"", "cn=\\  x \\ "),
        ("cn=\\ ", "cn=\\ "),
        ("cn=#1fff", "cn=#1fff"),
        ("cn=\\#1f", "cn=\\#1f"),
        ("cn=Jane\\0ADEL:1,cn=Deleted Objects", "cn=Jane\\0aDEL:1,cn=Deleted Objects"),
        ("OID.1.2.3=x+ UID=y", "1.2.3=x+UID=y"),
        (" ", ""),
    ] {
        assert_eq!(dn(text).to_string(), printed, "{text}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_the_place_and_what_was_expected() {
    let errors: Vec<String> = [
        "jane",
        "cn=Zoë,",
        "cn=a,=b",
        "cn=\\zz",
        "cn=a\\",
        "cn=#1g",
        "cn=#",
        "cn=\"x",
        "cn=\"x\"y",
        "cn=a\"b",
        "OID.cn=x",
    ]
    .iter()
    .map(|text| format!("{text:<9} {}", Dn::parse(text).expect_err(text)))
    .collect();
    insta::assert_snapshot!(errors.join("\n"), @r##"
    jane      not a distinguished name: expected "=" at character 5, found the end
    cn=Zoë,   not a distinguished name: expected an attribute type such as cn or 2.5.4.3 at character 8, found the end
    cn=a,=b   not a distinguished name: expected an attribute type such as cn or 2.5.4.3 at character 6, found "="
    cn=\zz    not a distinguished name: expected a special character or two hexadecimal digits after "\" at character 5, found "z"
    cn=a\     not a distinguished name: expected a special character or two hexadecimal digits after "\" at character 6, found the end
    cn=#1g    not a distinguished name: expected pairs of hexadecimal digits after "#" (a "#" of the value itself is written "\#") at character 5, found "1"
    cn=#      not a distinguished name: expected pairs of hexadecimal digits after "#" (a "#" of the value itself is written "\#") at character 5, found the end
    cn="x     not a distinguished name: expected a closing quote at character 6, found the end
    cn="x"y   not a distinguished name: expected "," or "+" at character 7, found "y"
    cn=a"b    not a distinguished name: expected the quote escaped as "\"" at character 5, found "\""
    OID.cn=x  not a distinguished name: expected an attribute type such as cn or 2.5.4.3 at character 5, found "c"
    "##);
}

#[test]
fn a_broken_reference_has_a_key_of_its_own() {
    assert_eq!(DnKey::of(" Jane "), DnKey::of("jane"));
    assert_ne!(DnKey::of("jane"), DnKey::of("john"));
    assert_ne!(DnKey::of("jane"), DnKey::of("cn=jane"));
}

#[test]
fn a_name_knows_where_it_stands() {
    let base = dn("dc=lg,dc=local");
    let people = dn("ou=People,dc=lg,dc=local");
    let jane = dn("cn=Doe\\, Jane+uid=7,OU=people,DC=LG,dc=local");
    assert!(
        jane.is_within(&base)
            && jane.is_within(&people)
            && jane.is_within(&jane)
            && jane.is_within(&Dn::default())
    );
    assert!(jane.is_child_of(&people) && !jane.is_child_of(&base) && !jane.is_child_of(&jane));
    assert!(!people.is_within(&jane) && !dn("ou=xpeople,dc=lg,dc=local").is_within(&people));
    assert_eq!(jane.parent(), Some(people.clone()));
    assert_eq!(jane.ancestors().collect::<Vec<_>>(), [people.clone(), base.clone(), dn("dc=local")]);
    assert_eq!(dn("dc=local").parent(), None);
    assert_eq!(Dn::default().parent(), None);
    assert_eq!(Dn::default().ancestors().count(), 0);
    assert_eq!(jane.rdn_value(), "Doe, Jane");
    assert_eq!(Dn::default().rdn_value(), "");
    assert_eq!(jane.rdns()[0].parts()[1].attribute(), "uid");
    let mut sorted = [jane.clone(), dn("ou=q,dc=lg,dc=local"), people.clone(), base.clone()];
    sorted.sort();
    assert_eq!(sorted, [base, people, jane, dn("ou=q,dc=lg,dc=local")]);
}

#[test]
fn keys_and_names_survive_json() {
    let jane = dn("CN=Doe\\, Jane,DC=lg");
    let text = serde_json::to_string(&(&jane, jane.key())).expect("prints");
    let (name, key): (Dn, DnKey) = serde_json::from_str(&text).expect("parses");
    assert_eq!((name.to_string(), key), (jane.to_string(), jane.key()));
    assert_eq!(jane.key().to_string().len(), 22);
    for wrong in ["", "AAAA", &"A".repeat(23), &format!("{}B", "A".repeat(21)), &"+".repeat(22)] {
        assert_eq!(wrong.parse::<DnKey>(), Err(BadDnKey));
    }
}

#[test]
fn a_name_longer_than_the_fast_way_takes_has_the_same_key() {
    let long = format!("CN={},DC=lg", "Jane ".repeat(200));
    assert_eq!(DnKey::of(&long), dn(&long).key());
}

/// Text made of what matters to the parser.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec!["cn", "OU", "dc", "=", ",", " ", "  ", "s", "userid", "OID.", "2.5.4.3"]),
        2 => proptest::sample::select(vec!["+", ";", "\\", "\\,", "\\2c", "\"", "#", "#0401", "<", "\t", "\n"]),
        2 => proptest::sample::select(vec!["a", "B", "é", "e\u{301}", "ß", "İ", "\u{a0}", "1", "-", "\0"]),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A name of arbitrary values, properly escaped.
fn name() -> impl Strategy<Value = Dn> {
    let part = (
        proptest::sample::select(vec!["cn", "OU", "uid", "1.2.3"]),
        "\\PC{0,6}|[ ,+#\"\\\\;<>=\0\na-c]{0,6}",
    )
        .prop_map(|(attribute, text)| Part { attribute: attribute.to_owned(), value: Value::Text(text) });
    let rdn = proptest::collection::vec(part, 1..3).prop_map(Rdn::new);
    proptest::collection::vec(rdn, 0..4).prop_map(|rdns| Dn { rdns })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        let _ = DnKey::of(&text);
    }

    #[test]
    fn the_fast_way_and_the_general_way_agree(text in tricky()) {
        if let Ok(dn) = Dn::parse(&text) {
            prop_assert_eq!(DnKey::of(&text), dn.key());
            prop_assert_eq!(DnKey::of_container(&text), dn.parent().map(|container| container.key()));
        }
        let mut buffer = [0; 512];
        if let Some(plain) = key::normalize_plain(&text, &mut buffer) {
            prop_assert_eq!(std::str::from_utf8(plain).expect("ASCII"), dn(&text).normalized());
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same_name(name in name()) {
        let again = dn(&name.to_string());
        prop_assert_eq!(again.to_string(), name.to_string());
        prop_assert_eq!(&again, &name);
        for (one, other) in name.rdns().iter().zip(again.rdns()) {
            let values = |rdn: &Rdn| rdn.parts().iter().map(|part| part.value().clone()).collect::<Vec<_>>();
            prop_assert_eq!(values(one), values(other));
        }
    }

    #[test]
    fn the_normalized_form_is_its_own(name in name()) {
        prop_assert_eq!(dn(&name.normalized()).normalized(), name.normalized());
    }
}
