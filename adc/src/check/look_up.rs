//! Whether the directory finds an object by its id, and does not look at all of them for it.
//!
//! A right to read an id is none to search by it: then nobody can be proved gone, and every run reads everything.
//! Deltas, and every proof that somebody is gone, ask for objects by id. Without an index slapd looks at every entry for each
//! such question: a run takes minutes where it should take a moment, and nothing says why.

use std::time::Duration;

use adc_core::source_id::{IdAttribute, SourceId};

use super::{Hop, Report, State, Timer};
use crate::directory::findable::{Among, Findable};
use crate::directory::look_up::IDS_PER_SEARCH;
use crate::directory::{Directory, DirectoryError, Query};
use crate::exit::Exit;

/// How often each is asked, in turns: a moment in which the machine is busy is over in the next.
const TRIES: usize = 5;
/// Whatever takes less is no trouble: so small a directory may well be looked at.
const NOTICEABLE: Duration = Duration::from_millis(20);
/// A look-up in an index takes about as long as reading an entry by name. Looking at thousands takes many times as long.
const TIMES_A_READ: u32 = 5;

/// Whether some of what a query finds is found by its ids as well; says something only if not.
pub(super) async fn finds(
    session: &mut Directory,
    query: &Query,
    id: &IdAttribute,
    report: &mut Report,
) -> bool {
    let timer = Timer::start();
    let error = match session.are_findable(query, id, Among::All).await {
        Ok(Findable::Found | Findable::Nobody) => return true,
        Ok(Findable::Missed { dn }) => DirectoryError::ids_not_searchable(id.name(), &dn),
        Err(error) => error,
    };
    report.add(Hop::failed("look-up", timer, &error).at(id.name()), Exit::Directory);
    false
}

/// Compares looking ids up with reading somebody by name; says something only if that is to be mended.
pub(super) async fn check(
    session: &mut Directory,
    query: &Query,
    id: &IdAttribute,
    dn: &str,
    report: &mut Report,
) {
    // Active Directory always has its ids indexed; of others nobody here knows how to.
    if !session.root().openldap {
        return;
    }
    let timer = Timer::start();
    let hop = match tries(session, query, id, dn).await {
        Ok(Some(tries)) => match tries.too_slow() {
            Some((look_up, read)) => Hop::new("look-up", timer, State::Warning, advice(id, look_up, read)),
            None => return,
        },
        // It is not there any more, or shows no id, which was said before.
        Ok(None) => return,
        Err(error) => Hop::failed("look-up", timer, &error),
    };
    report.add(hop.at(id.name()), Exit::Directory);
}

/// How long each try took.
#[derive(Debug, Default)]
struct Tries {
    reads: Vec<Duration>,
    look_ups: Vec<Duration>,
}

impl Tries {
    /// The quickest look-up and the usual read, if the one takes much longer than the other.
    fn too_slow(mut self) -> Option<(Duration, Duration)> {
        self.reads.sort_unstable();
        let usual = *self.reads.get(self.reads.len() / 2)?;
        let quickest = self.look_ups.into_iter().min()?;
        (quickest >= NOTICEABLE && quickest >= usual * TIMES_A_READ).then_some((quickest, usual))
    }
}

/// Times look-ups and reads of one entry; `None` if it cannot be looked up.
async fn tries(
    session: &mut Directory,
    query: &Query,
    id: &IdAttribute,
    dn: &str,
) -> Result<Option<Tries>, DirectoryError> {
    let mut tries = Tries::default();
    for _ in 0..TRIES {
        let timer = Timer::start();
        let entry = session.entry(dn, &query.attributes).await?;
        tries.reads.push(timer.elapsed());
        let Some(known): Option<SourceId> = entry.and_then(|entry| id.read(&entry).ok()) else {
            return Ok(None);
        };
        let timer = Timer::start();
        // As many as a run asks for at once. That they are all the same makes it no quicker to look at everybody.
        session.look_up(query, id, &vec![known; IDS_PER_SEARCH]).await?;
        tries.look_ups.push(timer.elapsed());
    }
    Ok(Some(tries))
}

fn advice(id: &IdAttribute, look_up: Duration, read: Duration) -> String {
    let attribute = id.name();
    format!(
        "to look {IDS_PER_SEARCH} ids up by {attribute} takes {} ms, and to read an entry by name {} ms: the directory looks at everybody \
         for it, as often as a run has to ask who changed or is gone; add `index {attribute} eq` to the database of the base DN in slapd.conf \
         (`olcDbIndex: {attribute} eq` in cn=config); what is there already slapindex has to index while slapd is stopped, where it does \
         not do so by itself",
        look_up.as_millis(),
        read.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_too_slow(reads: [u64; TRIES], look_ups: [u64; TRIES]) -> bool {
        let millis = |times: [u64; TRIES]| times.map(Duration::from_millis).to_vec();
        Tries { reads: millis(reads), look_ups: millis(look_ups) }.too_slow().is_some()
    }

    #[test]
    fn a_directory_that_looks_at_everybody_is_told_from_a_busy_one() {
        assert!(is_too_slow([1, 1, 1, 1, 1], [80, 81, 79, 90, 85]));
        assert!(is_too_slow([1, 50, 1, 70, 2], [80, 300, 79, 90, 85]), "busy, and looking at everybody");
        assert!(!is_too_slow([1, 1, 1, 1, 1], [80, 81, 2, 90, 85]), "one was quick: there is an index");
        assert!(!is_too_slow([30, 40, 35, 1, 33], [80, 81, 79, 90, 85]), "everything is slow");
        assert!(!is_too_slow([0, 0, 0, 0, 0], [9, 9, 9, 9, 9]), "a small directory");
        assert!(Tries::default().too_slow().is_none());
    }
}
