//! Two large sets compared through what fits into a mark.
//!
//! A sketch (an invertible Bloom lookup table, after Goodrich and Mitzenmacher) has a fixed size, however much was put into it.
//! Taken from one another, two sketches leave what is in one of the two sets alone; as long as that is not too much, each of
//! its elements can be told.

use std::array;

use adc_core::record::Digest;

/// The octets of an element.
pub(super) const ELEMENT: usize = 24;

/// An element of a set that is sketched.
pub(super) type Element = [u8; ELEMENT];

/// Every element is put into one cell of each part. With three, more would fit; with four, two elements hardly ever share all.
const PARTS: usize = 4;
/// Altogether 384 cells: enough for some 250 differences, two for each object that changed. Whoever has more reads everything,
/// which costs little more than comparing it.
const CELLS_PER_PART: usize = 96;
const CELLS: usize = PARTS * CELLS_PER_PART;
/// The octets of a cell: how many elements are in it, their exclusive or, and that of their checks.
const CELL: usize = 2 + ELEMENT + 4;

/// A set, as far as another one can be compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch(Vec<Cell>);

/// What two sets do not share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// In the earlier one alone.
    pub(super) before: Vec<Element>,
    /// In the later one alone.
    pub(super) now: Vec<Element>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cell {
    /// Modulo 2^16: of a difference, which has few, it is exact.
    count: i16,
    elements: Element,
    checks: [u8; 4],
}

impl Sketch {
    /// The sketch of nothing.
    pub(super) fn new() -> Self {
        Self(vec![Cell::default(); CELLS])
    }

    /// Puts an element in.
    pub(super) fn put(&mut self, element: &Element) {
        self.change(element, 1);
    }

    /// What is in one of two sets alone; `None` if that is too much to be told.
    pub(super) fn difference(before: &Self, now: &Self) -> Option<Difference> {
        let mut left = Self(now.0.iter().zip(&before.0).map(|(now, before)| now.without(before)).collect());
        let mut difference = Difference::default();
        let mut next: Vec<usize> = (0..CELLS).collect();
        while let Some(index) = next.pop() {
            let cell = left.0[index];
            if !cell.holds_one() {
                continue;
            }
            let alone = if cell.count > 0 { &mut difference.now } else { &mut difference.before };
            alone.push(cell.elements);
            if difference.before.len() + difference.now.len() > CELLS {
                return None;
            }
            left.change(&cell.elements, -cell.count);
            next.extend(places(&cell.elements).0);
        }
        left.0.iter().all(|cell| *cell == Cell::default()).then_some(difference)
    }

    /// The sketch as octets.
    pub(super) fn to_octets(&self) -> Vec<u8> {
        let cells = self
            .0
            .iter()
            .flat_map(|cell| cell.count.to_be_bytes().into_iter().chain(cell.elements).chain(cell.checks));
        cells.collect()
    }

    /// The sketch that octets are; `None` if they are none.
    pub(super) fn of_octets(octets: &[u8]) -> Option<Self> {
        let (cells, []) = octets.as_chunks::<CELL>() else { return None };
        let cells = cells.iter().map(|octets| Cell {
            count: i16::from_be_bytes([octets[0], octets[1]]),
            elements: array::from_fn(|index| octets[2 + index]),
            checks: array::from_fn(|index| octets[2 + ELEMENT + index]),
        });
        let cells: Vec<Cell> = cells.collect();
        (cells.len() == CELLS).then_some(Self(cells))
    }

    fn change(&mut self, element: &Element, by: i16) {
        let (places, check) = places(element);
        for place in places {
            let cell = &mut self.0[place];
            cell.count = cell.count.wrapping_add(by);
            cell.elements = xor(cell.elements, element);
            cell.checks = xor(cell.checks, &check);
        }
    }
}

impl Cell {
    fn without(&self, other: &Self) -> Self {
        Self {
            count: self.count.wrapping_sub(other.count),
            elements: xor(self.elements, &other.elements),
            checks: xor(self.checks, &other.checks),
        }
    }

