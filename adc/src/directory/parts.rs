//! Lists that Active Directory gives in parts (MS-ADTS 3.1.1.3.1.3.3): `member;range=0-1499`, then `member;range=1500-*`.
//!
//! Nobody may be taken out of a group because a part of its list was missing, so a list counts only when its parts join
//! without a gap. The directory does not hold still meanwhile. Whoever joins or leaves a group raises its `uSNChanged`, which
//! comes with every part; but a member that is removed from the directory leaves without raising it, and moves all that
//! follow up by one. So each part begins with the last value of the one before it: where another stands there, something
//! moved, and the list is read again.

use adc_core::entry::{Attribute, Entry, attribute_type};
use adc_core::filter::Filter;

use super::error::{DirectoryError, Progress};
use super::outcome::code;
use super::read::Query;
use super::request::SearchRequest;
use super::session::Directory;
use crate::config::Scope;
use crate::packed::Packed;

/// Changes with the object, on the server that is asked (MS-ADTS 3.1.1.1.9).
const VERSION: &str = "uSNChanged";
/// A list that changes under our hands each time has somebody at work on it: the next run will read it.
const ATTEMPTS: u32 = 3;
/// What is read, for messages.
const WHAT: &str = "a list in parts";
/// What tells a part from the whole list (MS-ADTS 3.1.1.3.1.3.3).
const RANGE: &str = "range=";

/// The list of a group's members, which may be longer than what should be in memory at once.
pub(super) const MEMBER: &str = "member";

/// An entry with all of its lists.
#[derive(Debug)]
pub(super) struct Whole {
    /// The entry, its members apart.
    pub(super) entry: Entry,
    /// Its members, where they came in parts.
    pub(super) members: Vec<Packed>,
}

impl Directory {
    /// Reads an entry again of which a search showed only a part of some list, with all of its lists whole.
    ///
    /// # Errors
    /// The parts do not make a whole, or the question was not answered.
    pub(super) async fn whole(&mut self, query: &Query, dn: &str) -> Result<Whole, DirectoryError> {
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            match self.whole_at_once(query, dn).await? {
                Ok(whole) => return Ok(whole),
                Err(clause) => why = clause,
            }
        }
        Err(DirectoryError::list_incomplete(dn, &why))
    }

    /// As [`Self::whole`]; the inner error is why the parts do not fit, which may pass.
    async fn whole_at_once(
        &mut self,
        query: &Query,
        dn: &str,
    ) -> Result<Result<Whole, String>, DirectoryError> {
        let attributes: Vec<String> =
            query.attributes.iter().map(String::as_str).chain([VERSION]).map(str::to_owned).collect();
        let Some(mut entry) = self.read_part(dn, &attributes).await? else {
            return Ok(Err("it is no longer where it was a moment ago".to_owned()));
        };
        let mut members = Vec::new();
        for partial in take_partial(&mut entry) {
            let mut list = match List::begin(partial) {
                Ok(list) => list,
                Err(clause) => return Ok(Err(clause)),
            };
            while let Some(next) = list.next() {
                let Some(more) = self.read_part(dn, &[next, VERSION.to_owned()]).await? else {
                    return Ok(Err("it went away while its list was read".to_owned()));
                };
                if let Err(clause) = same_version(&entry, &more).and_then(|()| list.append(more)) {
                    return Ok(Err(clause));
                }
            }
            if list.name.eq_ignore_ascii_case(MEMBER) {
                members = list.parts;
            } else {
                let values = list.parts.iter().flat_map(Packed::values).collect();
                entry.push(list.name, values);
            }
        }
        entry.attributes_mut().retain(|attribute| !attribute.name.eq_ignore_ascii_case(VERSION));
        Ok(Ok(Whole { entry, members }))
    }

    async fn read_part(&mut self, dn: &str, attributes: &[String]) -> Result<Option<Entry>, DirectoryError> {
        let filter = Filter::present("objectClass");
        let request = SearchRequest { base: dn, scope: Scope::Base, filter: &filter, attributes, page: None };
        let (entries, outcome, _) = self.ask(WHAT, request, &filter).await?;
        match outcome.code {
            code::SUCCESS => Ok(entries.into_iter().next()),
            code::NO_SUCH_OBJECT => Ok(None),
            _ => Err(self.failed(Progress { what: WHAT, entries: 0, page: 1 }, dn, &outcome)),
        }
    }
}

/// Whether an attribute description labels a part of a list.
pub(super) fn is_part(description: &str) -> bool {
    Label::of(description).is_some()
}

/// Takes the parts of lists out of an entry, and with each the empty attribute that stands for the whole list.
fn take_partial(entry: &mut Entry) -> Vec<Attribute> {
    let attributes = entry.attributes_mut();
    let partial: Vec<Attribute> = attributes.extract_if(.., |attribute| is_part(&attribute.name)).collect();
    attributes.retain(|attribute| {
        !partial.iter().any(|part| attribute_type(&part.name).eq_ignore_ascii_case(&attribute.name))
    });
    partial
}

fn same_version(one: &Entry, other: &Entry) -> Result<(), String> {
    if one.text(VERSION) == other.text(VERSION) {
        Ok(())
    } else {
        Err("it was changed while its list was read".to_owned())
    }
}

/// The label of a part: `member;range=0-1499`, of the last one `member;range=1500-*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Label {
    low: usize,
    /// `None` after the last value.
    high: Option<usize>,
}

impl Label {
    fn of(description: &str) -> Option<Self> {
        let range = description.split(';').skip(1).find_map(|option| {
            let (name, range) = option.split_at_checked(RANGE.len())?;
            name.eq_ignore_ascii_case(RANGE).then_some(range)
        })?;
        let (low, high) = range.split_once('-')?;
        let high = if high == "*" { None } else { Some(high.parse().ok()?) };
        Some(Self { low: low.parse().ok()?, high })
    }

