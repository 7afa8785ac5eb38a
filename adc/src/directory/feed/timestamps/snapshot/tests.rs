use super::*;

const JANE: &str = "597ae2f6-16a6-1027-98f4-d28b5365dc14";
const MAX: &str = "597ae2f6-16a6-1027-98f4-d28b5365dc15";
const NOON: &str = "20261122120000Z";
const LATER: &str = "20261122130000Z";

fn entry(id: &str, dn: &str, time: &str) -> Entry {
    Entry::new(dn).with("entryUUID", &[id]).with(MODIFY_TIMESTAMP, &[time])
}

fn numbered(id: &str, dn: &str, time: &str, number: &str) -> Entry {
    entry(id, dn, time).with(CHANGE_NUMBER, &[number])
}

fn uuid() -> IdAttribute {
    IdAttribute::new("entryUUID")
}

fn picture(mut of: Snapshot, entries: &[Entry]) -> Snapshot {
    for entry in entries {
        of.note(Kind::User, entry);
    }
    of
}

/// Our clock, an hour past [`NOON`].
fn began() -> Timestamp {
    "2026-11-22T13:00:00Z".parse().expect("a time")
}

fn empty() -> Snapshot {
    Snapshot::new(uuid(), began())
}

/// The position that is left where all of this was read.
fn taken(entries: &[Entry]) -> Taken {
    let mark = picture(empty(), entries).mark().expect("all of them show their times");
    Taken::read(&mark).expect("a mark")
}

fn after(before: &Taken) -> Snapshot {
    Snapshot::after(uuid(), began(), before, &BTreeSet::new())
}

fn instead_of(before: &Taken, compared: bool) -> Snapshot {
    let (mark, left) = (before.mark(), BTreeSet::new());
    let before = Before { mark: Some(&mark), left: &left, comparable: true };
    Snapshot::instead_of(uuid(), began(), before, compared)
}

fn compared(before: &Taken, entries: &[Entry]) -> Differences {
    picture(after(before), entries).since(before).expect("few")
}

