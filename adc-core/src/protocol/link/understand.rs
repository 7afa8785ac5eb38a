//! Reading a message that may come from a newer version, or from nobody who speaks this protocol.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// "I did not understand this": the answer to what one side does not know. It is never answered itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{detail}")]
pub struct NotUnderstood {
    /// [`UNKNOWN`](Self::UNKNOWN) or [`MALFORMED`](Self::MALFORMED).
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// The number of the request that was not understood.
    #[serde(default)]
    pub id: Option<u64>,
}

impl NotUnderstood {
    /// A message, or a request, of a kind that is not known: the other side is newer.
    pub const UNKNOWN: &'static str = "unknown-message";
    /// No message at all.
    pub const MALFORMED: &'static str = "malformed-message";

    /// What is said to a frame that is no text.
    pub fn not_text() -> Self {
        Self::malformed("a message is JSON in a text frame, and this one is binary".to_owned())
    }

    fn malformed(detail: String) -> Self {
        Self { code: Self::MALFORMED.to_owned(), detail, id: None }
    }
}

/// Reads a message.
///
/// # Errors
/// What to answer. Nothing of the message is quoted but the name of its kind: the rest may be secret.
pub fn understand<T: DeserializeOwned>(text: &str) -> Result<T, NotUnderstood> {
    serde_json::from_str(text).map_err(|error| {
        let Ok(envelope) = serde_json::from_str::<Envelope>(text) else {
            return NotUnderstood::malformed(
                "a message is a JSON object with a \"type\", and this is none".to_owned(),
            );
        };
        // What serde says of an unknown kind names it and those it knows; of anything else the place is enough.
        if error.to_string().starts_with(UNKNOWN_VARIANT) {
            let kind = envelope.request.and_then(|request| request.ask).unwrap_or(envelope.kind);
            let kind: String = kind.chars().filter(char::is_ascii_graphic).take(LONGEST_KIND).collect();
            let detail = format!("a message of the kind \"{kind}\" is not known to this version");
            return NotUnderstood { code: NotUnderstood::UNKNOWN.to_owned(), detail, id: envelope.id };
        }
        let detail = format!(
            "a message lacks something or holds what it must not, near line {} column {}",
            error.line(),
            error.column()
        );
        NotUnderstood { id: envelope.id, ..NotUnderstood::malformed(detail) }
    })
}

/// How serde begins its complaint about a tag that names no variant.
const UNKNOWN_VARIANT: &str = "unknown variant";
/// How much of a kind's name is repeated.
const LONGEST_KIND: usize = 64;

/// What every message has in common.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    request: Option<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    ask: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::{AgentMessage, Request, ServerMessage};
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> NotUnderstood {
        understand::<ServerMessage>(text).expect_err(text)
    }

    #[test]
    fn a_message_reads_as_it_was_written() {
        let message =
            ServerMessage::Request { id: 7, request: Request::Cancel { run_id: "run_1".to_owned() } };
        let text = serde_json::to_string(&message).expect("plain data");
        insta::assert_snapshot!(text, @r#"{"type":"request","id":7,"request":{"ask":"cancel","run_id":"run_1"}}"#);
        assert_eq!(understand(&text), Ok(message));
    }

    #[test]
    fn what_a_newer_version_adds_to_a_known_message_is_passed_over() {
        assert_eq!(understand(r#"{"type":"pong","mood":"fine"}"#), Ok(AgentMessage::Pong));
    }

    #[test]
    fn an_unknown_message_is_told_from_a_malformed_one() {
        let unknown = refused(r#"{"type":"dance"}"#);
        assert_eq!((unknown.code.as_str(), unknown.id), (NotUnderstood::UNKNOWN, None));
        assert_eq!(unknown.detail, "a message of the kind \"dance\" is not known to this version");
        let request = refused(r#"{"type":"request","id":3,"request":{"ask":"dance"}}"#);
        assert_eq!((request.code.as_str(), request.id), (NotUnderstood::UNKNOWN, Some(3)));
        for text in ["", "7", "[]", "{", r#"{"kind":"ping"}"#, r#"{"type":"follow"}"#] {
            assert_eq!(refused(text).code, NotUnderstood::MALFORMED, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_understood_or_answered(text in ".*") {
            if let Err(error) = understand::<AgentMessage>(&text) {
                prop_assert!([NotUnderstood::UNKNOWN, NotUnderstood::MALFORMED].contains(&error.code.as_str()));
                prop_assert!(error.detail.len() < 200, "{}", error.detail);
            }
        }

        #[test]
        fn a_kind_that_is_not_known_is_named_shortly(kind in ".{0,2000}") {
            let error = refused(&serde_json::json!({ "type": kind, "id": 3 }).to_string());
            prop_assert!(error.detail.len() < 200 && error.detail.is_ascii(), "{}", error.detail);
        }
    }

    #[test]
    fn what_is_not_understood_is_not_quoted() {
        let secret = "correct horse";
        for text in [
            format!(r#"{{"type":"follow","changes":"{secret}"}}"#),
            format!(
                r#"{{"type":"request","id":1,"request":{{"ask":"check-password","sealed":"{secret}"}}}}"#
            ),
            secret.to_owned(),
        ] {
            assert!(!refused(&text).detail.contains(secret), "{text}");
        }
    }
}
