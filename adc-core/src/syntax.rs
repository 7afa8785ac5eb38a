//! What the parsers of names and filters share: reading text byte by byte, and saying where it went wrong.

/// Where a text stops being what it should be: the place, what could have stood there, and what does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at character {position}, found {}", shown(*found))]
pub struct SyntaxError {
    /// The character at which reading stopped, counted from 1.
    pub position: usize,
    /// What could have stood there.
    pub expected: &'static str,
    /// What stands there; `None` at the end of the text.
    pub found: Option<char>,
}

/// `"x"` for a character and `the end` for none.
fn shown(c: Option<char>) -> String {
    c.map_or_else(|| "the end".to_owned(), |c| format!("\"{}\"", c.escape_debug()))
}

/// Reads a text byte by byte.
///
/// Everything that steers a parser is ASCII, and bytes beyond ASCII are only ever copied, so that an error always
/// stands on a character's border.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte, left where it is.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Steps over `count` bytes that [`Cursor::rest`] has shown.
    pub(crate) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Steps over `text` if it comes next, and says whether it did; ASCII letters in any case.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let found =
            self.rest().get(..text.len()).is_some_and(|next| next.eq_ignore_ascii_case(text.as_bytes()));
        if found {
            self.at += text.len();
        }
        found
    }

    /// Steps over `text`, which must come next; `expected` says so in words.
    pub(crate) fn expect(&mut self, text: &str, expected: &'static str) -> Result<(), SyntaxError> {
        if self.eat(text) { Ok(()) } else { Err(self.error(expected)) }
    }

    /// Steps over ASCII bytes as long as they belong, and returns them.
    pub(crate) fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii() && belongs(byte)) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// Steps over white space, as far as it is ASCII.
    pub(crate) fn skip_spaces(&mut self) {
        self.take_while(is_space);
    }

    /// Steps over two hexadecimal digits, if they come next, and returns the octet they are.
    pub(crate) fn hex_pair(&mut self) -> Option<u8> {
        let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let &[high, low, ..] = self.rest() else { return None };
        let octet = nibble(high)? << 4 | nibble(low)?;
        self.at += 2;
        Some(octet)
    }

    /// The error that something else was expected here.
    pub(crate) fn error(&self, expected: &'static str) -> SyntaxError {
        let (before, after) = self.text.split_at(self.at);
        SyntaxError { position: before.chars().count() + 1, expected, found: after.chars().next() }
    }
}

/// White space between the parts of a name or a filter.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
