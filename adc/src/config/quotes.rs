//! Quoted text where a switch or a number was meant.
//!
//! In YAML, `dry-run: "true"` is a text of four letters. The reader would take it for the switch all the same, but the
//! next tool that reads the file would not, and what a quoted `"no"` or `"07"` means is anybody's guess.

use serde_yaml::granit_parser::{ScalarStyle, Scanner, StrInput, TokenType};

use super::error::{ConfigError, Problem};

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

/// Refuses quoted switches and numbers in the text of the file called `name`. What is no YAML at all is left to the reader.
pub(super) fn refuse(name: &str, text: &str) -> Result<(), ConfigError> {
    let mut problems = Vec::new();
    let mut at = At::Elsewhere;
    for token in Scanner::new(StrInput::new(text)) {
        let Ok(token) = token else { break };
        at = match (at, token.token_type()) {
            (_, TokenType::Key) => At::Key,
            (At::Key, TokenType::Scalar(_, key)) => {
                At::Colon(meant_for(key).map(|meant| (key.to_string(), meant)))
            }
            (At::Colon(Some(meant)), TokenType::Value) => At::Value(meant),
            (
                At::Value((key, meant)),
                TokenType::Scalar(ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, _),
            ) => {
                let start = token.span().start;
                problems.push(Problem {
                    place: name.to_owned(),
                    position: Some((start.line() as u64, start.col() as u64 + 1)),
                    sentence: format!(
                        "the value of `{key}` is in quotes, which makes it text; drop the quotes and write {meant}"
                    ),
                });
                At::Elsewhere
            }
            _ => At::Elsewhere,
        };
    }
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

/// Where among the tokens we are.
enum At {
    Elsewhere,
    /// A key comes next.
    Key,
    /// The key's colon comes next; the key and what its value must be, if it is one of ours.
    Colon(Option<(String, &'static str)>),
    /// Its value comes next.
    Value((String, &'static str)),
}

fn meant_for(key: &str) -> Option<&'static str> {
    if SWITCHES.contains(&key) {
        return Some("true or false");
    }
    NUMBERS.contains(&key).then_some("a number")
}

#[cfg(test)]
mod tests {
    use crate::config::EXAMPLE;
    use crate::config::file::File;

    fn refusal(text: &str) -> String {
        File::parse("adc.yaml", text).expect_err(text).to_string()
    }

    #[test]
    fn a_quoted_text_was_taken_for_a_switch() {
        insta::assert_snapshot!(refusal("settings:\n  dry-run: \"true\"\n"), @r#"adc.yaml:2:12: the value of `dry-run` is in quotes, which makes it text; drop the quotes and write true or false"#);
        insta::assert_snapshot!(refusal("settings: {no-delete: 'no'}\n"), @"adc.yaml:1:23: the value of `no-delete` is in quotes, which makes it text; drop the quotes and write true or false");
        insta::assert_snapshot!(refusal("backend:\n  ldap:\n    start_tls: 'true'\n    sync:\n      page_size: \"20\"\n"), @r#"
        adc.yaml:3:16: the value of `start_tls` is in quotes, which makes it text; drop the quotes and write true or false
        adc.yaml:5:18: the value of `page_size` is in quotes, which makes it text; drop the quotes and write a number
        "#);
    }

    #[test]
    fn text_may_be_quoted() {
        let text = "\"settings\":\n  \"dry-run\": true\nbackend:\n  ldap:\n    bind_password: \"20\"\n    attributes: [\"timeout\", \"mail\"]\n";
        let file = File::parse("adc.yaml", text).expect("parses");
        assert_eq!(file.settings.dry_run.map(|written| written.value), Some(true));
    }

    #[test]
    fn every_switch_and_number_of_the_example_is_refused_in_quotes() {
        let mut seen = 0;
        for line in EXAMPLE.lines().map(|line| line.trim_start_matches(['#', ' '])) {
            let Some((key, value)) = line.split_once(": ") else { continue };
            if value == "true" || value == "false" || value.parse::<u64>().is_ok() {
                seen += 1;
                assert!(
                    super::meant_for(key).is_some(),
                    "{key} is typed in examples/adc.yaml, and not known here"
                );
            }
        }
        assert_eq!(seen, super::SWITCHES.len() + super::NUMBERS.len());
    }
}
