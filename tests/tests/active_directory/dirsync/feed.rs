//! The feed itself, asked directly: what it names, and where it loses its place.

use std::collections::BTreeSet;
use std::sync::Arc;

use adc::config::file::File;
use adc::config::{Environment, Overrides, Scope, resolve};
use adc::directory::feed::{Feed, Lost, Subject, Touched};
use adc::directory::{Directory, Query};
use adc_core::protocol::Mark;
use adc_core::record::Kind;
use adc_tests::Samba;

use super::super::domain::below;
use super::{ALL, JANE, MAX, NONE, company};

struct Asked {
    samba: Samba,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

impl Asked {
    fn of(samba: Samba) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
        Self { samba, runtime, folder: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    async fn open(&self) -> Directory {
        let authority = self.folder.path().join("ca.pem");
        std::fs::write(&authority, self.samba.authority_pem()).expect("can be written");
        let text = format!(
            "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend:\n  ldap:\n    addr: {}\n    ca_file: {}\n    server_name: {}\n    bind_dn: {}\n    bind_password: {}\n    base_dn: '{}'\n",
            self.samba.ldaps_url(),
            authority.display(),
            Samba::HOST,
            Samba::BIND_NAME,
            Samba::BIND_PASSWORD,
            Samba::DOMAIN_DN,
        );
        let file = File::parse("adc.yaml", &text).expect("parses");
        let config =
            resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves");
        Directory::open(Arc::new(config.directory)).await.expect("opens")
    }

    fn mark(&self) -> Mark {
        self.runtime.block_on(async { self.open().await.mark().await }).expect("answers").expect("a mark")
    }

    fn since(&self, mark: &Mark) -> Result<Touched, Lost> {
        let people = Query {
            kind: Kind::User,
            base: Samba::DOMAIN_DN.to_owned(),
            scope: Scope::Sub,
            filter: "(objectClass=*)".parse().expect("parses"),
            attributes: vec!["title".to_owned(), "member".to_owned()],
            unlisted: None,
        };
        let subject = Subject { queries: vec![people], ..Subject::default() };
        self.runtime
            .block_on(async { self.open().await.touched(Feed::DirSync, mark, &subject).await })
            .expect("answers")
    }

    fn ids(&self, names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| self.samba.guid(&format!("(sAMAccountName={name})"))).collect()
    }
}

fn texts(ids: &BTreeSet<adc_core::source_id::SourceId>) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[test]
fn a_mark_stands_after_everything_and_nobody_was_transferred_for_it() {
    for rights in [ALL, NONE] {
        let asked = Asked::of(company(rights));
        let mark = asked.mark();
        assert_eq!(mark.kind, "dirsync");
        let nothing = asked.since(&mark).expect("goes on");
        assert!(nothing.changed.is_empty() && nothing.removed.is_empty(), "{nothing:?}");

        asked.samba.set(&below(JANE), "title", ["Head"]);
        // Nothing that was asked for: nobody reads it.
        asked.samba.set(&below(MAX), "info", ["Sits by the window"]);
        let touched = asked.since(&mark).expect("goes on");
        assert_eq!(texts(&touched.changed), asked.ids(&["jane"]), "{rights:?}");

        // The feed says itself where the next delta goes on.
        let next = touched.mark.expect("a mark");
        let nothing = asked.since(&next).expect("goes on");
        assert!(nothing.changed.is_empty() && nothing.removed.is_empty(), "{nothing:?}");
    }
}

#[test]
fn a_removal_is_named_to_those_who_may_see_it_and_else_everybody_who_is_there() {
    let asked = Asked::of(company(ALL));
    let max = asked.ids(&["max"]);
    let mark = asked.mark();
    asked.samba.delete(&below(MAX));
    let touched = asked.since(&mark).expect("goes on");
    assert_eq!((texts(&touched.removed), texts(&touched.tombstones)), (max.clone(), max.clone()));
    assert_eq!(touched.present, None);

    asked.samba.let_see_deleted(false);
    let touched = asked.since(&mark).expect("goes on");
    assert!(touched.removed.is_empty(), "{touched:?}");
    let present: BTreeSet<String> = touched.present.expect("all ids").iter().map(String::from).collect();
    assert!(present.is_superset(&asked.ids(&["jane", "kim"])) && present.is_disjoint(&max));
}

#[test]
fn a_place_that_the_server_cannot_go_on_from_is_lost() {
    let asked = Asked::of(company(ALL));
    let mark = asked.mark();
    let with = |name: &str, value: &str| {
        let mut mark = mark.clone();
        for old in &mut mark.values {
            if old.starts_with(name) {
                *old = format!("{name}{value}");
            }
        }
        assert_ne!(mark.values, asked.mark().values);
        mark
    };
    for (mark, lost) in [
        (with("cookie=", "AAAA"), Lost::MarkNotUnderstood),
        (with("cookie=", "TVNEUwMAAAA="), Lost::MarkNotUnderstood),
        (with("cookie=", "no base64"), Lost::MarkNotUnderstood),
        (with("highestCommittedUSN=", "999999999"), Lost::WentBack),
        (with("currentTime=", "2020-01-01T00:00:00"), Lost::Forgotten),
        (Mark { kind: "highestCommittedUSN".to_owned(), ..mark.clone() }, Lost::NotLetIn),
    ] {
        assert_eq!(asked.since(&mark), Err(lost), "{mark:?}");
    }
    asked.since(&mark).expect("the mark itself is sound");
}
