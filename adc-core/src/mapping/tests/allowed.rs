//! What adc.yaml allows, and what a policy may ask for within that.

use super::*;

#[test]
fn a_policy_cannot_ask_for_more_than_adc_yaml_allows() {
    let field = |from: &str| with_fields(&format!(r#"[{{"name":"x","from":{from}}}]"#), &[]);
    let bounded = |fields: &str, attributes: &[&str]| with_fields(fields, attributes);
    let policy = |policy: &str| compile(policy, &Bounds::default(), RootDse::default());
    let id = |id: &str| {
        compile("{}", &Bounds { id_attribute: Some(id.to_owned()), ..Bounds::default() }, RootDse::default())
    };
    let errors = [
        field(r#""employeeType""#),
        field(r#"["mail", "employeeType"]"#),
        field(r#""{{ mail }}{{ employeeType }}""#),
        field(r#""userPassword""#),
        field(r#""USERPASSWORD;x-hashed""#),
        field(r#""2.5.4.35""#),
        field(r#""{{ unicodePwd }}""#),
        field(r#""msLAPS-EncryptedPassword""#),
        field(r#""given name""#),
        bounded(r#"[{"name":"x","from":"title"}]"#, &["mail"]),
        bounded("[]", &["mail", "ms-Mcs-AdmPwdExpirationTime"]),
        bounded("[]", &["mail", "*"]),
        bounded("[]", &["cn"]),
        policy(r#"{"include":["(|(mail=*)(userPassword={SSHA}a*))"]}"#),
        policy(r#"{"exclude":[{"name":"a","filter":"(!(employeeType=x))"}]}"#),
        policy(r#"{"exclude":[{"name":"a","filter":"(:caseExactMatch:=secret)"}]}"#),
        policy(r#"{"include":["(manager:1.2.840.113556.1.4.1941:=cn=a)"]}"#),
        id("unicodePwd"),
    ];
    let errors = errors.map(|result| result.expect_err("refused").to_string());
    insta::assert_snapshot!(errors.join("\n"), @r##"
    policy.mapping: the field "x" asks for employeeType, which is not among the preset's attributes; list the attributes that may leave the network, employeeType among them, as backend.ldap.attributes in adc.yaml, or take it out
    policy.mapping: the field "x" asks for employeeType, which is not among the preset's attributes; list the attributes that may leave the network, employeeType among them, as backend.ldap.attributes in adc.yaml, or take it out
    policy.mapping: the field "x" asks for employeeType, which is not among the preset's attributes; list the attributes that may leave the network, employeeType among them, as backend.ldap.attributes in adc.yaml, or take it out
    policy.mapping: the field "x" asks for userPassword, which holds a password or its hash and is never read; take it out
    policy.mapping: the field "x" asks for USERPASSWORD;x-hashed, which holds a password or its hash and is never read; take it out
    policy.mapping: the field "x" asks for 2.5.4.35, which holds a password or its hash and is never read; take it out
    policy.mapping: the field "x" asks for unicodePwd, which holds a password or its hash and is never read; take it out
    policy.mapping: the field "x" asks for msLAPS-EncryptedPassword, which holds a computer's administrator password (Windows LAPS) and is never read; take it out
    policy.mapping: the field "x" names "given name", which is no attribute; name one as the directory does, such as mail
    policy.mapping: the field "x" asks for title, which is not among backend.ldap.attributes in adc.yaml; add it there, or take it out
    backend.ldap.attributes asks for ms-Mcs-AdmPwdExpirationTime, which holds a computer's administrator password (LAPS) and is never read; take it out
    backend.ldap.attributes names "*", which is no attribute; name one as the directory does, such as mail
    none of the attributes of the field "username" (mail, uid) is among backend.ldap.attributes in adc.yaml; add one of them, or map username from another
    policy.include: the filter (|(mail=*)(userPassword={SSHA}a*)) asks for userpassword, which holds a password or its hash and is never read; take it out
    policy.exclude: the rule "a" asks for employeetype, which is not among the preset's attributes; list the attributes that may leave the network, employeetype among them, as backend.ldap.attributes in adc.yaml, or take it out
    policy.exclude: the rule "a" asks every attribute, also those that may not be asked for; name an attribute before the matching rule
    policy.include: the filter (manager:1.2.840.113556.1.4.1941:=cn=a) uses the matching rule 1.2.840.113556.1.4.1941, which the agent cannot evaluate, so that it would match nobody; use another
    backend.ldap.id_attribute asks for unicodePwd, which holds a password or its hash and is never read; take it out
    "##);
}

#[test]
fn options_that_make_no_sense_together_are_refused() {
    let errors = [
        r#"{"name":"active","from":"title"}"#,
        r#"{"name":"email","from":"mail","multi_valued":true}"#,
        r#"{"name":"x","from":"mail","multi_valued":true,"unique":true}"#,
        r#"{"name":"x","from":"{{ mail }}","multi_valued":true}"#,
        r#"{"name":"x","from":"{{ mail"}"#,
        r#"{"name":"x","from":"{{ mail|shout }}"}"#,
        r#"{"name":"x","from":"{% for i in mail %}{{ i }}{% endfor %}"}"#,
        r#"{"name":"x","from":"{{ mail * 1000000 }}"}"#,
        r#"{"name":"x","from":"{{ mail[:1] }}"}"#,
        r#"{"name":"x","from":"{{ 'everybody' }}"}"#,
    ]
    .map(|field| with_fields(&format!("[{field}]"), &[]).expect_err(field).to_string());
    insta::assert_snapshot!(errors.join("\n"), @r##"
    policy.mapping: the field "active" is what the directory says of the account; it cannot be mapped, so choose another name
    policy.mapping: the field "email" holds one value; take multi_valued out
    policy.mapping: the field "x" is a list, and a list cannot be unique; take out unique or multi_valued
    policy.mapping: the field "x" is filled by a template, which gives one value; take multi_valued out
    policy.mapping: the field "x": the template cannot be read: syntax error (unexpected end of input, expected end of variable block)
    policy.mapping: the field "x": the template cannot be read: unknown filter (filter shout is unknown)
    policy.mapping: the field "x": the template contains "{%"; use only expressions such as {{ givenName|left(1) }}
    policy.mapping: the field "x": the template contains "*"; use only expressions such as {{ givenName|left(1) }}
    policy.mapping: the field "x": the template contains "["; use only expressions such as {{ givenName|left(1) }}
    policy.mapping: the field "x": the template names no attribute, so that everybody would get the same value; name one
    "##);
}

#[test]
fn a_template_never_costs_more_than_its_share() {
    let long = "a".repeat(2_000);
    assert!(with_fields(&format!(r#"[{{"name":"x","from":"{{{{ mail }}}}{long}"}}]"#), &[]).is_err());
    let mapping = with_fields(
        &format!(
            r#"[{{"name":"x","from":"{{{{ mail{} }}}}"}}]"#,
            r"|replace('', 'aaaaaaaaaaaaaaaaaaaa')".repeat(20)
        ),
        &[],
    )
    .expect("compiles");
    let record = mapping.map(Kind::User, &jane());
    assert_eq!(problem(&record), "mapping-template: field \"x\": the template failed (invalid operation)");
}

#[test]
fn every_secret_is_refused_by_name_and_by_oid() {
    for secret in SECRETS {
        for name in [secret.name.replace('*', "x").to_ascii_uppercase(), secret.oid.to_owned()] {
            let bounds =
                Bounds { attributes: Some(vec!["mail".to_owned(), name.clone()]), ..Bounds::default() };
            let result = compile("{}", &bounds, RootDse::default());
            assert!(name.is_empty() || matches!(result, Err(MappingError::Secret { .. })), "{name}");
        }
    }
}

#[test]
fn a_policys_preset_reads_no_more_than_that_of_adc_yaml() {
    let policy = r#"{"mapping":{"preset":"active-directory","fields":[
        {"name":"username","from":"mail"},{"name":"office","from":"physicalDeliveryOfficeName"}]}}"#;
    let bounds = Bounds { preset: Preset::InetOrgPerson, ..Bounds::default() };
    for root_dse in [RootDse::default(), active_directory()] {
        let error = compile(policy, &bounds, root_dse).expect_err("refused").to_string();
        assert!(
            error.contains("asks for physicalDeliveryOfficeName, which is not among the preset's"),
            "{error}"
        );
    }

    let policy = r#"{"mapping":{"preset":"active-directory","fields":[{"name":"username","from":"mail"}]}}"#;
    let mapping = compile(policy, &bounds, RootDse::default()).expect("compiles");
    assert_eq!(mapping.filter(Kind::User), Flavor::InetOrgPerson.filter(Kind::User));
    let asked = mapping.attributes(Kind::User);
    assert!(!asked.iter().any(|name| name.eq_ignore_ascii_case("physicalDeliveryOfficeName")), "{asked:?}");
}
