//! What the YAML reader said, as one sentence that helps.

use serde_yaml::Error;

use super::error::{ConfigError, Problem};

/// How alike (Jaro-Winkler) a written key must be to a known one to be taken for a slip of it.
const LIKELY_MEANT: f64 = 0.8;

/// Where each key belongs, for keys that were written elsewhere. A test keeps it in step with the example.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("the top level", &["server", "settings", "backend"]),
    ("server", &["url", "application_id", "secret_token", "secret_token_file", "proxy", "allow_insecure"]),
    (
        "settings",
        &[
            "dry-run",
            "no-update",
            "no-create",
            "no-delete",
            "delete-disables",
            "no-update-provider-mismatch",
            "create-as-disabled",
        ],
    ),
    ("backend", &["ldap"]),
    (
        "backend.ldap",
        &[
            "addr",
            "start_tls",
            "server_name",
            "bind_dn",
            "bind_password",
            "bind_password_file",
            "sasl",
            "client_cert_file",
            "client_key_file",
            "base_dn",
            "scope",
            "connect_timeout",
            "search_timeout",
            "referrals",
            "preset",
            "id_attribute",
            "attributes",
            "sync",
            "authentication",
        ],
    ),
    ("backend.ldap.sync", &["page_size", "filter", "groups", "org_units"]),
    ("backend.ldap.authentication", &["username_attribute", "username_filter_template", "timeout"]),
];

/// Explains an error of the YAML reader. Keys are quoted, values never.
pub(super) fn explain(name: &str, text: &str, error: &Error) -> ConfigError {
    let position = error.location().map(|at| (at.line(), at.column())).filter(|(line, _)| *line > 0);
    let key = position.and_then(|(line, _)| key_on_line(text, line)).filter(|key| is_known(key));
    ConfigError {
        problems: vec![Problem { place: name.to_owned(), position, sentence: sentence(error, key) }],
    }
}

fn sentence(error: &Error, key: Option<&str>) -> String {
    let value_of = key.map_or_else(|| "the value here".to_owned(), |key| format!("the value of `{key}`"));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` is given twice; keep one of them")
        }
        Error::DuplicateMappingKey { key: None, .. } => "a key is given twice; keep one of them".to_owned(),
        Error::InvalidScalar { ty, .. } => format!("{value_of} is not {}", readable(ty)),
        Error::InvalidBooleanStrict { .. } => format!("{value_of} is neither true nor false"),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("{value_of} is of the wrong kind: expected {}", readable(expected))
        }
        Error::Unexpected { expected, .. } => {
            format!("{value_of} is of the wrong kind: expected {}", readable(expected))
        }
        Error::NullIntoString { .. } => format!("{value_of} is missing; write it after the colon or remove the key"),
        Error::UnknownAnchor { .. } => {
            "`*` at the start of a value means a YAML alias, and there is none of this name; put the value in quotes"
                .to_owned()
        }
        Error::ExternalMessage { msg, .. } => {
            format!("this is not valid YAML ({msg}); check the indentation and put values that hold `: ` or ` #` in quotes")
        }
        Error::MultipleDocuments { .. } => "there is a second document after `---`; keep one".to_owned(),
        _ => "this is not valid YAML here; check the indentation and put values that hold special characters in quotes"
            .to_owned(),
    }
}

fn unknown_key(written: &str, expected: &[&str]) -> String {
    let nearest = expected
        .iter()
        .map(|known| (strsim::jaro_winkler(written, known), *known))
        .filter(|(alike, _)| *alike >= LIKELY_MEANT)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((_, known)) = nearest {
        return format!("unknown key `{written}`; did you mean `{known}`?");
    }
    if let Some((section, _)) = SECTIONS.iter().find(|(_, keys)| keys.contains(&written)) {
        return format!(
            "the key `{written}` does not belong here but under {section}; check the indentation"
        );
    }
    format!("unknown key `{written}`; known here are {}", expected.join(", "))
}

