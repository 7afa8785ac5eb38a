//! How directories compare text: `caseIgnoreMatch` (RFC 4517, 4.2.11).

use crate::text;
use std::borrow::Cow;

/// The form under which `caseIgnoreMatch` compares: NFC, case-folded, outer white space gone, and every run of white
/// space inside a single space (RFC 4518, 2.6.1). Borrowed when the text already has it.
pub(crate) fn case_ignore(text: &str) -> Cow<'_, str> {
    let folded = text::key(text);
    if has_single_spaces(&folded) { folded } else { Cow::Owned(single_spaces(&folded)) }
}

/// Replaces every run of white space by a single space.
pub(crate) fn single_spaces(text: &str) -> String {
    let mut single = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars() {
        let space = c.is_whitespace();
        if !space {
            single.push(c);
        } else if !in_run {
            single.push(' ');
        }
        in_run = space;
    }
    single
}

fn has_single_spaces(text: &str) -> bool {
    let mut in_run = false;
    text.chars().all(|c| {
        let space = c.is_whitespace();
        let fine = !space || (c == ' ' && !in_run);
        in_run = space;
        fine
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_case_do_not_count() {
        assert_eq!(case_ignore("  Jane\t \u{a0}DOE "), "jane doe");
        assert_eq!(case_ignore("ZOË"), case_ignore("zoe\u{308}"));
        assert_ne!(case_ignore("jane doe"), case_ignore("janedoe"));
        assert!(matches!(case_ignore("jane doe"), Cow::Borrowed("jane doe")));
    }
}
