//! Reading a directory that behaves, and one that does not: nothing incomplete may look like an end.

mod domain;
mod failing;
mod failing_over;
mod following;
mod following_domain;
mod following_rounds;
mod logging;
mod looking_up;
mod reading;
mod script;
mod tls;

use std::sync::Arc;

use adc::config::file::File;
use adc::config::{DirectoryConfig, Environment, Overrides, Scope, resolve};
use adc::directory::{Directory, DirectoryError, Query, RawEntry};
use adc_core::entry::Entry;
use adc_core::protocol::SearchReceipt;
use adc_core::record::Kind;
use adc_sandbox::{Sandbox, sample};
use tokio::sync::mpsc;

/// Small pages, so that 300 people make many.
const PAGE_SIZE: u32 = 20;

/// The configuration that reads `url`, with more lines below `backend.ldap`.
fn config_with(url: &str, more: &str) -> DirectoryConfig {
    let text = format!(
        "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend:\n  ldap:\n    addr: {url}\n    bind_dn: {}\n    bind_password: {}\n    base_dn: {}\n    sync: {{page_size: {PAGE_SIZE}}}\n{more}",
        sample::READONLY_DN,
        sample::READONLY_PASSWORD,
        sample::BASE_DN,
    );
    let file = File::parse("adc.yaml", &text).expect("parses");
    resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves").directory
}

fn config(sandbox: &Sandbox) -> DirectoryConfig {
    config_with(&sandbox.url(), "")
}

async fn open(config: DirectoryConfig) -> Result<Directory, DirectoryError> {
    Directory::open(Arc::new(config)).await
}

fn people() -> Query {
    Query {
        kind: Kind::User,
        base: sample::BASE_DN.to_owned(),
        scope: Scope::Sub,
        filter: "(objectClass=inetOrgPerson)".parse().expect("parses"),
        attributes: vec!["entryUUID".to_owned(), "mail".to_owned(), "cn".to_owned()],
        unlisted: None,
    }
}

/// Reads everything a query finds; what was handed on before a failure is kept too.
async fn read(
    directory: &mut Directory,
    query: &Query,
) -> (Vec<Entry>, Result<SearchReceipt, DirectoryError>) {
    let (sender, mut receiver) = mpsc::channel::<Vec<RawEntry>>(1);
    let collect = async {
        let mut entries = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            for raw in chunk {
                entries.push(raw.decode()?);
            }
        }
        Ok::<_, DirectoryError>(entries)
    };
    let read = async {
        let result = directory.read(query, &sender).await;
        drop(sender);
        result.map(|receipt| receipt.expect("somebody listens"))
    };
    let (entries, receipt) = tokio::join!(collect, read);
    match entries {
        Ok(entries) => (entries, receipt),
        Err(error) => (Vec::new(), Err(error)),
    }
}