    /// Whether there is one element in it, and nothing else.
    fn holds_one(&self) -> bool {
        matches!(self.count, -1 | 1) && places(&self.elements).1 == self.checks
    }
}

/// The cells that an element is put into, and what it is told by from the sum of several.
fn places(element: &Element) -> ([usize; PARTS], [u8; 4]) {
    let digest = Digest::of(element);
    let (words, _) = digest.as_bytes().as_chunks::<2>();
    let place = |part: usize| {
        let within = usize::from(u16::from_be_bytes(words[part])) % CELLS_PER_PART;
        part * CELLS_PER_PART + within
    };
    let [first, second] = [words[PARTS], words[PARTS + 1]];
    (array::from_fn(place), [first[0], first[1], second[0], second[1]])
}

fn xor<const N: usize>(one: [u8; N], other: &[u8; N]) -> [u8; N] {
    array::from_fn(|index| one[index] ^ other[index])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn element(number: u32) -> Element {
        let mut element = Element::default();
        element[..16].copy_from_slice(Digest::of(&number.to_be_bytes()).as_bytes());
        element
    }

    fn sketch(numbers: impl IntoIterator<Item = u32>) -> Sketch {
        let mut sketch = Sketch::new();
        for number in numbers {
            sketch.put(&element(number));
        }
        sketch
    }

    fn set(elements: Vec<Element>) -> BTreeSet<Element> {
        elements.into_iter().collect()
    }

    fn elements<'n>(numbers: impl IntoIterator<Item = &'n u32>) -> BTreeSet<Element> {
        numbers.into_iter().map(|number| element(*number)).collect()
    }

    #[test]
    fn of_many_elements_the_few_that_differ_are_told() {
        let difference = Sketch::difference(&sketch(0..100_000), &sketch(100..100_050)).expect("few");
        assert_eq!(set(difference.before), elements(&(0..100).collect::<Vec<_>>()));
        assert_eq!(set(difference.now), elements(&(100_000..100_050).collect::<Vec<_>>()));
    }

    #[test]
    fn a_hundred_objects_that_changed_are_told_nearly_always() {
        let told = (0..1_000_u32)
            .filter(|round| {
                let from = round * 1_000;
                let (before, now) = (sketch(from..from + 500), sketch(from + 100..from + 600));
                Sketch::difference(&before, &now).is_some()
            })
            .count();
        assert!(told > 990, "{told} of 1000");
    }

    #[test]
    fn what_differs_too_much_is_not_guessed_at() {
        for more in [500, 1_000, 65_536] {
            assert_eq!(Sketch::difference(&sketch(0..10), &sketch(0..10 + more)), None, "{more}");
        }
    }

    proptest! {
        #[test]
        fn two_sets_differ_as_their_sketches_say(
            before in proptest::collection::btree_set(0..300_u32, 0..80),
            now in proptest::collection::btree_set(0..300_u32, 0..80),
        ) {
            let (earlier, later) = (sketch(before.iter().copied()), sketch(now.iter().copied()));
            // Few as they are, two may share all their cells.
            if let Some(difference) = Sketch::difference(&earlier, &later) {
                prop_assert_eq!(set(difference.before), elements(before.difference(&now)));
                prop_assert_eq!(set(difference.now), elements(now.difference(&before)));
            }
        }

        #[test]
        fn a_sketch_is_written_and_read_again_and_a_spoiled_one_is_none_or_tells_nothing_wrong(
            numbers in proptest::collection::btree_set(any::<u32>(), 0..50), at in 0..CELLS * CELL, flip in 1u8..,
        ) {
            let whole = sketch(numbers.iter().copied());
            let mut octets = whole.to_octets();
            prop_assert_eq!(Sketch::of_octets(&octets), Some(whole.clone()));
            prop_assert_eq!(Sketch::of_octets(&octets[..at]), None);
            octets[at] ^= flip;
            let spoiled = Sketch::of_octets(&octets).expect("long enough");
            prop_assert_eq!(Sketch::difference(&spoiled, &whole), None);
        }
    }
}
