//! The subset of BER that LDAP is written in (RFC 4511 section 5.1): definite lengths, tags of one byte.
//!
//! Read without copying: what is found is a slice of what came. Nothing here panics on anything that comes.

/// `UNIVERSAL 1`
pub(super) const BOOLEAN: u8 = 0x01;
/// `UNIVERSAL 2`
pub(super) const INTEGER: u8 = 0x02;
/// `UNIVERSAL 4`
pub(super) const OCTET_STRING: u8 = 0x04;
/// `UNIVERSAL 10`
pub(super) const ENUMERATED: u8 = 0x0a;
/// `UNIVERSAL 16`, constructed
pub(super) const SEQUENCE: u8 = 0x30;
/// `UNIVERSAL 17`, constructed
pub(super) const SET: u8 = 0x31;

/// The five bits of a tag that say "its number follows in further bytes", which no tag of LDAP needs.
const LONG_TAG: u8 = 0x1f;
/// More bytes of length than this cannot be meant.
const MAX_LENGTH_BYTES: usize = 8;
/// Tag and length take no more than this.
pub(super) const MAX_HEADER_BYTES: usize = 2 + MAX_LENGTH_BYTES;

/// What came is not BER as LDAP writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element, its tag and its content; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        let Some(&tag) = self.0.first() else { return Ok(None) };
        let (header, length) = header(self.0)?.ok_or(Malformed)?;
        let end = header.checked_add(length).ok_or(Malformed)?;
        let content = self.0.get(header..end).ok_or(Malformed)?;
        self.0 = &self.0[end..];
        Ok(Some((tag, content)))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }
}

/// How long the element at the beginning of `bytes` is, header and content; `None` when too little of it came to tell.
pub(super) fn element_length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match header(bytes)? {
        Some((header, length)) => header.checked_add(length).map(Some).ok_or(Malformed),
        None => Ok(None),
    }
}

/// A number of at most eight bytes, two's complement.
pub(super) fn integer(content: &[u8]) -> Result<i64, Malformed> {
    let (&first, rest) = content.split_first().ok_or(Malformed)?;
    if content.len() > size_of::<i64>() {
        return Err(Malformed);
    }
    let first = i64::from(first.cast_signed());
    Ok(rest.iter().fold(first, |number, byte| number << 8 | i64::from(*byte)))
}

/// An element of any tag.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + MAX_HEADER_BYTES);
    begin(&mut bytes, tag, content.len());
    bytes.extend_from_slice(content);
    bytes
}

/// Writes tag and length of an element whose content follows.
pub(super) fn begin(bytes: &mut Vec<u8>, tag: u8, length: usize) {
    bytes.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let length = length.to_be_bytes();
            let significant =
                &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
            bytes.push(0x80 | u8::try_from(significant.len()).expect("a length has at most eight bytes"));
            bytes.extend_from_slice(significant);
        }
    }
}

/// An INTEGER, or with another tag an ENUMERATED.
pub(super) fn number(tag: u8, value: i32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    // As short as it can be: leading bytes that only repeat the sign are left out.
    let sign = if value < 0 { 0xff } else { 0 };
    let mut start = 0;
    while start < bytes.len() - 1 && bytes[start] == sign && (bytes[start + 1] & 0x80 == sign & 0x80) {
        start += 1;
    }
    element(tag, &bytes[start..])
}

/// How long the header is and how long the content it announces.
fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let [tag, first, rest @ ..] = bytes else { return Ok(None) };
    if tag & LONG_TAG == LONG_TAG {
        return Err(Malformed);
    }
    if *first < 0x80 {
        return Ok(Some((2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    // 0x80 alone is the indefinite form, which LDAP forbids.
    if count == 0 || count > MAX_LENGTH_BYTES {
        return Err(Malformed);
    }
    let Some(length) = rest.get(..count) else { return Ok(None) };
    let length = length
        .iter()
        .try_fold(0usize, |length, byte| length.checked_mul(256)?.checked_add(usize::from(*byte)));
    Ok(Some((2 + count, length.ok_or(Malformed)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (value, content) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0, 128]),
            (256, &[1, 0]),
            (-1, &[255]),
            (-129, &[255, 127]),
        ] {
            assert_eq!(number(INTEGER, value), element(INTEGER, content), "{value}");
        }
    }

    #[test]
    fn what_is_not_whole_is_told_from_what_is_wrong() {
        assert_eq!(element_length(&[]), Ok(None));
        assert_eq!(element_length(&[0x30]), Ok(None));
        assert_eq!(element_length(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(element_length(&[0x30, 0x82, 1, 0]), Ok(Some(260)));
        assert_eq!(element_length(&[0x30, 0x80]), Err(Malformed), "the indefinite form");
        assert_eq!(element_length(&[0x3f, 1]), Err(Malformed), "a long tag");
        assert_eq!(element_length(&[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(tag in 0u8..31, content in proptest::collection::vec(any::<u8>(), 0..400), value: i32) {
            let bytes = element(tag, &content);
            prop_assert_eq!(element_length(&bytes), Ok(Some(bytes.len())));
            prop_assert_eq!(Reader::new(&bytes).expect(tag), Ok(content.as_slice()));
            let bytes = number(INTEGER, value);
            prop_assert_eq!(Reader::new(&bytes).expect(INTEGER).and_then(integer), Ok(i64::from(value)));
        }

        #[test]
        fn nothing_that_comes_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = element_length(&bytes);
            let mut reader = Reader::new(&bytes);
            while let Ok(Some((_, content))) = reader.next() {
                let _ = integer(content);
            }
        }
    }
}
