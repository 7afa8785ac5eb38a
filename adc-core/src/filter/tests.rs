use super::*;
use crate::entry::Entry;
use proptest::prelude::*;

fn filter(text: &str) -> Filter {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_filter_parses_to_what_it_says() {
    let equal = |attribute: &str, value: &[u8]| Filter::equality(attribute, value);
    assert_eq!(filter("(cn=a=b)"), equal("cn", b"a=b"));
    assert_eq!(filter("(cn=\\2a\\28\\5C\\C3\\ab)"), equal("cn", "*(\\ë".as_bytes()));
    assert_eq!(filter("(cn=)"), equal("cn", b""));
    assert_eq!(filter("(cn;lang-de= a )"), equal("cn;lang-de", b" a "));
    assert_eq!(filter("(&)"), Filter::And(vec![]));
    assert_eq!(filter("(|)"), Filter::Or(vec![]));
    assert_eq!(filter("(!(&))"), Filter::Not(Box::new(Filter::And(vec![]))));
    assert_eq!(
        filter(" ( & (a=1)\n ( | (b=2) ) ) "),
        Filter::And(vec![equal("a", b"1"), Filter::Or(vec![equal("b", b"2")])])
    );
    assert_eq!(filter("(2.5.4.3=*)"), Filter::present("2.5.4.3"));
    assert_eq!(filter("(cn=**)"), Filter::present("cn"));
    assert_eq!(
        filter("(cn=a*b**c*d)"),
        Filter::Substrings {
            attribute: "cn".into(),
            initial: Some(b"a".to_vec()),
            any: vec![b"b".to_vec(), b"c".to_vec()],
            last: Some(b"d".to_vec()),
        }
    );
    assert_eq!(
        filter("(cn=*\\2a*)"),
        Filter::Substrings { attribute: "cn".into(), initial: None, any: vec![b"*".to_vec()], last: None }
    );
    assert_eq!(filter("(n>=1)"), Filter::GreaterOrEqual { attribute: "n".into(), value: b"1".to_vec() });
    assert_eq!(filter("(n<==1)"), Filter::LessOrEqual { attribute: "n".into(), value: b"=1".to_vec() });
    assert_eq!(filter("(n~=1)"), Filter::Approx { attribute: "n".into(), value: b"1".to_vec() });
    let extensible = |attribute: Option<&str>, dn_attributes, rule: Option<&str>| Filter::Extensible {
        attribute: attribute.map(Into::into),
        dn_attributes,
        rule: rule.map(Into::into),
        value: b"x".to_vec(),
    };
    assert_eq!(filter("(cn:=x)"), extensible(Some("cn"), false, None));
    assert_eq!(filter("(cn:DN:=x)"), extensible(Some("cn"), true, None));
    assert_eq!(filter("(cn:dn:1.2.3:=x)"), extensible(Some("cn"), true, Some("1.2.3")));
    assert_eq!(filter("(:dn:2.4.6:=x)"), extensible(None, true, Some("2.4.6")));
    assert_eq!(filter("(:dn:dn:=x)"), extensible(None, true, Some("dn")));
}

#[test]
fn what_is_no_filter_is_refused_with_the_place_and_what_was_expected() {
    let texts = [
        "",
        "cn=a",
        "(cn=a",
        "(cn=a))",
        "(cn)",
        "(=a)",
        "(ë=a)",
        "(cn=(a))",
        "(cn=\\2)",
        "(cn=\\(a)",
        "(cn>=a*)",
        "(cn=a\0)",
        "(&(a=1)",
        "(&a=1)",
        "(!)",
        "(!(a=1)(b=2))",
        "(cn:=",
        "(:=x)",
        "(:dn:=x)",
        "(cn:1.2:dn:=x)",
        "(cn:x=1)",
        "(cn::=1)",
    ];
    let errors: Vec<String> = texts
        .iter()
        .map(|text| {
            format!("{:<16}{}", text.escape_debug().to_string(), text.parse::<Filter>().expect_err(text))
        })
        .collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
                    not an LDAP filter: expected "(" at character 1, found the end
    cn=a            not an LDAP filter: expected "(" at character 1, found "c"
    (cn=a           not an LDAP filter: expected ")" at character 6, found the end
    (cn=a))         not an LDAP filter: expected the end of the filter at character 7, found ")"
    (cn)            not an LDAP filter: expected "=", "~=", ">=", "<=" or ":=" at character 4, found ")"
    (=a)            not an LDAP filter: expected an attribute such as cn or 2.5.4.3 at character 2, found "="
    (ë=a)           not an LDAP filter: expected an attribute such as cn or 2.5.4.3 at character 2, found "ë"
    (cn=(a))        not an LDAP filter: expected the "(" escaped as "\28" at character 5, found "("
    (cn=\\2)        not an LDAP filter: expected two hexadecimal digits after "\" (a "\" of the value itself is written "\5c") at character 6, found "2"
    (cn=\\(a)       not an LDAP filter: expected two hexadecimal digits after "\" (a "\" of the value itself is written "\5c") at character 6, found "("
    (cn>=a*)        not an LDAP filter: expected the "*" escaped as "\2a" at character 7, found "*"
    (cn=a\0)        not an LDAP filter: expected the NUL escaped as "\00" at character 6, found "\0"
    (&(a=1)         not an LDAP filter: expected ")" at character 8, found the end
    (&a=1)          not an LDAP filter: expected ")" at character 3, found "a"
    (!)             not an LDAP filter: expected "(" at character 3, found ")"
    (!(a=1)(b=2))   not an LDAP filter: expected ")" at character 8, found "("
    (cn:=           not an LDAP filter: expected ")" at character 6, found the end
    (:=x)           not an LDAP filter: expected an attribute or a matching rule before ":=" at character 4, found "x"
    (:dn:=x)        not an LDAP filter: expected an attribute or a matching rule before ":=" at character 7, found "x"
    (cn:1.2:dn:=x)  not an LDAP filter: expected ":=" after the matching rule at character 11, found ":"
    (cn:x=1)        not an LDAP filter: expected ":=" at character 6, found "="
    (cn::=1)        not an LDAP filter: expected "dn" or a matching rule at character 5, found ":"
    "#);
}

#[test]
fn a_hostile_depth_is_refused_before_the_stack_ends() {
    let nested = |depth: usize| format!("{}(a=1){}", "(!".repeat(depth), ")".repeat(depth));
    let deepest = filter(&nested(MAX_DEPTH - 1));
    assert_eq!(filter(&deepest.to_string()), deepest);
    for depth in [MAX_DEPTH, 1_000_000] {
        let error = nested(depth).parse::<Filter>().expect_err("too deep").to_string();
        assert!(error.contains(&MAX_DEPTH.to_string()), "{error}");
    }
}

#[test]
fn the_attributes_a_filter_names_are_known() {
    let names = |text: &str| filter(text).attributes().into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("(&(|(CN;lang-de=a*)(mail=*))(!(uid>=1))(OU:dn:=x))"), "cn mail ou uid");
    assert!(filter("(!(&(a=1)(:caseExactMatch:=x)))").asks_every_attribute());
    assert!(!filter("(!(&(a=1)(b:caseExactMatch:=x)))").asks_every_attribute());
}

#[test]
fn a_rule_that_is_unknown_here_is_named() {
    let unknown = |text: &str| filter(text).unknown_rule();
    assert_eq!(
        unknown("(!(memberOf:1.2.840.113556.1.4.1941:=cn=a))").as_deref(),
        Some("1.2.840.113556.1.4.1941")
    );
    assert_eq!(unknown("(&(a=1)(cn:CASEEXACTMATCH:=x)(b:=1)(c:1.2.840.113556.1.4.803:=2))"), None);
}

fn jane() -> Entry {
    Entry::new("uid=jane,OU=Sales,dc=lg")
        .with("objectClass", &["top", "person", "inetOrgPerson"])
        .with("cn", &["Jane  DOE"])
        .with("cn;lang-ja", &["ジェーン"])
        .with("uidNumber", &["1000"])
        .with("userAccountControl", &["514"])
        .with("groupType", &["-2147483646"])
        .with("createTimestamp", &["20240229120000Z"])
        .with("manager", &["CN=Doe\\2C John,OU=Sales,DC=lg"])
        .with("objectCategory", &["CN=Organizational-Unit,CN=Schema,CN=Configuration,DC=lg"])
        .with("member", &[])
        .with("member;range=0-0", &["cn=a"])
}

#[test]
fn an_entry_matches_as_a_directory_would_say() {
    for text in [
        "(CN=jane doe)",
        "(cn=ジェーン)",
        "(cn;lang-ja=*)",
        "(!(cn;lang-de=*))",
        "(cn=J*d*e)",
        "(cn=*ne d*)",
        "(cn~=JANE DOE)",
        "(uidNumber>=999)",
        "(uidNumber<=1000)",
        "(!(uidNumber>=1001))",
        "(createTimestamp>=20240229130000+0200)",
        "(manager=cn=doe\\5c, john, ou=sales, dc=LG)",
        "(&)",
        "(!(|))",
        "(!(department=x))",
        "(|(cn=jane doe)(cn:unknown:=1))",
        "(!(&(a=1)(b:unknown:=1)))",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(!(userAccountControl:1.2.840.113556.1.4.803:=3))",
        "(userAccountControl:1.2.840.113556.1.4.804:=3)",
        "(groupType:1.2.840.113556.1.4.803:=2147483648)",
        "(ou:dn:=sales)",
        "(!(ou:=sales))",
        "(cn:caseExactMatch:=Jane DOE)",
        "(!(cn:2.5.13.5:=jane doe))",
        "(uidNumber:integerMatch:=01000)",
        "(objectCategory=organizationalUnit)",
        "(!(objectCategory=person))",
        "(member=*)",
    ] {
        assert!(filter(text).matches(&jane()), "{text}");
    }
}

#[test]
fn what_cannot_be_told_matches_neither_way() {
    for text in [
        "(cn:1.2.840.113556.1.4.1941:=x)",
        "(userAccountControl:1.2.840.113556.1.4.803:=many)",
        "(:caseIgnoreMatch:=jane)",
        "(member=cn=b)",
        "(&(cn=*)(cn:unknown:=x))",
        "(|(a=1)(cn:unknown:=x))",
    ] {
        assert!(!filter(text).matches(&jane()), "{text}");
        assert!(!filter(&format!("(!{text})")).matches(&jane()), "not {text}");
    }
}

#[test]
fn white_space_at_the_end_of_a_substring_filter_counted_unlike_in_slapd() {
    let jane = Entry::new("").with("cn", &["Jane  Doe"]);
    for text in ["(cn=*doe )", "(cn= jane*)", "(cn=jane *)", "(cn=* doe)"] {
        assert!(filter(text).matches(&jane), "{text}");
    }
    assert!(!filter("(cn=*jane doe *)").matches(&jane));
}

#[test]
fn substrings_do_not_overlap_and_keep_their_order() {
    let matches = |text: &str, value: &str| filter(text).matches(&Entry::new("").with("cn", &[value]));
    assert!(matches("(cn=ab*ba)", "abba") && !matches("(cn=ab*ba)", "aba"));
    assert!(matches("(cn=*a*b*)", "xaxb") && !matches("(cn=*b*a*)", "xaxb"));
    assert!(matches("(cn=* d*)", "jane  Doe") && !matches("(cn=* n*)", "jane doe"));
    assert!(matches("(cn=É*)", "e\u{301}tienne") && matches("(cn=* *)", "a b"));
}

#[test]
fn a_value_is_escaped_so_that_it_means_only_itself() {
    assert_eq!(escape_value(b"a*(b)\\\0\x1f\xff\xc3"), "a\\2a\\28b\\29\\5c\\00\\1f\\ff\\c3");
    assert_eq!(escape_value("Zoë=".as_bytes()), "Zoë=");
}

#[test]
fn a_filter_is_its_text_in_json() {
    let text = "\"(&(mail=*)(cn=\\\\2a))\"";
    let filter: Filter = serde_json::from_str(text).expect("parses");
    assert_eq!(serde_json::to_string(&filter).expect("prints"), text);
    assert!(serde_json::from_str::<Filter>("\"mail\"").is_err());
}

#[test]
fn filters_that_ask_the_same_have_one_form() {
    for (written, canonical) in [
        ("(objectClass=inetOrgPerson)", "(objectclass=inetOrgPerson)"),
        ("(&(objectClass=a)(&(mail=*)(OU=b)))", "(&(mail=*)(objectclass=a)(ou=b))"),
        ("(|(b=1)(a=1)(B=1))", "(|(a=1)(b=1))"),
        ("(&(mail=*))", "(mail=*)"),
        ("(!(!(mail=*)))", "(mail=*)"),
        ("(&)", "(&)"),
        ("(&(|(a=1)(b=1))(c=1))", "(&(c=1)(|(a=1)(b=1)))"),
        ("(CN:caseExactMatch:=A)", "(cn:caseexactmatch:=A)"),
    ] {
        assert_eq!(filter(written).canonical().to_string(), canonical, "{written}");
    }
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let attribute = || "[a-zA-Z][a-zA-Z0-9-]{0,4}(;[a-z]{1,3})?|[0-2](\\.[0-9]{1,2}){1,3}";
    let value = || {
        prop_oneof![proptest::collection::vec(any::<u8>(), 0..6), "\\PC{0,4}".prop_map(String::into_bytes)]
    };
    let part = || proptest::collection::vec(any::<u8>(), 1..4);
    let item = prop_oneof![
        (attribute(), value()).prop_map(|(attribute, value)| Filter::Equality { attribute, value }),
        (attribute(), value()).prop_map(|(attribute, value)| Filter::GreaterOrEqual { attribute, value }),
        (attribute(), value()).prop_map(|(attribute, value)| Filter::LessOrEqual { attribute, value }),
        (attribute(), value()).prop_map(|(attribute, value)| Filter::Approx { attribute, value }),
        attribute().prop_map(|attribute| Filter::Present { attribute }),
        (
            attribute(),
            proptest::option::of(part()),
            proptest::collection::vec(part(), 0..3),
            proptest::option::of(part())
        )
            .prop_filter("at least one part", |(_, initial, any, last)| initial.is_some()
                || last.is_some()
                || !any.is_empty())
            .prop_map(|(attribute, initial, any, last)| Filter::Substrings {
                attribute,
                initial,
                any,
                last
            }),
        (proptest::option::of(attribute()), any::<bool>(), proptest::option::of("[a-z0-9.]{1,5}"), value())
            .prop_filter("an attribute or a rule", |(attribute, dn, rule, _)| {
                (attribute.is_some() || rule.is_some()) && (*dn || rule.as_deref() != Some("dn"))
            })
            .prop_map(|(attribute, dn_attributes, rule, value)| Filter::Extensible {
                attribute,
                dn_attributes,
                rule,
                value
            }),
    ];
    item.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_printed_parses_to_the_same_filter(original in any_filter()) {
        prop_assert_eq!(filter(&original.to_string()), original);
    }

    #[test]
    fn the_canonical_form_is_its_own_and_matches_the_same(original in any_filter(), value in "[a-c]{0,2}") {
        let canonical = original.canonical();
        prop_assert_eq!(canonical.canonical(), canonical.clone());
        for attribute in original.attributes() {
            let entry = Entry::new("cn=a").with(&attribute, &[&value]);
            prop_assert_eq!(canonical.matches(&entry), original.matches(&entry));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*|[()&|!=*:\\\\a-c0-9 ~<>;.]{0,24}", value in "\\PC*") {
        if let Ok(filter) = text.parse::<Filter>() {
            let _ = filter.matches(&Entry::new(value.clone()).with("a", &[&value, "1"]).with("b", &[]));
            prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
        }
    }

    #[test]
    fn no_filter_matches_together_with_its_negation(filter in any_filter(), value in proptest::collection::vec(any::<u8>(), 0..6)) {
        let mut entry = Entry::new("cn=a");
        for attribute in filter.attributes() {
            entry.push(attribute, vec![value.clone()]);
        }
        let negation = Filter::Not(Box::new(filter.clone()));
        prop_assert!(!(filter.matches(&entry) && negation.matches(&entry)));
    }
}
