//! The directory does not hold still while its feed is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command, Stdio};

use adc_tests::{Entry, Slapd};
use tempfile::TempDir;

use super::{company, gone, mark, texts, touched};

/// People who come, are promoted and leave: enough that several feeds are read meanwhile.
const PEOPLE: usize = 1_500;
/// How many of them are there at a time.
const AT_A_TIME: usize = 20;

/// Everybody's identity and title.
fn people(slapd: &Slapd) -> BTreeMap<String, String> {
    let found = slapd.search("(objectClass=inetOrgPerson)", &["entryUUID", "title"]);
    let value = |entry: &str, attribute: &str| {
        let mut lines = entry.lines();
        lines.find_map(|line| line.strip_prefix(attribute)).unwrap_or_default().to_owned()
    };
    found
        .split_terminator("\n\n")
        .map(|entry| (value(entry, "entryUUID: "), value(entry, "title: ")))
        .collect()
}

/// LDIF in which everybody comes, is promoted some time later, and leaves, all but the last.
fn coming_and_going() -> String {
    let mut ldif = String::new();
    let company = company().ou("people");
    for number in 0..PEOPLE + AT_A_TIME {
        let dn = |number: usize| format!("uid=p{number},ou=people,dc=lg,dc=local");
        if number < PEOPLE {
            let Entry { dn, attributes } = company.entry_of(format!("p{number}").as_str());
            let changing = Entry {
                dn,
                attributes: [vec![("changetype".to_owned(), b"add".to_vec())], attributes].concat(),
            };
            ldif.push_str(&changing.ldif());
        }
        if let Some(promoted) = number.checked_sub(AT_A_TIME / 2).filter(|promoted| *promoted < PEOPLE) {
            let dn = dn(promoted);
            write!(ldif, "dn: {dn}\nchangetype: modify\nreplace: title\ntitle: Head {promoted}\n\n")
                .expect("a text");
        }
        if let Some(leaver) = number.checked_sub(AT_A_TIME).filter(|leaver| leaver + AT_A_TIME / 2 < PEOPLE) {
            write!(ldif, "dn: {}\nchangetype: delete\n\n", dn(leaver)).expect("a text");
        }
    }
    ldif
}

/// A directory that somebody changes all the time, and what was seen of it.
pub(super) struct Race<'s> {
    slapd: &'s Slapd,
    writer: Child,
    view: BTreeMap<String, String>,
    ended: bool,
    rounds: usize,
    /// What is to be written, while it is.
    _folder: TempDir,
}

impl<'s> Race<'s> {
    /// From what is there now.
    pub(super) fn begin(slapd: &'s Slapd) -> Self {
        let view = people(slapd);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let changes = folder.path().join("changes.ldif");
        fs::write(&changes, coming_and_going()).expect("can be written");
        let writer = Command::new("ldapmodify")
            .args(["-x", "-H", &slapd.url(), "-D", &slapd.root_dn(), "-w", Slapd::ROOT_PASSWORD, "-f"])
            .arg(&changes)
            .stdout(Stdio::null())
            .spawn()
            .expect("ldap-utils is installed");
        Self { slapd, writer, view, ended: false, rounds: 0, _folder: folder }
    }

    /// Whether another feed is to be read: one at least after the last change.
    pub(super) fn goes_on(&mut self) -> bool {
        if self.ended {
            return false;
        }
        if let Some(status) = self.writer.try_wait().expect("can be asked for") {
            assert!(status.success(), "all changes were made");
            self.ended = true;
        }
        self.rounds += 1;
        true
    }

    /// As a delta does: what is named is read, and what is said to be gone is looked for.
    pub(super) fn read(&mut self, gone: &BTreeSet<String>, changed: &BTreeSet<String>) {
        let now = people(self.slapd);
        self.view.retain(|id, _| now.contains_key(id) || !gone.contains(id));
        for id in changed {
            if let Some(title) = now.get(id) {
                self.view.insert(id.clone(), title.clone());
            }
        }
    }

    /// As a full run does.
    pub(super) fn read_all(&mut self) {
        self.view = people(self.slapd);
    }

    /// Whoever was ever seen.
    fn seen(&self) -> BTreeSet<String> {
        self.view.keys().cloned().collect()
    }

    /// After so many feeds, at least.
    pub(super) fn is_seen_as_it_is(&self, rounds: usize) {
        assert_eq!(self.view, people(self.slapd));
        assert!(self.rounds >= rounds, "{} feeds were read meanwhile: too few to race", self.rounds);
    }
}

#[tokio::test]
async fn whoever_changes_while_the_feed_is_read_is_in_the_next_one() {
    for log in [None, Some(100_000)] {
        let slapd = Slapd::builder(&company()).syncprov(log).start();
        let mut since = mark(&slapd).await;
        let mut race = Race::begin(&slapd);
        while race.goes_on() {
            let next = mark(&slapd).await;
            let touched = touched(&slapd, &since).await;
            race.read(&gone(&touched, &race.seen()), &texts(&touched.changed));
            since = next;
        }
        race.is_seen_as_it_is(3);
    }
}
