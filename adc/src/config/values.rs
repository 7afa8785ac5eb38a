//! What stands after a key's colon, where the reader would take it for something else than was written.
//!
//! In YAML, `dry-run: "true"` is a text of four letters. The reader would take it for the switch all the same, but the
//! next tool that reads the file would not. And `dry-run:` or `filter:` with nothing behind it (a line that was never
//! finished, a template that had no value) would read as if the key were not there: a real run, of everybody.

use serde_yaml::granit_parser::{Marker, ScalarStyle, Scanner, StrInput, TokenType};

use super::error::Problem;

/// The keys whose values are true or false.
const SWITCHES: [&str; 9] = [
    "allow_insecure",
    "dry-run",
    "no-update",
    "no-create",
    "no-delete",
    "delete-disables",
    "no-update-provider-mismatch",
    "create-as-disabled",
    "start_tls",
];
/// The keys whose values are numbers.
const NUMBERS: [&str; 4] = ["connect_timeout", "search_timeout", "page_size", "timeout"];
/// The keys whose values are text, or a list of it.
const TEXTS: [&str; 23] = [
    "url",
    "application_id",
    "secret_token",
    "secret_token_file",
    "ca_file",
    "proxy",
    "addr",
    "server_name",
    "bind_dn",
    "bind_password",
    "bind_password_file",
    "sasl",
    "client_cert_file",
    "client_key_file",
    "base_dn",
    "scope",
    "referrals",
    "preset",
    "id_attribute",
    "attributes",
    "filter",
    "username_attribute",
    "username_filter_template",
];
/// How YAML writes "nothing".
const NULLS: [&str; 4] = ["~", "null", "Null", "NULL"];

/// What is wrong with such values in the text of the file called `name`. What is no YAML at all is left to the reader.
pub(super) fn oddities(name: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut at = At::Elsewhere;
    for token in Scanner::new(StrInput::new(text)) {
        let Ok(token) = token else { break };
        let start = token.span().start;
        if let At::Value(key) = &at
            && let Some((place, sentence)) = wrong(key, token.token_type(), start)
        {
            let position = Some((place.line() as u64, place.col() as u64 + 1));
            problems.push(Problem { place: name.to_owned(), position, sentence });
        }
        at = match (at, token.token_type()) {
            (_, TokenType::Key) => At::Key,
            (At::Key, TokenType::Scalar(_, key)) => At::Colon(Key::of(key, start)),
            (At::Colon(Some(key)), TokenType::Value) | (At::Value(key), TokenType::Comment(_)) => {
                At::Value(key)
            }
            _ => At::Elsewhere,
        };
    }
    problems
}

/// Where among the tokens we are.
enum At {
    Elsewhere,
    /// A key comes next.
    Key,
    /// The colon of a key comes next; which, if it is one of ours.
    Colon(Option<Key>),
    /// Its value comes next.
    Value(Key),
}

/// A key, where it stands, and what its value is.
struct Key {
    name: String,
    start: Marker,
    /// What to write instead of text, where the value is no text.
    typed: Option<&'static str>,
}

impl Key {
    fn of(name: &str, start: Marker) -> Option<Self> {
        let typed = if SWITCHES.contains(&name) {
            Some("true or false")
        } else if NUMBERS.contains(&name) {
            Some("a number")
        } else if TEXTS.contains(&name) {
            None
        } else {
            return None;
        };
        Some(Self { name: name.to_owned(), start, typed })
    }
}

/// What is wrong with a value that begins with this token, and where.
fn wrong(key: &Key, value: &TokenType<'_>, start: Marker) -> Option<(Marker, String)> {
    let name = &key.name;
    match (value, key.typed) {
        (TokenType::Scalar(ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, _), Some(typed)) => Some((
            start,
            format!(
                "the value of `{name}` is in quotes, which makes it text; drop the quotes and write {typed}"
            ),
        )),
        (TokenType::Scalar(ScalarStyle::Plain, text), _) if NULLS.contains(&text.as_ref()) => {
            Some((start, missing(name)))
        }
        (
            TokenType::Key
            | TokenType::BlockEnd
            | TokenType::FlowEntry
            | TokenType::FlowMappingEnd
            | TokenType::DocumentStart
            | TokenType::DocumentEnd
            | TokenType::StreamEnd,
            _,
        ) => Some((key.start, missing(name))),
        _ => None,
    }
}

