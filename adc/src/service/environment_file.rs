//! adc.cfg, read again: systemd reads an `EnvironmentFile=` only when it starts a service (systemd.exec(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::config::Environment;

/// Names the file to the agent; units set it beside `EnvironmentFile=`.
const VARIABLE: &str = "ADC_ENVIRONMENT_FILE";

/// The file that part of the environment came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EnvironmentFile {
    path: PathBuf,
    /// What it said when the process was started; nothing where there was none, as units allow (`EnvironmentFile=-`).
    at_start: Option<BTreeMap<String, String>>,
}

impl EnvironmentFile {
    /// The file that the environment names, as it is now.
    pub(super) fn at_start(environment: &Environment) -> Option<Self> {
        let path = PathBuf::from(environment.get(VARIABLE)?);
        let at_start = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read.unwrap_or_default()),
        };
        Some(Self { path, at_start })
    }

    /// The environment as it would be had the process been started now. A file that cannot be read changes nothing: under systemd it
    /// may be root's alone.
    pub(super) fn renewed(&self, environment: &Environment) -> Environment {
        match (read(&self.path), &self.at_start) {
            (Ok(now), None) => environment.clone().with(now),
            (Ok(now), Some(at_start)) => environment.without(at_start.keys()).with(now),
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => environment.clone(),
            (Err(error), _) => {
                tracing::warn!(
                    "{} cannot be read again: {error}; what was changed in it holds from the next start on",
                    self.path.display()
                );
                environment.clone()
            }
        }
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, String>> {
    fs::read_to_string(path).map(|text| assignments(&text))
}

/// What the text assigns, as systemd reads it: `NAME=value` on a line, comments after `#` or `;`, values in single or double quotes, a
/// backslash before whatever is to stand for itself, and before a line's end where the value goes on.
fn assignments(text: &str) -> BTreeMap<String, String> {
    let mut assigned = BTreeMap::new();
    let mut characters = text.chars().peekable();
    while let Some(first) = characters.next() {
        if first.is_whitespace() {
            continue;
        }
        if matches!(first, '#' | ';') {
            while characters.next_if(|character| *character != '\n').is_some() {}
            continue;
        }
        let mut name = first.to_string();
        while let Some(character) = characters.next_if(|character| !matches!(character, '=' | '\n')) {
            name.push(character);
        }
        if characters.next_if_eq(&'=').is_some() {
            assigned.insert(name.trim_end().to_owned(), value(&mut characters));
        }
    }
    assigned
}

/// What stands behind the equals sign, to the end of the line.
fn value(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut value = String::new();
    // White space at the end is no part of it, unless it stood in quotes or behind a backslash.
    let mut kept = 0;
    // Quotes are quotes only where the value has not begun without them.
    let mut bare = false;
    let mut quote = None;
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '\n') => break,
            (None, '\'' | '"') if !bare => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None | Some('"'), '\\') => match characters.next() {
                None | Some('\n') => {}
                Some(escaped) => {
                    if quote.is_some() && !matches!(escaped, '"' | '\\' | '`' | '$') {
                        value.push('\\');
                    }
                    value.push(escaped);
                    bare |= quote.is_none();
                }
            },
            (None, _) if character.is_whitespace() => {
                if bare {
                    value.push(character);
                }
                continue;
            }
            (_, _) => {
                value.push(character);
                bare |= quote.is_none();
            }
        }
        kept = value.len();
    }
    value.truncate(kept);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_systemd_reads_it() {
        let text = "# a comment\n; another\n\nADC_SERVER_URL=https://cloud.example.com\n  ADC_LOG = debug  \n\
                    ADC_SECRET_TOKEN=\"with \\\"quotes\\\" and # no comment\"\nADC_CONFIG='/etc/my adc.yaml'\n\
                    no assignment\nEMPTY=\nLONG=one \\\ntwo\nPARTS='a' \"b\"\nQUOTE=it's\nTICK=a\\ b\nLAST=x";
        let read = assignments(text);
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            read,
            [
                ("ADC_CONFIG", "/etc/my adc.yaml"),
                ("ADC_LOG", "debug"),
                ("ADC_SECRET_TOKEN", "with \"quotes\" and # no comment"),
                ("ADC_SERVER_URL", "https://cloud.example.com"),
                ("EMPTY", ""),
                ("LAST", "x"),
                ("LONG", "one two"),
                ("PARTS", "ab"),
                ("QUOTE", "it's"),
                ("TICK", "a b"),
            ]
        );
    }

    #[test]
    fn what_was_taken_out_of_the_file_is_gone_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("adc.cfg");
        fs::write(&path, "ADC_LOG=debug\nADC_SERVER_URL=https://old\n").expect("the folder can be written");
        let started = Environment::from([
            (VARIABLE, path.to_str().expect("the path is text")),
            ("ADC_LOG", "debug"),
            ("ADC_SERVER_URL", "https://old"),
            ("HTTPS_PROXY", "http://proxy"),
        ]);
        let file = EnvironmentFile::at_start(&started).expect("the environment names it");
        fs::write(&path, "ADC_SERVER_URL=https://new\n").expect("the folder can be written");
        let renewed = file.renewed(&started);
        assert_eq!(renewed.get("ADC_LOG"), None);
        assert_eq!(renewed.get("ADC_SERVER_URL"), Some("https://new"));
        assert_eq!(renewed.get("HTTPS_PROXY"), Some("http://proxy"));
        fs::remove_file(&path).expect("it is there");
        assert_eq!(file.renewed(&started).get("ADC_SERVER_URL"), Some("https://old"));
    }
}
