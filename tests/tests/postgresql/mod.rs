//! The store's SQL is one text for SQLite and PostgreSQL: a real PostgreSQL migrates, and understands every statement.

mod server;
mod texts;

use adc_tests::repository;

use crate::boundaries::sources::{Source, files};
use server::Server;
use texts::statements;

/// Where the store's statements are written.
const STORE: &str = "adc-server/src/store";

/// What statements that are written in parts leave open, and what may stand there.
const OPEN: [(&str, &str); 2] = [("{table}", "objects"), ("{whom}", "= 'deleted'")];

/// What only SQLite is asked, apart from `PRAGMA` and `ATTACH`: how large its files are.
const OF_SQLITE: [(&str, &str); 1] = [("adc-server/src/store/gauges.rs", "pragma_database_list")];

/// A statement counts as understood if no fewer than these were found: else this test reads the wrong place.
const AT_LEAST: usize = 150;

#[test]
fn postgresql_understands_every_migration_and_every_statement() {
    let server = Server::start();
    let mut scripts: Vec<(String, String)> =
        files("adc-server/migrations", &[".sql"]).into_iter().map(|file| (file.path, file.text)).collect();
    scripts.push(staging());
    let prepared = files(STORE, &[".rs"]).iter().flat_map(statements_of).collect::<Vec<_>>();
    assert!(prepared.len() >= AT_LEAST, "only {} statements were found in {STORE}", prepared.len());
    scripts.extend(prepared);
    let complaints = server.run(&scripts);
    assert!(complaints.is_empty(), "PostgreSQL refuses what SQLite takes:\n{complaints}");
}

#[test]
fn what_postgresql_does_not_understand_is_noticed() {
    let server = Server::start();
    let run = |sql: &str| server.run(&[("a statement".to_owned(), prepare(0, sql))]);
    assert_eq!(run("SELECT 1 WHERE $1 = 2"), "");
    let complaint = run("SELECT json_extract($1, '$.x')");
    assert!(complaint.contains("a statement") && complaint.contains("json_extract"), "{complaint}");
}

/// The tables of what runs have sent. In SQLite it is the index that names the file, here the table.
fn staging() -> (String, String) {
    let path = format!("{STORE}/staging.sql");
    let text = std::fs::read_to_string(repository().join(&path)).expect("staging has tables");
    let mut sql = "CREATE SCHEMA staging;\n".to_owned();
    for line in text.lines() {
        let line = match line.strip_prefix("CREATE INDEX IF NOT EXISTS staging.") {
            Some(index) => format!("CREATE INDEX {}", index.replacen(" ON ", " ON staging.", 1)),
            None => line.to_owned(),
        };
        sql += &line;
        sql.push('\n');
    }
    (path, sql)
}

/// The statements of a file, each to be prepared, with where it stands.
fn statements_of(file: &Source) -> Vec<(String, String)> {
    // Unit tests, which end a file, may say what they like.
    let shipped = file.text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    let of_sqlite = |sql: &str| OF_SQLITE.iter().any(|(path, word)| file.path == *path && sql.contains(word));
    statements(shipped)
        .into_iter()
        .filter(|text| !of_sqlite(&text.sql))
        .map(|text| {
            let place = format!("{}:{}", file.path, text.line);
            let sql = OPEN.iter().fold(text.sql, |sql, (open, with)| sql.replace(open, with));
            assert!(!sql.contains('{'), "{place} leaves something open that this test does not know: {sql}");
            (place, prepare(text.line, &sql))
        })
        .collect()
}

/// The statement that prepares another.
fn prepare(number: usize, sql: &str) -> String {
    format!("PREPARE statement_{number} AS {};\nDEALLOCATE statement_{number};\n", ended(&numbered(sql)))
}

/// A statement with parameters of numbers: `bulk.rs` writes its own without.
fn numbered(sql: &str) -> String {
    let parts = sql.split('?').enumerate();
    parts
        .map(|(before, part)| if before == 0 { part.to_owned() } else { format!("${before}{part}") })
        .collect()
}

/// A statement as `bulk.rs` ends it, where that is left to it: an insertion of one row, a selection by one value.
fn ended(sql: &str) -> String {
    let columns = sql.strip_prefix("INSERT INTO ").and_then(|rest| Some((rest.find('(')?, rest.find(')')?)));
    match columns {
        Some((_, end)) if !sql.contains(" VALUES") && !sql.contains("SELECT ") => {
            let (head, tail) = sql.split_at("INSERT INTO ".len() + end + 1);
            let row = vec!["NULL"; head.matches(',').count() + 1].join(", ");
            format!("{head} VALUES ({row}){tail}")
        }
        _ if sql.starts_with("SELECT ") && sql.trim_end().ends_with(" AND dn_key") => {
            format!("{sql} IN ('')")
        }
        _ if sql.starts_with("SELECT ") && sql.trim_end().ends_with(" AND source_id") => {
            format!("{sql} IN ('')")
        }
        _ => sql.to_owned(),
    }
}
