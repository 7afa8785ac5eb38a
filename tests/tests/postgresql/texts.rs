//! The SQL texts of a source file, as the compiler puts them together: literals, `concat!`, and the file's own macros of texts.

use std::collections::BTreeMap;

/// The words that a statement both databases know begins with.
const BEGINNINGS: [&str; 5] = ["DELETE ", "INSERT ", "SELECT ", "UPDATE ", "WITH "];

/// A statement's text, or the beginning of one that `bulk.rs` ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// The line on which it begins.
    pub(crate) line: usize,
    /// What it says.
    pub(crate) sql: String,
}

/// The statements in Rust source. A conflict clause that stands alone, for `bulk.rs` to append, belongs to the statement before.
pub(crate) fn statements(source: &str) -> Vec<Text> {
    let mut texts: Vec<Text> = Vec::new();
    for text in all_texts(&tokens(source)) {
        let sql = text.sql.trim_start();
        if BEGINNINGS.iter().any(|beginning| sql.starts_with(beginning)) {
            texts.push(text);
        } else if sql.starts_with("ON CONFLICT") {
            let before = texts.last_mut().expect("a conflict clause follows an insertion");
            before.sql = format!("{} {sql}", before.sql);
        }
    }
    texts
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(String),
    Word(String),
    Sign(char),
}

/// A token and its line.
type Placed = (usize, Token);

/// Macros by name, and by how many texts they take: what stands for each in the body, and the body.
type Macros = BTreeMap<(String, usize), (Vec<String>, Vec<Placed>)>;

fn all_texts(tokens: &[Placed]) -> Vec<Text> {
    let (macros, rest) = definitions(tokens);
    let mut texts = Vec::new();
    let mut at = 0;
    while at < rest.len() {
        let line = rest[at].0;
        match evaluate(&rest[at..], &macros, &BTreeMap::new()) {
            Some((sql, taken)) => {
                texts.push(Text { line, sql });
                at += taken;
            }
            None => at += 1,
        }
    }
    texts
}

/// The text that the tokens begin with, and of how many of them it consists.
fn evaluate(tokens: &[Placed], macros: &Macros, given: &BTreeMap<String, String>) -> Option<(String, usize)> {
    match tokens {
        [(_, Token::Text(text)), ..] => Some((text.clone(), 1)),
        [(_, Token::Sign('$')), (_, Token::Word(name)), ..] => Some((given.get(name)?.clone(), 2)),
        [(_, Token::Word(name)), (_, Token::Sign('!')), (_, Token::Sign('(')), ..] => {
            let inside = inside(&tokens[2..]);
            let taken = 2 + inside.len() + 2;
            let mut texts = Vec::new();
            let mut at = 0;
            while at < inside.len() {
                let (text, taken) = evaluate(&inside[at..], macros, given)?;
                texts.push(text);
                // The comma after it.
                at += taken + 1;
            }
            if name == "concat" {
                return Some((texts.concat(), taken));
            }
            let (names, body) = macros.get(&(name.clone(), texts.len()))?;
            let given = names.iter().cloned().zip(texts).collect();
            Some((evaluate(body, macros, &given)?.0, taken))
        }
        _ => None,
    }
}

/// The macros that are defined among the tokens, and the rest of these.
fn definitions(tokens: &[Placed]) -> (Macros, Vec<Placed>) {
    let (mut macros, mut rest) = (Macros::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if let [(_, Token::Word(word)), (_, Token::Sign('!')), (_, Token::Word(name)), ..] = &tokens[at..]
            && word == "macro_rules"
        {
            let mut arms = inside(&tokens[at + 3..]);
            at += 3 + arms.len() + 2;
            while !arms.is_empty() {
                let pattern = inside(arms);
                // "=>" stands between the two, and perhaps ";" behind.
                let body = inside(&arms[pattern.len() + 4..]);
                let names: Vec<String> = pattern
                    .windows(2)
                    .filter_map(|two| match two {
                        [(_, Token::Sign('$')), (_, Token::Word(name))] => Some(name.clone()),
                        _ => None,
                    })
                    .collect();
                macros.insert((name.clone(), names.len()), (names, body.to_vec()));
                arms = &arms[pattern.len() + 4 + body.len() + 2..];
                if let [(_, Token::Sign(';')), others @ ..] = arms {
                    arms = others;
                }
            }
        } else {
            rest.push(tokens[at].clone());
            at += 1;
        }
    }
    (macros, rest)
}

/// What stands between the bracket that the tokens begin with and the one that closes it.
fn inside(tokens: &[Placed]) -> &[Placed] {
    let mut depth = 0;
    for (at, (line, token)) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        assert!(depth > 0, "line {line}: here a bracket was expected");
        if depth == 1 && matches!(tokens.get(at + 1), Some((_, Token::Sign(')' | ']' | '}')))) {
            return &tokens[1..=at];
        }
    }
    panic!("a bracket is not closed");
}

/// The tokens of Rust source, as far as texts are concerned: comments, lifetimes and numbers' kinds do not matter.
fn tokens(source: &str) -> Vec<Placed> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let line = source[..source.len() - rest.len()].matches('\n').count() + 1;
        let (token, length) = if rest.starts_with("//") {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if c == '"' {
            let (text, length) = text(rest);
            (Some(Token::Text(text)), length)
        } else if c == '\'' {
            (None, character(rest))
        } else if c.is_alphanumeric() || c == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Some(Token::Word(rest[..length].to_owned())), length)
        } else {
            ((!c.is_whitespace()).then_some(Token::Sign(c)), c.len_utf8())
        };
        tokens.extend(token.map(|token| (line, token)));
        rest = &rest[length..];
    }
    tokens
}

/// The literal that `rest` begins with, and its length in the source.
fn text(rest: &str) -> (String, usize) {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, at + 1),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                // The line goes on, without the blanks that the next begins with.
                Some('\n') => {
                    let behind = rest[at + 2..].len() - rest[at + 2..].trim_start().len();
                    for _ in 0..rest[at + 2..at + 2 + behind].chars().count() {
                        chars.next();
                    }
                }
                Some(escaped) => text.push(escaped),
                None => break,
            },
            c => text.push(c),
        }
    }
    panic!("a text is not closed: {rest}");
}

/// The length of a character, or of the tick of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\\'), Some(escaped), Some('\'')) => 3 + escaped.len_utf8(),
        (Some(c), Some('\''), _) if c != '\\' => 2 + c.len_utf8(),
        _ => 1,
    }
}

#[test]
fn texts_are_read_as_the_compiler_reads_them() {
    let source = r#"
        // "SELECT no comment"
        macro_rules! select { ($which:literal) => { concat!("SELECT * ", $which, " LIMIT $1") }; }
        macro_rules! nothing { () => { "1 = 1" }; }
        const ONE: &str = select!(concat!("WHERE ", nothing!(), "\
            AND '\\'"));
        fn two<'a>(c: char) { matches!(c, '"' | '\''); query("DELETE FROM t"); other("no statement"); }
        insert("INSERT INTO t (a)", "ON CONFLICT DO NOTHING")
    "#;
    let sql: Vec<String> = statements(source).into_iter().map(|text| text.sql).collect();
    assert_eq!(
        sql,
        [
            r"SELECT * WHERE 1 = 1AND '\' LIMIT $1",
            "DELETE FROM t",
            "INSERT INTO t (a) ON CONFLICT DO NOTHING",
        ]
    );
}