fn differences(before: &Taken, entries: &[Entry]) -> (Vec<String>, Vec<String>) {
    let Differences { changed, vanished, .. } = compared(before, entries);
    let texts = |ids: BTreeSet<SourceId>| ids.into_iter().map(String::from).collect();
    (texts(changed), texts(vanished))
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn whoever_comes_goes_changes_or_lies_elsewhere_differs() {
    let (jane, max) = (numbered(JANE, "cn=jane", NOON, "1"), numbered(MAX, "cn=max", NOON, "2"));
    let before = taken(&[jane.clone(), max.clone()]);
    assert_eq!(differences(&before, &[max.clone(), jane.clone()]), (vec![], vec![]));
    assert_eq!(differences(&before, std::slice::from_ref(&jane)), (ids(&[MAX]), ids(&[MAX])));
    for now in [
        numbered(MAX, "cn=max", LATER, "3"),
        numbered(MAX, "cn=max", NOON, "3"),
        // Put back from a backup.
        numbered(MAX, "cn=max", "20250101000000Z", "1"),
        // The container was renamed.
        numbered(MAX, "cn=max,ou=care", NOON, "2"),
    ] {
        assert_eq!(differences(&before, &[jane.clone(), now]), (ids(&[MAX]), vec![]));
    }
    assert_eq!(differences(&taken(std::slice::from_ref(&max)), &[max.clone(), jane]), (ids(&[JANE]), vec![]));
}

#[test]
fn who_is_of_another_kind_now_differs() {
    let jane = numbered(JANE, "cn=jane", NOON, "1");
    let before = taken(std::slice::from_ref(&jane));
    let mut now = empty();
    now.note(Kind::Group, &jane);
    assert_eq!(now.since(&before).expect("few").changed.len(), 1);
}

#[test]
fn a_second_change_within_the_second_of_the_first_was_missed() {
    let at = |minute: u8| format!("20261122{:02}{:02}00Z", 11 + minute / 60, minute % 60);
    let (jane, early) = (|minute| entry(JANE, "cn=jane", &at(minute)), entry(MAX, "cn=max", &at(0)));
    // Whoever was changed just before everything was read, or while it was.
    let before = taken(&[jane(60), early.clone()]);
    assert!(before.is_under_way());
    // She looks as she did, whatever became of her in that second; so she is read again, once.
    let now = [jane(60), early.clone()];
    assert_eq!(differences(&before, &now), (ids(&[JANE]), vec![]));
    let next = compared(&before, &now).taken.expect("fit");
    assert!(!next.is_under_way());
    assert_eq!(differences(&next, &now), (vec![], vec![]));
    // Whoever differs is read again in the comparison after the one that found it.
    let now = [jane(61), early.clone()];
    let next = compared(&next, &now).taken.expect("fit");
    assert!(next.is_under_way());
    assert_eq!(differences(&next, &now), (ids(&[JANE]), vec![]));
    // Wherever she is by then.
    assert_eq!(differences(&next, std::slice::from_ref(&early)), (ids(&[JANE]), ids(&[JANE])));
    assert!(!compared(&next, &now).taken.expect("fit").is_under_way());
}

/// So many are loaded at once that they are not read again for their time alone.
fn loaded() -> Vec<Entry> {
    loaded_at(NOON)
}

fn loaded_at(time: &str) -> Vec<Entry> {
    let who = |number: usize| SourceId::of_uuid(&(number as u128).to_be_bytes());
    (0..=MOST_AGAIN).map(|number| entry(who(number).as_str(), "cn=somebody", time)).collect()
}

#[test]
fn so_many_were_loaded_at_once_that_everything_was_read_in_every_run() {
    let mut all = loaded();
    let first = taken(&all);
    let compared = picture(after(&first), &all);
    assert_eq!(compared.since(&first), None, "each of them may have been changed again in that second");
    // So everything is read, a second later: now nobody can be changed at noon any more.
    let again = instead_of(&first, true);
    let second = Taken::read(&picture(again, &all).mark().expect("a mark")).expect("a mark");
    assert_eq!(differences(&second, &all), (vec![], vec![]));
    all[7] = entry(JANE, "cn=jane", LATER);
    assert_eq!(differences(&second, &all).0.len(), 2, "one left, and another came");
    // Whoever is changed a second later is read again as before.
    all[7] = entry(JANE, "cn=jane", "20261122120001Z");
    let again = instead_of(&first, true);
    let second = Taken::read(&picture(again, &all).mark().expect("a mark")).expect("a mark");
    assert_eq!(differences(&second, &all), (ids(&[JANE]), vec![]));
}

#[test]
fn so_many_were_loaded_by_a_wrong_clock_and_read_in_every_run() {
    let mut all = loaded_at("20990101000000Z");
    let first = taken(&all);
    assert_eq!(picture(after(&first), &all).since(&first), None);
    let second = picture(instead_of(&first, true), &all).mark().expect("a mark");
    let second = Taken::read(&second).expect("a mark");
    all[7] = entry(JANE, "cn=jane", LATER);
    assert_eq!(differences(&second, &all).0.len(), 2, "one left, and another came");
}

#[test]
fn a_full_run_that_compared_nothing_before_settles_nothing() {
    let all = loaded();
    let first = taken(&all);
    let again = instead_of(&first, false);
    let second = Taken::read(&picture(again, &all).mark().expect("a mark")).expect("a mark");
    assert_eq!(picture(after(&second), &all).since(&second), None);
}

#[test]
fn a_directory_that_shows_less_than_it_did_is_older() {
    let (jane, max) = (entry(JANE, "cn=jane", LATER), entry(MAX, "cn=max", NOON));
    let before = taken(&[jane, max.clone()]);
    let is_older = |now: &[Entry]| {
        let full = instead_of(&before, false);
        let pictures = [after(&before), full].map(|of| picture(of, now).is_older());
        assert_eq!(pictures[0], pictures[1]);
        pictures[0]
    };
    assert!(is_older(&[entry(JANE, "cn=jane", NOON), max.clone()]));
    assert!(!is_older(&[max]), "she may have left");
    assert!(!picture(empty(), &[]).is_older());
}

#[test]
fn a_replica_that_was_failed_over_to_showed_people_as_they_were_and_was_believed() {
    let before = taken(&[entry(JANE, "cn=jane", LATER)]);
    let (mark, left) = (before.mark(), [SourceId::from(MAX)].into());
    let picture_of = |comparable, now: Entry| {
        let before = Before { mark: Some(&mark), left: &left, comparable };
        let picture = picture(Snapshot::instead_of(uuid(), began(), before, false), &[now]);
        (picture.is_older(), picture.is_proved_older())
    };
    for comparable in [true, false] {
        assert_eq!(picture_of(comparable, entry(JANE, "cn=jane", NOON)), (true, true));
        assert_eq!(picture_of(comparable, entry(JANE, "cn=jane", LATER)), (false, false));
        // Of another scope he may be, and never have left.
        assert_eq!(picture_of(comparable, entry(MAX, "cn=max", NOON)), (comparable, false));
    }
}

#[test]
fn a_change_from_the_future_hid_those_of_the_present() {
    let (jane, future) = (entry(JANE, "cn=jane", LATER), entry(MAX, "cn=max", "20990101000000Z"));
    let now = [jane, future];
    assert_eq!(differences(&taken(&now), &now), (ids(&[JANE, MAX]), vec![]));
}

#[test]
fn whose_changes_are_numbered_is_not_read_again_for_their_time() {
    let jane = numbered(JANE, "cn=jane", NOON, "1");
    let before = taken(std::slice::from_ref(&jane));
    assert!(!before.is_under_way());
    assert_eq!(differences(&before, &[jane]), (vec![], vec![]));
    let changed = [numbered(JANE, "cn=jane", NOON, "2")];
    assert!(!compared(&before, &changed).taken.expect("fit").is_under_way());
}

#[test]
fn nothing_is_told_where_somebody_hides_their_time_or_identity() {
    for hidden in [
        Entry::new("cn=max").with("entryUUID", &[MAX]).with(CHANGE_NUMBER, &["1"]),
        Entry::new("cn=max").with(MODIFY_TIMESTAMP, &[NOON]),
        entry("jane", "cn=jane", NOON),
        entry(MAX, "cn=max", "yesterday"),
        entry(MAX, "cn=max", "20261322120000Z"),
        entry(MAX, "cn=max", "202611221200Z"),
        entry(MAX, "cn=max", "20261122120000+0100"),
    ] {
        let picture = picture(empty(), &[entry(JANE, "cn=jane", NOON), hidden.clone()]);
        assert_eq!((picture.mark(), picture.unfit()), (None, Some(hidden.dn())));
    }
    picture(empty(), &[entry(JANE, "cn=jane", "20261122120000.123Z")]).mark().expect("fit");
}

#[test]
fn a_mark_is_written_and_read_again_and_a_spoiled_one_is_none() {
    let everything = taken(&[entry(JANE, "cn=jane", NOON)]);
    let nobody = taken(&[]);
    let changed = compared(&nobody, &[entry(JANE, "cn=jane", NOON)]).taken.expect("fit");
    for taken in [&everything, &nobody, &changed] {
        assert_eq!(Taken::read(&taken.mark()).as_ref(), Some(taken));
    }
    for (mark, name, value) in [
        (everything.mark(), SKETCH, "AAAA"),
        (everything.mark(), SKETCH, "no base64"),
        (everything.mark(), FROM, "yesterday"),
        (everything.mark(), FROM, "2026"),
        (changed.mark(), AGAIN, "AAAA"),
        (changed.mark(), AGAIN, "no base64"),
    ] {
        let mut spoiled = mark;
        for old in spoiled.values.iter_mut().filter(|old| old.starts_with(name)) {
            *old = format!("{name}{value}");
        }
        assert_eq!(Taken::read(&spoiled), None, "{name}{value}");
    }
    for kind in ["contextCSN", "dirsync"] {
        assert_eq!(Taken::read(&Mark { kind: kind.to_owned(), ..everything.mark() }), None);
    }
    assert_eq!(Taken::read(&Mark { values: vec![], ..everything.mark() }), None);
}

#[test]
fn an_identity_is_named_as_it_is_read() {
    for (attribute, id) in [("entryUUID", JANE), ("nsUniqueId", "4a2e2e81-2b7111ec-8c5ae5c9-2d4f6d3b")] {
        let entry = Entry::new("cn=a").with(attribute, &[id]).with(MODIFY_TIMESTAMP, &[NOON]);
        let mut now = Snapshot::new(IdAttribute::new(attribute), began());
        now.note(Kind::User, &entry);
        let named: Vec<String> =
            now.since(&taken(&[])).expect("few").changed.into_iter().map(String::from).collect();
        assert_eq!(named, [id]);
    }
}