/// Only what is known to be a key is quoted as one: what else stands before a colon may be a secret.
fn is_known(key: &str) -> bool {
    key == "ca_file" || SECTIONS.iter().any(|(_, keys)| keys.contains(&key))
}

/// The key that a line gives a value to, if it plainly does. Anything else on the line may be a secret.
fn key_on_line(text: &str, line: u64) -> Option<&str> {
    let line = text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let (key, rest) = line.split_once(':')?;
    let key = key.trim();
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    (plain && (rest.is_empty() || rest.starts_with(' '))).then_some(key)
}

/// The reader's names of kinds, as people say them.
fn readable(kind: &str) -> &str {
    match kind {
        "bool" | "boolean" => "true or false",
        "u64" | "u32" | "integer" | "i64" => "a whole number that is not negative",
        "string" | "str" | "String" | "string scalar" => "text",
        kind if kind.starts_with("struct ") || kind == "mapping start" || kind.contains("map") => {
            "a section of its own (`key: value` lines below it, indented)"
        }
        kind if kind.contains("sequence") => "a list",
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::File;

    fn error(text: &str) -> String {
        File::parse("adc.yaml", text).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_slip_names_line_column_and_the_nearest_key() {
        insta::assert_snapshot!(error("server:\n  url: https://x\nbackend:\n  ldap:\n    bind_pasword: geheim\n"), @"adc.yaml:5:5: unknown key `bind_pasword`; did you mean `bind_password`?");
        insta::assert_snapshot!(error("settings:\n  dry_run: true\n"), @"adc.yaml:2:3: unknown key `dry_run`; did you mean `dry-run`?");
    }

    #[test]
    fn a_key_in_the_wrong_section_says_where_it_belongs() {
        insta::assert_snapshot!(error("backend:\n  ldap:\n    page_size: 20\n"), @"adc.yaml:3:5: the key `page_size` does not belong here but under backend.ldap.sync; check the indentation");
    }

    #[test]
    fn an_unknown_key_lists_what_is_known() {
        insta::assert_snapshot!(error("backend:\n  csv: x\n"), @"adc.yaml:2:3: unknown key `csv`; known here are ldap");
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_the_key() {
        insta::assert_snapshot!(error("backend:\n  ldap:\n    sync:\n      page_size: many\n"), @"adc.yaml:4:18: the value of `page_size` is not a whole number that is not negative");
        insta::assert_snapshot!(error("settings:\n  dry-run: perhaps\n"), @"adc.yaml:2:12: the value of `dry-run` is not true or false");
        insta::assert_snapshot!(error("backend:\n  ldap: here\n"), @"adc.yaml:2:9: the value of `ldap` is of the wrong kind: expected a section of its own (`key: value` lines below it, indented)");
    }

    #[test]
    fn a_duplicate_key_is_refused() {
        insta::assert_snapshot!(error("server:\n  url: a\n  url: b\n"), @"adc.yaml:3:3: the key `url` is given twice; keep one of them");
    }

    #[test]
    fn secrets_are_never_quoted() {
        for text in [
            "backend:\n  ldap:\n    bind_password: [geheim]\n",
            "backend:\n  ldap:\n    bind_password:\n      geheim: 1\n",
            "server:\n  secret_token: geheim: 2\n",
            "server:\n  secret_token: \"geheim\n",
            "server: geheim\n",
            "server:\n  allow_insecure: geheim\n",
            "geheim\n",
        ] {
            let message = error(text);
            assert!(!message.contains("geheim"), "{message}");
        }
    }

    #[test]
    fn the_sections_name_every_key_of_the_example() {
        for line in crate::config::EXAMPLE.lines() {
            let line = line.trim_start_matches(['#', ' ']);
            if let Some(key) = key_on_line(line, 1)
                && line.chars().next().is_some_and(|c| c.is_ascii_lowercase())
            {
                assert!(is_known(key), "{key} is in examples/adc.yaml, not in SECTIONS");
            }
        }
    }
}
