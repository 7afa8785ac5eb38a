//! How text compares: names and addresses are equal when they differ only in case or in Unicode composition.

use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The form under which `userPrincipalName`, `mail` and names compare: NFC, case-folded, outer white space gone.
///
/// Two texts with the same key claim the same name. Borrowed when the text is its own key, which for the ASCII
/// addresses of most companies it is.
pub fn key(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    // Lower-casing may leave NFC (İ becomes i + U+0307), so it is composed again afterwards.
    Cow::Owned(text.nfc().flat_map(char::to_lowercase).flat_map(fold).nfc().collect())
}

/// The text in NFC, borrowed when it already is.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// A number of something, in words: `1 person`, `2 people`.
pub fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// What lower-casing leaves different although Unicode's full case folding makes it equal.
fn fold(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'ς' => ('σ', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_or_composition_have_one_key() {
        assert_eq!(key(" Jane.Doe@Example.com "), "jane.doe@example.com");
        assert_eq!(key("ZOË"), key("zoe\u{308}"));
        assert_eq!(key("STRASSE"), key("straße"));
        assert_eq!(key("ΣΊΣΥΦΟΣ"), key("Σίσυφος"));
        assert_ne!(key("zoë"), key("zoe"));
    }

    #[test]
    fn a_key_is_its_own_key() {
        for text in ["İstanbul", "ǅ", "ﬃ", "Łukasz", "Ａ"] {
            let once = key(text).into_owned();
            assert_eq!(key(&once), once, "{text}");
        }
    }
}
