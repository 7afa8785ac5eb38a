//! Answers what the control plane asks of the directory, within what adc.yaml allows.

use std::collections::BTreeMap;

use adc_core::dn::Dn;
use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::mapping::{Bounds, Mapping};
use adc_core::policy::Policy;
use adc_core::protocol::link::{
    Browse, Browsed, CheckedHop, Container, DirectoryInfo, Reply, Request, RequestError, Sample, SampleOf,
    SampledEntry, TestedConnection,
};
use adc_core::record::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

use crate::check;
use crate::config::{Config, Scope};
use crate::directory::{Directory, DirectoryError};
use crate::exit::Exit;
use crate::heard::Account;
use crate::imp::query;

/// Containers shown at once: more nobody looks through.
const CONTAINERS: u32 = 1_000;
/// Values of an attribute that a sample shows.
const VALUES: usize = 20;
/// Bytes of a value that a sample shows.
const VALUE_BYTES: usize = 1_024;

/// Answers a request that is no order. Looking around spares an account that was refused, as all do that nobody waits for; a test tries
/// it, for that is what is asked.
pub(super) async fn answer(account: &Account, request: Request) -> Result<Reply, RequestError> {
    match request {
        Request::TestConnection => Ok(Reply::TestedConnection(test(account).await)),
        Request::Browse(browse) => look_below(account, &browse).await.map(Reply::Browsed),
        Request::Sample(sample) => show(account, &sample).await.map(|entry| Reply::Sampled { entry }),
        Request::CheckPassword(_) | Request::Run(_) | Request::Cancel { .. } => {
            Err(refuse("not-a-question", "this is an order, and taken where orders are"))
        }
    }
}

/// What the directory is, and which change feed it offers.
pub(super) async fn describe(account: &Account) -> Result<DirectoryInfo, DirectoryError> {
    let mut directory = account.open().await?;
    let feed = directory.feed().await?;
    let root = directory.root();
    let kind = if root.active_directory {
        DirectoryInfo::ACTIVE_DIRECTORY
    } else if root.openldap {
        "openldap"
    } else {
        "ldap"
    };
    Ok(DirectoryInfo {
        kind: kind.to_owned(),
        feed: feed.map(|feed| feed.as_str().to_owned()),
        trouble: None,
    })
}

async fn test(Account { config, spared }: &Account) -> TestedConnection {
    let began = Instant::now();
    let checked = check::check_configured(config).await;
    if let Some(signed_in) = checked.signed_in() {
        spared.note(config, began, signed_in.as_ref().err(), Instant::now());
    }
    let hops = checked.hops().iter().map(|hop| CheckedHop {
        hop: hop.hop.to_owned(),
        state: hop.state.as_str().to_owned(),
        address: hop.address.clone(),
        message: hop.message.clone(),
        duration_ms: hop.duration_ms,
    });
    TestedConnection { ok: checked.exit() == Exit::Done, hops: hops.collect() }
}

async fn look_below(account: &Account, browse: &Browse) -> Result<Browsed, RequestError> {
    let config = &account.config;
    let dn = match &browse.dn {
        None => config.directory.base_dn.clone(),
        Some(text) => within_base(config, text)?,
    };
    let mut directory = open(account).await?;
    let found = directory.containers(&dn, CONTAINERS).await.map_err(|error| of_directory(&error))?;
    let found = found.ok_or_else(|| {
        refuse("no-such-entry", format!("the directory shows no entry {dn} to the bind account"))
    })?;
    let containers = found.dns.into_iter().map(|dn| Container {
        name: Dn::parse(&dn).map_or_else(|_| dn.clone(), |parsed| parsed.rdn_value().into_owned()),
        dn,
    });
    Ok(Browsed { dn: dn.to_string(), containers: containers.collect(), truncated: found.more })
}

/// Shows an entry that the synchronization could read, with the attributes that could be asked for.
async fn show(account: &Account, sample: &Sample) -> Result<Option<SampledEntry>, RequestError> {
    let config = &account.config;
    let mut directory = open(account).await?;
    let bounds = Bounds {
        preset: config.directory.preset,
        id_attribute: config.directory.id_attribute.clone(),
        attributes: config.directory.attributes.clone(),
    };
    let not_allowed = |error: adc_core::mapping::MappingError| refuse("not-allowed", error.to_string());
    let mapping =
        Mapping::compile(&Policy::default(), &bounds, &directory.root().dse).map_err(not_allowed)?;
    for kind in Kind::ALL {
        let query = query(&config.directory, &mapping, kind);
        let attributes = config.directory.attributes.as_ref().unwrap_or(&query.attributes);
        let found = match &sample.of {
            SampleOf::Dn(text) => {
                let dn = within_base(config, text)?;
                directory.first(&dn.to_string(), Scope::Base, &query.filter, attributes).await
            }
            SampleOf::Filter(text) => {
                let filter: Filter = text
                    .parse()
                    .map_err(|error| refuse("bad-filter", format!("the filter {text} is none: {error}")))?;
                mapping.allowed().check_filter("the filter of a sample", &filter).map_err(not_allowed)?;
                let both = Filter::And(vec![query.filter.clone(), filter]);
                directory.first(&query.base, query.scope, &both, attributes).await
            }
        };
        if let Some(entry) = found.map_err(|error| of_directory(&error))? {
            return Ok(Some(shown(&entry)));
        }
    }
    Ok(None)
}

fn shown(entry: &Entry) -> SampledEntry {
    let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for attribute in entry.attributes() {
        let values = attribute.values.iter().take(VALUES).map(|value| shown_value(value));
        attributes.entry(attribute.name.clone()).or_default().extend(values);
    }
    SampledEntry { dn: entry.dn().to_owned(), attributes }
}

fn shown_value(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if value.len() <= VALUE_BYTES => text.to_owned(),
        Ok(text) => format!("{}…", &text[..text.floor_char_boundary(VALUE_BYTES)]),
        Err(_) => format!("base64:{}", STANDARD.encode(&value[..value.len().min(VALUE_BYTES)])),
    }
}

/// A DN that lies within what adc.yaml bounds everything to.
fn within_base(config: &Config, text: &str) -> Result<Dn, RequestError> {
    let base = &config.directory.base_dn;
    let dn = Dn::parse(text).map_err(|error| refuse("bad-dn", format!("\"{text}\" is no DN: {error}")))?;
    if dn.is_within(base) {
        Ok(dn)
    } else {
        Err(refuse("not-allowed", format!("{dn} lies outside of base_dn {base} of adc.yaml")))
    }
}

/// Whoever looks around waits as long for the one who tries the account before them as for the directory itself: of many who come at
/// once one is refused.
async fn open(account: &Account) -> Result<Directory, RequestError> {
    let Account { config, spared } = account;
    let opened = spared.open(config, config.directory.connect_timeout, account.open()).await;
    opened.map_err(|error| of_directory(&error))
}

fn of_directory(error: &DirectoryError) -> RequestError {
    refuse(error.failure.code(), error.to_string())
}

fn refuse(code: &str, message: impl Into<String>) -> RequestError {
    RequestError { code: code.to_owned(), message: message.into() }
}
