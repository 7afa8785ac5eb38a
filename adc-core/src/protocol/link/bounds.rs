//! How much an agent may say: what is kept of it for as long as its link stands, and what is written to a log.

use super::{AgentMessage, DirectoryInfo, Hello, NotUnderstood, Outcome};

/// The longest name (bytes): a host's DNS name has at most 255, all others are shorter.
const LONGEST_NAME: usize = 255;
/// The most bytes that a hello's configuration may have, names and values together: a filter and a mapping of thousands of lines.
const LARGEST_CONFIGURATION: usize = 64 << 10;
/// The most runs that a hello may name; an agent does one after the other.
const MOST_RUNS: usize = 64;
/// The longest sentence about an error (characters); what is longer is cut off.
const LONGEST_SENTENCE: usize = 2_000;

/// Holds a message against what an agent may say; sentences in it are cut off, and come without control characters.
///
/// # Errors
/// What is too long, or holds what no name does.
pub fn bounded(mut message: AgentMessage) -> Result<AgentMessage, NotUnderstood> {
    match &mut message {
        AgentMessage::Hello(hello) => check_hello(hello)?,
        AgentMessage::Directory(directory) => {
            check_directory(directory)?;
            directory.trouble.iter_mut().for_each(|trouble| shorten(&mut trouble.message));
        }
        AgentMessage::PublicKey { public_key } => check_name("public_key", public_key)?,
        AgentMessage::Progress(progress) => check_name("run_id", &progress.run_id)?,
        AgentMessage::RunEnded(ended) => {
            check_name("run_id", &ended.run_id)?;
            if let Some(error) = &mut ended.error {
                check_name("code", &error.code)?;
                shorten(&mut error.message);
            }
        }
        AgentMessage::Reply { outcome: Outcome::Error(error), .. } => {
            check_name("code", &error.code)?;
            shorten(&mut error.message);
        }
        AgentMessage::NotUnderstood(error) => {
            check_name("code", &error.code)?;
            shorten(&mut error.detail);
        }
        AgentMessage::Pong
        | AgentMessage::NotFollowing
        | AgentMessage::Reply { outcome: Outcome::Ok(_), .. } => {}
    }
    Ok(message)
}

fn check_hello(hello: &mut Hello) -> Result<(), NotUnderstood> {
    check_name("instance", &hello.instance)?;
    check_name("host", &hello.host)?;
    check_name("version", &hello.version)?;
    hello.public_key.iter().try_for_each(|key| check_name("public_key", key))?;
    if let Some(directory) = &mut hello.directory {
        check_directory(directory)?;
        directory.trouble.iter_mut().for_each(|trouble| shorten(&mut trouble.message));
    }
    hello.runs.iter().try_for_each(|run| check_name("runs", run))?;
    if hello.runs.len() > MOST_RUNS {
        return Err(too_much(format!("\"runs\" names more than {MOST_RUNS}")));
    }
    let bytes: usize = hello.configuration.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > LARGEST_CONFIGURATION {
        return Err(too_much(format!(
            "\"configuration\" has {bytes} bytes, and at most {LARGEST_CONFIGURATION} are taken"
        )));
    }
    Ok(())
}

fn check_directory(directory: &DirectoryInfo) -> Result<(), NotUnderstood> {
    check_name("kind", &directory.kind)?;
    directory.trouble.iter().try_for_each(|trouble| check_name("code", &trouble.code))?;
    directory.feed.iter().try_for_each(|feed| check_name("feed", feed))
}

fn check_name(field: &str, value: &str) -> Result<(), NotUnderstood> {
    if value.len() > LONGEST_NAME {
        return Err(too_much(format!("\"{field}\" is longer than {LONGEST_NAME} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(too_much(format!("\"{field}\" holds control characters")));
    }
    Ok(())
}

fn too_much(detail: String) -> NotUnderstood {
    NotUnderstood { code: NotUnderstood::MALFORMED.to_owned(), detail, id: None }
}

fn shorten(sentence: &mut String) {
    if sentence.chars().any(char::is_control) || sentence.chars().count() > LONGEST_SENTENCE {
        let printable = |character: char| if character.is_control() { ' ' } else { character };
        *sentence = sentence.chars().take(LONGEST_SENTENCE).map(printable).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RunEnded, understand};
    use super::*;
    use crate::protocol::RunError;

    fn hello() -> Hello {
        let text = r#"{"instance":"a","host":"dc1","version":"0.1.0","configuration":{"base_dn":"dc=lg"}}"#;
        serde_json::from_str(text).expect("a hello")
    }

    fn refused(hello: Hello) -> String {
        bounded(AgentMessage::Hello(Box::new(hello))).expect_err("too much").detail
    }

    #[test]
    fn what_a_hello_keeps_in_memory_is_bounded() {
        let long = "x".repeat(LONGEST_NAME + 1);
        assert!(bounded(AgentMessage::Hello(Box::new(hello()))).is_ok());
        assert_eq!(refused(Hello { host: long.clone(), ..hello() }), "\"host\" is longer than 255 bytes");
        assert!(refused(Hello { version: long.clone(), ..hello() }).contains("version"));
        assert!(refused(Hello { instance: long.clone(), ..hello() }).contains("instance"));
        assert!(refused(Hello { public_key: Some(long.clone()), ..hello() }).contains("public_key"));
        assert!(refused(Hello { runs: vec![String::new(); 65], ..hello() }).contains("runs"));
        let directory = Some(DirectoryInfo { kind: long, ..DirectoryInfo::default() });
        assert!(refused(Hello { directory, ..hello() }).contains("kind"));
        let configuration = (0..1_000).map(|number| (number.to_string(), "x".repeat(100))).collect();
        assert!(refused(Hello { configuration, ..hello() }).contains("configuration"));
    }

    #[test]
    fn what_would_forge_lines_of_a_log_is_no_name_and_no_sentence() {
        let host = "dc1\n2026-01-01 INFO all is well\u{1b}[2J".to_owned();
        assert_eq!(refused(Hello { host, ..hello() }), "\"host\" holds control characters");
        let message = format!("no\n\u{1b}{}", "x".repeat(3_000));
        let error = Some(RunError { code: "x".to_owned(), message });
        let ended = AgentMessage::RunEnded(RunEnded { run_id: "run_1".to_owned(), error });
        let Ok(AgentMessage::RunEnded(ended)) = bounded(ended) else { panic!("a sentence is cut off") };
        let message = ended.error.expect("it is kept").message;
        assert!(message.starts_with("no  xxx") && message.len() == LONGEST_SENTENCE, "{message}");
    }

    #[test]
    fn what_is_short_is_left_as_it_is() {
        let pong = understand::<AgentMessage>(r#"{"type":"pong"}"#).and_then(bounded);
        assert_eq!(pong, Ok(AgentMessage::Pong));
    }
}
