//! Long lists, packed until they are wanted.
//!
//! A group of a million members is a list of names that differ little from each other: packed, a tenth of it stays in
//! memory while the control plane thinks about whether it wants them.

/// Fast, and enough for names that repeat one another.
const ZSTD_LEVEL: i32 = 1;
/// The bytes of a value's length.
const LENGTH: usize = size_of::<u32>();

/// Some values of a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    bytes: Vec<u8>,
    unpacked: usize,
    count: usize,
}

impl Packed {
    /// Packs values, each shorter than 4 GiB.
    pub fn of<V: AsRef<[u8]>>(values: &[V]) -> Self {
        let mut plain = Vec::with_capacity(values.iter().map(|value| LENGTH + value.as_ref().len()).sum());
        for value in values {
            let value = value.as_ref();
            let length = u32::try_from(value.len()).expect("no message, and so no value, is that long");
            plain.extend(length.to_le_bytes());
            plain.extend(value);
        }
        let bytes = zstd::bulk::compress(&plain, ZSTD_LEVEL).expect("packing in memory does not fail");
        Self { bytes, unpacked: plain.len(), count: values.len() }
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they take as they are.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The values, as they were.
    pub fn values(&self) -> Vec<Vec<u8>> {
        let plain = zstd::bulk::decompress(&self.bytes, self.unpacked).expect("it was packed here");
        let mut rest = plain.as_slice();
        let mut values = Vec::with_capacity(self.count);
        while let Some((length, values_and_more)) = rest.split_first_chunk::<LENGTH>() {
            let length = usize::try_from(u32::from_le_bytes(*length)).expect("it fitted into memory before");
            let (value, more) = values_and_more.split_at(length);
            values.push(value.to_vec());
            rest = more;
        }
        values
    }

    /// The values, which were texts.
    pub fn texts(&self) -> Vec<String> {
        let text = |value| String::from_utf8(value).expect("texts were packed");
        self.values().into_iter().map(text).collect()
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_as_it_was(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20)) {
            let packed = Packed::of(&values);
            prop_assert_eq!((packed.count(), packed.values()), (values.len(), values));
        }
    }

    #[test]
    fn names_that_repeat_one_another_take_a_tenth() {
        let names: Vec<String> = (0..5_000)
            .map(|number| format!("CN=Jane Doe {number},OU=Sales,OU=People,DC=lg,DC=local"))
            .collect();
        let packed = Packed::of(&names);
        assert!(packed.size() * 10 < names.iter().map(String::len).sum(), "{}", packed.size());
        assert_eq!(packed.texts(), names);
    }
}