fn missing(name: &str) -> String {
    format!("the value of `{name}` is missing; write it after the colon or remove the key")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EXAMPLE;
    use crate::config::diagnose::SECTIONS;
    use crate::config::file::File;

    fn refusal(text: &str) -> String {
        let problems = File::parse("adc.yaml", text).expect("parses").oddities;
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_quoted_text_was_taken_for_a_switch() {
        insta::assert_snapshot!(refusal("settings:\n  dry-run: \"true\"\n"), @"adc.yaml:2:12: the value of `dry-run` is in quotes, which makes it text; drop the quotes and write true or false");
        insta::assert_snapshot!(refusal("settings: {no-delete: 'no'}\n"), @"adc.yaml:1:23: the value of `no-delete` is in quotes, which makes it text; drop the quotes and write true or false");
        insta::assert_snapshot!(refusal("backend:\n  ldap:\n    start_tls: 'true'\n    sync:\n      page_size: \"20\"\n"), @r"
        adc.yaml:3:16: the value of `start_tls` is in quotes, which makes it text; drop the quotes and write true or false
        adc.yaml:5:18: the value of `page_size` is in quotes, which makes it text; drop the quotes and write a number
        ");
    }

    #[test]
    fn a_key_without_a_value_was_taken_for_no_key() {
        insta::assert_snapshot!(refusal("settings:\n  dry-run:\n  no-delete: true\n"), @"adc.yaml:2:3: the value of `dry-run` is missing; write it after the colon or remove the key");
        insta::assert_snapshot!(refusal("backend:\n  ldap:\n    sync:\n      filter: # who?\n"), @"adc.yaml:4:7: the value of `filter` is missing; write it after the colon or remove the key");
        insta::assert_snapshot!(refusal("backend: {ldap: {attributes: ~, sync: {filter: }}}"), @r"
        adc.yaml:1:30: the value of `attributes` is missing; write it after the colon or remove the key
        adc.yaml:1:40: the value of `filter` is missing; write it after the colon or remove the key
        ");
    }

    #[test]
    fn text_may_be_quoted_and_lists_may_stand_below_their_key() {
        let text = "\"settings\":\n  \"dry-run\": true\nbackend:\n  ldap:\n    bind_password: \"20\"\n    attributes: # at most\n    - \"timeout\"\n    - 'null'\n    id_attribute: |\n      x\n";
        let file = File::parse("adc.yaml", text).expect("parses");
        assert_eq!(file.settings.dry_run.map(|written| written.value), Some(true));
        assert_eq!(file.backend.ldap.attributes.map(|written| written.value.len()), Some(2));
        assert_eq!(file.oddities, []);
    }

    #[test]
    fn every_key_is_known_and_of_the_kind_that_the_example_shows() {
        let sections =
            ["server", "settings", "backend", "ldap", "sync", "groups", "org_units", "authentication"];
        let keys = SECTIONS.iter().flat_map(|(_, keys)| *keys).filter(|key| !sections.contains(key));
        let known = |key: &str| Key::of(key, Marker::new(0, 0, 0));
        keys.for_each(|key| assert!(known(key).is_some(), "{key} is not known here"));
        for line in EXAMPLE.lines().map(|line| line.trim_start_matches(['#', ' '])) {
            if let Some((key, value)) = line.split_once(": ")
                && let Some(key) = known(key)
            {
                let is_typed = value == "true" || value == "false" || value.parse::<u64>().is_ok();
                assert_eq!(key.typed.is_some(), is_typed, "{}", key.name);
            }
        }
    }
}
