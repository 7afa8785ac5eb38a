//! YAML's own signs where a filter was meant.
//!
//! `filter: &(objectClass=person)(uid=a*)` is an anchor and no value in YAML, `filter: !(uid=a*)` a tag and none: both
//! would read as "no filter", and everybody would be read. adc.yaml needs neither, so they are refused wherever they
//! stand.

use serde_yaml::granit_parser::{Scanner, StrInput, TokenType};

use super::error::{ConfigError, Problem};

/// Refuses anchors and tags in the text of the file called `name`. What is no YAML at all is left to the reader.
pub(super) fn refuse(name: &str, text: &str) -> Result<(), ConfigError> {
    for token in Scanner::new(StrInput::new(text)) {
        let (at, sentence) = match &token {
            Ok(token) => match token.token_type() {
                TokenType::Anchor(_) => (token.span().start, ANCHOR),
                TokenType::Tag(..) => (token.span().start, TAG),
                _ => continue,
            },
            // Many filters are not even well-formed anchors and tags: then it is the scanner that gives up at the sign.
            Err(error) => match text.chars().nth(error.marker().index()) {
                Some('&') => (*error.marker(), ANCHOR),
                Some('!') => (*error.marker(), TAG),
                _ => return Ok(()),
            },
        };
        let position = Some((at.line() as u64, at.col() as u64 + 1));
        let problem = Problem { place: name.to_owned(), position, sentence: sentence.to_owned() };
        return Err(ConfigError { problems: vec![problem] });
    }
    Ok(())
}

const ANCHOR: &str =
    "\"&\" at the start of a value is YAML's anchor sign; write (&(…)(…)), or put the value in quotes";
const TAG: &str =
    "\"!\" at the start of a value is YAML's tag sign; write (!(…)), or put the value in quotes";

#[cfg(test)]
mod tests {
    use crate::config::file::File;

    fn filtered(value: &str) -> Result<Option<String>, String> {
        let text = format!("backend:\n  ldap:\n    sync:\n      filter: {value}\n");
        let file = File::parse("adc.yaml", &text).map_err(|error| error.to_string())?;
        Ok(file.backend.ldap.sync.filter.map(|written| written.value))
    }

    #[test]
    fn a_filter_that_yaml_takes_for_an_anchor_is_not_read_as_everybody() {
        for value in [
            "&(objectClass=inetOrgPerson)(uid=a*)",
            "&(objectClass=person)",
            "&",
            "&(a=b) # people",
            "&people (objectClass=person)",
        ] {
            let message = filtered(value).expect_err(value);
            assert_eq!(
                message,
                "adc.yaml:4:15: \"&\" at the start of a value is YAML's anchor sign; write (&(…)(…)), or put the value in quotes",
                "{value}"
            );
        }
    }

    #[test]
    fn a_filter_that_yaml_takes_for_a_tag_is_not_read_as_everybody() {
        for value in ["!(objectClass=computer)", "!(|(a=b)(c=d))", "!", "!(a=b c)", "!!str (a=b)", "!{a=b}"] {
            let message = filtered(value).expect_err(value);
            assert_eq!(
                message,
                "adc.yaml:4:15: \"!\" at the start of a value is YAML's tag sign; write (!(…)), or put the value in quotes",
                "{value}"
            );
        }
    }

    #[test]
    fn signs_in_lists_and_secrets_are_refused_and_secrets_not_quoted() {
        for text in
            ["server:\n  secret_token: !geheim\n", "backend:\n  ldap:\n    attributes: [mail, &geheim]\n"]
        {
            let message = File::parse("adc.yaml", text).expect_err("must be refused").to_string();
            assert!(message.contains("put the value in quotes") && !message.contains("geheim"), "{message}");
        }
    }

    #[test]
    fn filters_in_parentheses_or_quotes_are_taken_as_they_are() {
        for (value, meant) in [
            ("(&(a=b)(!(c=d)))", "(&(a=b)(!(c=d)))"),
            ("'&(a=b)'", "&(a=b)"),
            ("\"!(a=b)\"", "!(a=b)"),
            (">-\n        (&(a=b)\n        (c=d))", "(&(a=b) (c=d))"),
            ("(a=b) # & and ! in a comment", "(a=b)"),
        ] {
            assert_eq!(filtered(value).expect(value).as_deref(), Some(meant));
        }
    }
}
