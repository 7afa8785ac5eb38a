//! The directory is only ever read (invariant 1): nothing that we ship knows how to write to one.

use super::sources::{Source, files, words};

/// What is part of the product. The in-memory directory and the tests write to directories, and are not.
const PRODUCT: [&str; 3] = ["adc/src", "adc-core/src", "adc-server/src"];

/// Names of the writing operations in `ldap3`, `ldap3_proto` and RFC 4511, and of the password change of RFC 3062.
const WORDS: [&str; 10] = [
    "modifydn",
    "modify_dn",
    "AddRequest",
    "DelRequest",
    "ModDnRequest",
    "ModifyDNRequest",
    "ModifyDnRequest",
    "ModifyRequest",
    "PasswordModify",
    "PasswdModify",
];

/// Making a request by hand (the class of every LDAP operation), and the OID of the password change.
const FRAGMENTS: [&str; 2] = ["TagClass::Application", "1.3.6.1.4.1.4203.1.11.1"];

/// First bytes of the writing operations on the wire (RFC 4511 section 4): modify, add, delete, modify DN, and
/// extended, which carries the password change.
const TAGS: [&str; 5] = ["0x66", "0x68", "0x4a", "0x6c", "0x77"];

/// Methods of `ldap3::Ldap` that write. They are looked for in the agent only, the one crate that has `ldap3`.
const METHODS: [&str; 4] = ["add", "delete", "modify", "extended"];

/// Lines that look so and are harmless: where, and what they hold.
const HARMLESS: [(&str, &str); 3] = [
    // rustls' store of certificates.
    ("adc/src/tls.rs", ".add(certificate)"),
    // What `adc check` found.
    ("adc/src/check/", "report.add("),
    // The one extended operation that is used.
    ("adc/src/directory/request.rs", "element(0x77, &element(0x80, START_TLS_OID.as_bytes()))"),
];

/// Crates that speak LDAP. Only the agent may have them.
const LDAP_CRATES: [&str; 3] = ["ldap3", "ldap3_proto", "lber"];

#[test]
fn no_source_of_the_product_knows_how_to_write_to_a_directory() {
    let violations: Vec<String> = PRODUCT
        .iter()
        .flat_map(|folder| files(folder, &[".rs"]))
        .flat_map(|file| violations(&file))
        .collect();
    assert!(violations.is_empty(), "the directory is only ever read:\n{}", violations.join("\n"));
}

#[test]
fn only_the_agent_has_a_crate_that_speaks_ldap() {
    for manifest in ["adc-core", "adc-server"].iter().flat_map(|folder| files(folder, &["Cargo.toml"])) {
        for crate_name in LDAP_CRATES {
            assert!(!manifest.names(crate_name), "{} names {crate_name}", manifest.path);
        }
    }
}

#[test]
fn every_way_to_write_is_found_when_somebody_adds_it() {
    let written = [
        "ldap.add(dn, attributes).await?;",
        "    self.connection.delete (dn).await?;",
        "Ldap::modify(&mut ldap, dn, mods)",
        "ldap.modifydn(dn, rdn, true, None)",
        "ldap.extended(exop)",
        "use ldap3::exop::PasswordModify;",
        "LdapOp::DelRequest(dn) => {}",
        "class: TagClass::Application,",
        "buffer.push(0x4A);",
        "let oid = \"1.3.6.1.4.1.4203.1.11.1\";",
    ];
    for line in written {
        let source = Source { path: "adc/src/ldap.rs".to_owned(), text: line.to_owned() };
        assert!(!violations(&source).is_empty(), "nobody noticed: {line}");
    }

    let read = [
        "#[cfg(test)]\nmod tests {\n    class: TagClass::Application,\n}",
        "ldap.streaming_search(base, scope, filter, attributes).await?;",
        "// We never call ldap.delete(dn).",
        "Action::Delete => \"delete\",",
        "deadline.checked_add(timeout)",
        "let added = additions.len();",
    ];
    for line in read {
        let source = Source { path: "adc/src/ldap.rs".to_owned(), text: line.to_owned() };
        assert_eq!(violations(&source), Vec::<String>::new());
    }
}

/// Every line of code that could write to a directory, as `path:line: text`.
fn violations(source: &Source) -> Vec<String> {
    let in_agent = source.path.starts_with("adc/");
    let harmless =
        |line: &str| HARMLESS.iter().any(|(path, call)| source.path.starts_with(path) && line.contains(call));
    let writes = |line: &str| {
        let lower = line.to_lowercase();
        let writes = words(line).any(|word| WORDS.contains(&word))
            || words(&lower).any(|word| TAGS.contains(&word))
            || FRAGMENTS.iter().any(|fragment| line.contains(fragment))
            || (in_agent && METHODS.iter().any(|method| calls(line, method)));
        writes && !harmless(line)
    };
    let lines = source.shipped_code().filter(|(_, line)| writes(line));
    lines.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())).collect()
}

/// Whether a line calls a method or an associated function of this name.
fn calls(line: &str, method: &str) -> bool {
    line.match_indices(method).any(|(at, _)| {
        let before = &line[..at];
        let after = line[at + method.len()..].trim_start();
        (before.ends_with('.') || before.ends_with("::")) && after.starts_with('(')
    })
}
