//! What is wrong with a configuration, where, and what to do.

use std::fmt;

/// Everything that is wrong with a configuration, so that it is mended in one go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong: a whole sentence, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the environment variable, or the flag; empty when the sentence names it.
    pub place: String,
    /// Line and column in the file, both from 1.
    pub position: Option<(u64, u64)>,
    /// What is wrong and what to do. Never holds a secret.
    pub sentence: String,
}

impl ConfigError {
    /// An error of one problem that no position belongs to.
    pub fn of(place: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { problems: vec![Problem { place: place.into(), position: None, sentence: sentence.into() }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place.as_str(), self.position) {
            ("", _) => write!(f, "{}", self.sentence),
            (place, None) => write!(f, "{place}: {}", self.sentence),
            (place, Some((line, column))) => write!(f, "{place}:{line}:{column}: {}", self.sentence),
        }
    }
}