    /// Whether it tells the truth about `count` values.
    fn fits(self, count: usize) -> bool {
        count > 0 && self.high.is_none_or(|high| high.checked_sub(self.low) == Some(count - 1))
    }
}

/// A list that is being put together.
#[derive(Debug)]
struct List {
    name: String,
    parts: Vec<Packed>,
    last: Vec<u8>,
    count: usize,
    complete: bool,
}

impl List {
    fn begin(first: Attribute) -> Result<Self, String> {
        let Attribute { name, values } = first;
        match Label::of(&name) {
            Some(label) if label.low == 0 && label.fits(values.len()) => Ok(Self {
                name: attribute_type(&name).to_owned(),
                parts: vec![Packed::of(&values)],
                count: values.len(),
                last: values.into_iter().next_back().unwrap_or_default(),
                complete: label.high.is_none(),
            }),
            _ => Err(format!("the list begins with {name}, and {} values", values.len())),
        }
    }

    /// What to ask for next: from the last value on that is known; `None` when the list is whole.
    fn next(&self) -> Option<String> {
        (!self.complete).then(|| format!("{};{RANGE}{}-*", self.name, self.count - 1))
    }

    /// Adds the part that [`Self::next`] asked for.
    fn append(&mut self, mut answer: Entry) -> Result<(), String> {
        let last = self.count - 1;
        let part = answer.attributes_mut().extract_if(.., |attribute| {
            is_part(&attribute.name) && attribute_type(&attribute.name).eq_ignore_ascii_case(&self.name)
        });
        let Some(Attribute { name, values }) = part.last() else {
            return Err(format!("the part of {} from {last} on is missing", self.name));
        };
        let label = Label::of(&name).filter(|label| label.low == last && label.fits(values.len()));
        let Some(label) = label else {
            return Err(format!(
                "the part of {} from {last} on came as {name}, with {} values",
                self.name,
                values.len()
            ));
        };
        if values.first() != Some(&self.last) {
            return Err(format!("{} changed while it was read", self.name));
        }
        if label.high == Some(last) {
            return Err(format!("{} comes in parts of one value, which never join", self.name));
        }
        self.complete = label.high.is_none();
        self.parts.push(Packed::of(&values[1..]));
        self.count += values.len() - 1;
        self.last = values.into_iter().next_back().unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, values: &[&str]) -> Attribute {
        Attribute {
            name: name.to_owned(),
            values: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
        }
    }

    fn begun() -> List {
        List::begin(part("Member;Range=0-1", &["a", "b"])).expect("begins")
    }

    fn add(list: &mut List, name: &str, values: &[&str]) -> Result<(), String> {
        list.append(Entry::new("cn=g").with("cn", &["g"]).with(name, values))
    }

    #[test]
    fn parts_that_join_make_the_list() {
        let mut list = begun();
        assert_eq!(list.next().as_deref(), Some("Member;range=1-*"));
        add(&mut list, "member;range=1-2", &["b", "c"]).expect("joins");
        assert_eq!(list.next().as_deref(), Some("Member;range=2-*"));
        add(&mut list, "member;range=2-*", &["c"]).expect("joins");
        assert_eq!(list.next(), None);
        let values: Vec<Vec<u8>> = list.parts.iter().flat_map(Packed::values).collect();
        assert_eq!(values, [b"a", b"b", b"c"]);
        assert_eq!(list.name, "Member");
    }

    #[test]
    fn a_list_does_not_begin_in_its_middle_or_with_other_than_it_says() {
        for (name, values) in [
            ("member;range=1-2", &["b", "c"][..]),
            ("member;range=0-2", &["a", "b"]),
            ("member;range=0-0", &["a", "b"]),
            ("member;range=0-*", &[]),
        ] {
            List::begin(part(name, values)).expect_err(name);
        }
        assert!(List::begin(part("member;range=0-*", &["a"])).expect("whole").complete);
    }

    #[test]
    fn a_part_that_is_missing_cut_or_moved_never_joins() {
        for (name, values, why) in [
            ("member", &["b", "c"][..], "missing"),
            ("memberOf;range=1-*", &["b", "c"], "missing"),
            ("member;range=2-*", &["c"], "came as"),
            ("member;range=0-*", &["a", "b", "c"], "came as"),
            ("member;range=1-3", &["b", "c"], "came as"),
            ("member;range=1-*", &[], "came as"),
            ("member;range=1-*", &["c", "d"], "changed"),
            ("member;range=1-1", &["b"], "never join"),
        ] {
            let error = add(&mut begun(), name, values).expect_err(name);
            assert!(error.contains(why), "{name}: {error}");
        }
    }

    #[test]
    fn a_label_is_told_from_other_options() {
        for (description, label) in [
            ("member;range=0-1499", Some((0, Some(1499)))),
            ("member;binary;RANGE=1500-*", Some((1500, None))),
            ("range=0-1", None),
            ("member;range=", None),
            ("member;range=*-*", None),
            ("member;lang-de", None),
            ("member;ränge=0-1", None),
        ] {
            let expected = label.map(|(low, high)| Label { low, high });
            assert_eq!(Label::of(description), expected, "{description}");
        }
    }

    #[test]
    fn the_empty_attribute_beside_a_part_is_no_second_list() {
        let mut entry =
            Entry::new("cn=g").with("member", &[]).with("cn", &["g"]).with("member;range=0-0", &["a"]);
        assert_eq!(take_partial(&mut entry).len(), 1);
        assert_eq!(entry.attributes().len(), 1);
    }
}
