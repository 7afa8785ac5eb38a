//! Sentences on a terminal: broken between words.

/// The text on lines of at most `columns` characters: the first goes on from column `from`, the others are indented by `hanging` blanks.
///
/// A word stays whole, however long it is, so that addresses and names can be copied. In a file or a pipe (`None`) width costs
/// nothing, and nothing is broken; nor is it where fewer columns would be left than half.
pub fn wrapped(text: &str, columns: Option<u16>, from: usize, hanging: usize) -> String {
    let Some(columns) = columns.map(usize::from).filter(|columns| *columns > 2 * hanging) else {
        return text.to_owned();
    };
    let mut lines = String::with_capacity(text.len() + 16);
    let mut at = from;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        let blank = usize::from(index > 0);
        if at + blank + length > columns && at > hanging {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', hanging));
            at = hanging;
        } else {
            lines.extend(std::iter::repeat_n(' ', blank));
            at += blank;
        }
        lines.push_str(word);
        at += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_broken_between_words() {
        let text = "One clear sentence, with uid=jane.doe,ou=People,dc=lg in it.";
        assert_eq!(wrapped(text, None, 0, 2), text);
        assert_eq!(wrapped(text, Some(4), 0, 2), text, "there is no room to arrange anything");
        assert_eq!(
            wrapped(text, Some(20), 0, 2),
            "One clear sentence,\n  with\n  uid=jane.doe,ou=People,dc=lg\n  in it."
        );
        assert_eq!(wrapped("uid=jane.doe,ou=People", Some(20), 10, 2), "\n  uid=jane.doe,ou=People");
        assert_eq!(wrapped("exactly here", Some(20), 8, 0), "exactly here");
        assert_eq!(wrapped("exactly there", Some(20), 8, 0), "exactly\nthere");
    }
}
