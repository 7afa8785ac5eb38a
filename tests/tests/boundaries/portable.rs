//! Nothing in the repository belongs to one machine.

use adc_tests::repository;

use super::sources::files;

/// What is written by hand, and could name a folder of its writer.
const ENDINGS: [&str; 14] = [
    ".rs",
    ".toml",
    ".md",
    ".yaml",
    ".yml",
    ".sql",
    ".snap",
    ".service",
    ".cfg",
    ".json",
    ".sh",
    ".ldif",
    "Cargo.lock",
    ".ci/run",
];

/// Where people and build machines keep their work; written in two parts, so that this file holds none of them.
const PLACES: [(&str, &str); 5] =
    [("/ho", "me/"), ("/Us", "ers/"), ("/ro", "ot/"), ("/wo", "rk/"), ("/buil", "ds/")];

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let root = repository().display().to_string();
    for file in files("", &ENDINGS) {
        for (number, line) in file.text.lines().enumerate() {
            let named = line.contains(&root)
                || PLACES.iter().any(|(one, two)| starts_a_path(line, &format!("{one}{two}")));
            assert!(!named, "{}:{} names a folder of one machine: {line}", file.path, number + 1);
        }
    }
}

/// Whether a path in the line starts there, rather than merely pass through a folder of that name.
fn starts_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place)
        .any(|(at, _)| !line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '.'))
}
