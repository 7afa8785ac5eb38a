//! Text of the directory and of servers, as it may be shown on a terminal.
//!
//! Whoever may edit a title of their own could otherwise move the cursor, recolor the screen, or write lines that look like ours
//! (CWE-150).

use std::borrow::Cow;

/// The text with what controls a terminal, breaks a line or turns the direction of writing spelled out: `\n`, `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(controls) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if controls(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Control characters (C0, DEL and C1), separators of lines and paragraphs, and those that turn the direction of writing.
fn controls(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_forged_the_end_of_a_preview() {
        let title = "B\u{1b}]0;pwned\u{7}\u{1b}[2J\nApplied. 0 deleted\u{9b}31m\u{202e}";
        assert_eq!(printable(title), r"B\u{1b}]0;pwned\u{7}\u{1b}[2J\nApplied. 0 deleted\u{9b}31m\u{202e}");
    }

    #[test]
    fn names_of_people_are_shown_as_they_are() {
        for name in ["Zoë Łukasz", "Ἀριστοτέλης", "名前", "a\\b", "O'Brien", "👩\u{200d}💻"]
        {
            assert!(matches!(printable(name), Cow::Borrowed(shown) if shown == name), "{name}");
        }
    }
}
