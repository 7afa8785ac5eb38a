//! The directory's own word on what changed, asked of real servers.

mod losing_place;
mod numbers;
mod racing;
mod syncrepl;
mod timestamps;

use std::collections::BTreeSet;
use std::sync::Arc;

use adc::config::file::File;
use adc::config::{DirectoryConfig, Environment, Overrides, resolve};
use adc::directory::feed::{Feed, Lost, Subject, Touched};
use adc::directory::{Directory, DirectoryError};
use adc_core::protocol::Mark;
use adc_tests::{Company, Slapd};

/// Two people and a group, and where people go who left.
fn company() -> Company {
    Company::new("dc=lg,dc=local")
        .ou("people/sales")
        .ou("archive")
        .ou("people")
        .person("jane")
        .person("max")
        .ou("groups")
        .group("all", ["jane", "max"])
}

/// What the agent is told of a directory; what it may read begins at `base_dn`.
fn config(slapd: &Slapd, base_dn: &str) -> DirectoryConfig {
    let (url, bind_dn, password) = (slapd.url(), slapd.bind_dn(), Company::BIND_PASSWORD);
    let text = format!(
        "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend:\n  ldap:\n    addr: {url}\n    bind_dn: {bind_dn}\n    bind_password: {password}\n    base_dn: {base_dn}\n"
    );
    let file = File::parse("adc.yaml", &text).expect("parses");
    resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves").directory
}

async fn open_below(slapd: &Slapd, base_dn: &str) -> Directory {
    Directory::open(Arc::new(config(slapd, base_dn))).await.expect("opens")
}

async fn open(slapd: &Slapd) -> Directory {
    open_below(slapd, slapd.suffix()).await
}

async fn mark(slapd: &Slapd) -> Mark {
    open(slapd).await.mark().await.expect("answers").expect("syncprov keeps a mark")
}

async fn ask(slapd: &Slapd, since: &Mark) -> Result<Result<Touched, Lost>, DirectoryError> {
    open(slapd).await.touched(Feed::Syncrepl, since, &Subject::default()).await
}

async fn touched(slapd: &Slapd, since: &Mark) -> Touched {
    ask(slapd, since).await.expect("answers").expect("goes on")
}

async fn lost(slapd: &Slapd, since: &Mark) -> Lost {
    ask(slapd, since).await.expect("answers").expect_err("must not go on")
}

/// The identity of the one entry that a filter finds.
fn id(slapd: &Slapd, filter: &str) -> String {
    let mut found = ids(slapd, filter).into_iter();
    match (found.next(), found.next()) {
        (Some(id), None) => id,
        _ => panic!("{filter} finds not exactly one entry"),
    }
}

fn ids(slapd: &Slapd, filter: &str) -> BTreeSet<String> {
    let found = slapd.search(filter, &["entryUUID"]);
    found.lines().filter_map(|line| line.strip_prefix("entryUUID: ")).map(str::to_owned).collect()
}

fn texts<T: ToString>(ids: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

fn set<const N: usize>(ids: [&String; N]) -> BTreeSet<String> {
    texts(ids)
}

/// Whom a feed proves or leaves out: of all that was there before, what it does not call present or changed.
fn gone(touched: &Touched, before: &BTreeSet<String>) -> BTreeSet<String> {
    match &touched.present {
        None => texts(&touched.removed),
        Some(present) => {
            let there: BTreeSet<String> = &texts(present.iter()) | &texts(&touched.changed);
            before - &there
        }
    }
}
