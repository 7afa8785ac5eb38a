//! The mechanics of [`super::resolve()`]: take a value from where it stands, note its origin, collect problems.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use serde_yaml::Spanned;

use super::error::Problem;
use super::file::Written;
use super::show::{REDACTED, Shown};
use super::{Environment, secrets};
use crate::tls;

/// What the origin of a value says that is shown as none.
const UNUSABLE: &str = "not usable, see below";

/// A value on its way, and where it came from.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) origin: String,
    pub(super) position: Option<(u64, u64)>,
}

/// Walks the keys; what it meets on the way is kept here.
pub(super) struct Resolver<'a> {
    pub(super) name: &'a str,
    /// The folder of adc.yaml, from the root; `None` of a text that lies in no file.
    folder: Option<PathBuf>,
    environment: &'a Environment,
    pub(super) shown: Vec<Shown>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// `path` is where the file lies, if it lies anywhere.
    pub(super) fn new(name: &'a str, path: Option<&Path>, environment: &'a Environment) -> Self {
        let folder = path.and_then(|path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            path.parent().map(Path::to_owned)
        });
        Self { name, folder, environment, shown: Vec::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// The path of a file that adc.yaml names. A relative one counts from the folder of adc.yaml: who writes it sees that, and
    /// a service is started in `/`.
    pub(super) fn named_file(&self, written: Written<String>) -> Option<Found<String>> {
        let mut found = self.located(written?);
        if let Some(folder) = &self.folder {
            // What is not UTF-8 in the folder's own name cannot be shown, and so not be kept as text either.
            found.value = folder.join(&found.value).to_str().map_or(found.value, str::to_owned);
        }
        Some(found)
    }

    pub(super) fn seconds(&mut self, key: &'static str, written: Written<u64>, default: u64) -> Duration {
        let position = written.as_ref().map(position);
        let seconds = self.with_default(key, written, default);
        if seconds == 0 {
            self.problem_at(position, format!("{key} is 0; give a number of seconds, at least 1"));
        }
        Duration::from_secs(seconds)
    }

    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        written: Written<String>,
        choices: &[T],
        default: T,
        name: fn(T) -> &'static str,
    ) -> T {
        let Some(written) = written else {
            self.shown.push(Shown { key, value: name(default).into(), origin: "default".to_owned() });
            return default;
        };
        let found = self.located(written);
        self.show(key, Some(&found));
        choices.iter().copied().find(|choice| name(*choice) == found.value).unwrap_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|choice| name(*choice)).collect();
            self.problem(&found, format!("{key}: \"{}\" is none of {}", found.value, names.join(", ")));
            default
        })
    }

    /// A file of certificate authorities, which is read again whenever a connection needs it.
    pub(super) fn ca_file(&mut self, key: &'static str, written: Written<String>) -> Option<PathBuf> {
        let found = self.named_file(written);
        if let Some(found) = &found
            && let Err(error) = tls::authorities(Path::new(&found.value))
        {
            self.problem(found, format!("{key}: {error}"));
        }
        self.show(key, found.as_ref());
        found.map(|found| PathBuf::from(found.value))
    }

    pub(super) fn optional(&mut self, key: &'static str, written: Written<String>) -> Option<String> {
        let found = written.map(|written| self.located(written));
        if found.as_ref().is_some_and(|found| found.value.trim().is_empty()) {
            self.problem_at(
                found.as_ref().and_then(|found| found.position),
                format!("{key} is empty; give a value or remove the key"),
            );
        }
        self.show(key, found.as_ref());
        found.map(|found| found.value)
    }

    pub(super) fn with_default<T: Into<Value> + Copy>(
        &mut self,
        key: &'static str,
        written: Written<T>,
        default: T,
    ) -> T {
        let found = written.map_or_else(
            || Found { value: default, origin: "default".to_owned(), position: None },
            |written| self.located(written),
        );
        self.shown.push(Shown { key, value: found.value.into(), origin: found.origin });
        found.value
    }

    /// The value, or the problem that it is missing; `what` says what it is and where else it may stand.
    pub(super) fn required<T>(&mut self, key: &str, found: Option<Found<T>>, what: &str) -> Option<Found<T>> {
        if found.is_none() && !self.problems.iter().any(|problem| problem.sentence.starts_with(key)) {
            self.problem_at(None, format!("{key} is missing: {what}"));
        }
        found
    }

    /// What a text means. One that means nothing is not shown: it may hold what no address should, a password.
    pub(super) fn parsed<T: FromStr<Err: Display> + Display>(
        &mut self,
        key: &'static str,
        found: Option<Found<String>>,
    ) -> Option<Found<T>> {
        let Some(found) = found else {
            self.show::<T>(key, None);
            return None;
        };
        match found.value.parse() {
            Ok(value) => {
                let parsed = Found { value, origin: found.origin, position: found.position };
                self.show(key, Some(&parsed));
                Some(parsed)
            }
            Err(error) => {
                self.problem(&found, format!("{key}: {error}"));
                self.shown.push(Shown {
                    key,
                    value: Value::Null,
                    origin: format!("{}, {UNUSABLE}", found.origin),
                });
                None
            }
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<Found<String>> {
        let value = self.environment.get(name)?;
        Some(Found { value: value.to_owned(), origin: format!("environment {name}"), position: None })
    }

    pub(super) fn file<T>(&self, written: Written<T>) -> Option<Found<T>> {
        written.map(|written| self.located(written))
    }

    pub(super) fn secret_file(&mut self, key: &str, written: Written<String>) -> Option<Found<SecretString>> {
        let found = self.named_file(written)?;
        let path = Path::new(&found.value);
        self.warnings.extend(secrets::warn_if_others_can_read(path));
        self.secret_at(key, path, format!("file {}, named in {}", found.value, found.origin), found.position)
    }

    /// A secret that systemd keeps for this service: it sees to it itself that nobody else can read it.
    pub(super) fn credential(&mut self, key: &str, name: &str) -> Option<Found<SecretString>> {
        let path = self.environment.credential(name)?;
        self.secret_at(key, &path, format!("systemd credential {name}"), None)
    }

    fn secret_at(
        &mut self,
        key: &str,
        path: &Path,
        origin: String,
        position: Option<(u64, u64)>,
    ) -> Option<Found<SecretString>> {
        match secrets::read(path) {
            Ok(value) => Some(Found { value, origin, position }),
            Err(clause) => {
                self.problem_at(position, format!("{key}: {clause}"));
                None
            }
        }
    }

    pub(super) fn twice(&mut self, key: &str, path: &Spanned<String>) {
        let position = position(path);
        self.problem_at(Some(position), format!("{key} and {key}_file are both given; keep one of them"));
    }

    pub(super) fn located<T>(&self, written: Spanned<T>) -> Found<T> {
        let position = position(&written);
        Found { value: written.value, origin: self.origin(position), position: Some(position) }
    }

    /// Where in the file a value stands, as messages put it: `adc.yaml:12:8`.
    pub(super) fn origin(&self, (line, column): (u64, u64)) -> String {
        format!("{}:{line}:{column}", self.name)
    }

    pub(super) fn show<T: Display>(&mut self, key: &'static str, found: Option<&Found<T>>) {
        self.shown.push(Shown {
            key,
            value: found.map(|found| found.value.to_string()).into(),
            origin: found.map_or_else(|| "not set".to_owned(), |found| found.origin.clone()),
        });
    }

    pub(super) fn show_secret(&mut self, key: &'static str, found: Option<&Found<SecretString>>) {
        self.shown.push(Shown {
            key,
            value: found.map(|_| REDACTED).into(),
            origin: found.map_or_else(|| "not set".to_owned(), |found| found.origin.clone()),
        });
    }

    pub(super) fn problem<T>(&mut self, found: &Found<T>, sentence: String) {
        let place = if found.position.is_some() { self.name.to_owned() } else { found.origin.clone() };
        self.problems.push(Problem { place, position: found.position, sentence });
    }

    pub(super) fn problem_at(&mut self, position: Option<(u64, u64)>, sentence: String) {
        self.problems.push(Problem { place: self.name.to_owned(), position, sentence });
    }
}

/// Line and column of a written value, both from 1.
pub(super) fn position<T>(written: &Spanned<T>) -> (u64, u64) {
    (written.referenced.line(), written.referenced.column())
}

/// A value of the command line.
pub(super) fn flag(flag: &str, value: Option<&String>) -> Option<Found<String>> {
    value.map(|value| Found { value: value.clone(), origin: format!("flag {flag}"), position: None })
}
