//! The repository's own files, and the words in them.

use std::fs;
use std::path::{Path, PathBuf};

use adc_tests::repository;

/// Folders that hold what is built, not what is written.
const NOT_SOURCES: [&str; 3] = [".git", "target", "dist"];

/// What cargo puts into every folder that it builds into, whatever its name.
const BUILT_MARK: &str = "CACHEDIR.TAG";

/// A file of the repository.
pub(crate) struct Source {
    /// Its path from the repository's root.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl Source {
    /// The lines that are not comments, each with its number, from 1.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The lines of code that are shipped: without the module of unit tests that ends a file (clippy's
    /// `items_after_test_module` keeps it last), and nothing of a file of unit tests.
    pub(crate) fn shipped_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_inline = |at: usize| lines.get(at + 1).is_some_and(|next| next.ends_with('{'));
        let end = lines.iter().enumerate().find(|(at, line)| **line == "#[cfg(test)]" && is_inline(*at));
        let end = if self.path.ends_with("/tests.rs") { 0 } else { end.map_or(lines.len(), |(at, _)| at) };
        self.code().take_while(move |(number, _)| *number <= end)
    }

    /// Whether a line of code holds this word, as a word of its own and not in a text.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.code().any(|(_, line)| words(&without_texts(line)).any(|other| other == word))
    }
}

/// The text files below a folder of the repository whose names end in one of these.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<Source> {
    let root = repository();
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths);
    let mut sources: Vec<Source> = paths
        .into_iter()
        .filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .map(|path| Source {
            text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            path: path.strip_prefix(root).expect("it lies below the root").display().to_string(),
        })
        .collect();
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!sources.is_empty(), "{folder} holds no source: this test reads the wrong place");
    sources
}

/// A line without what stands between quotes.
fn without_texts(line: &str) -> String {
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

/// The identifiers and numbers of a line.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        let built = NOT_SOURCES.iter().any(|name| path.ends_with(name)) || path.join(BUILT_MARK).is_file();
        if path.is_symlink() || built {
            continue;
        }
        if path.is_dir() { collect(&path, paths) } else { paths.push(path) }
    }
}
