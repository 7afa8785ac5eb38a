//! The way to the directory, and what is found there.

use std::sync::Arc;

use adc_core::mapping::{Bounds, Mapping};
use adc_core::policy::Policy;
use adc_core::record::{Kind, Record};
use tokio::sync::mpsc;

use super::{Hop, MATCHES_NOBODY, Report, State, Timer};
use crate::config::{Address, Config, DirectoryConfig};
use crate::directory::wire::Stream;
use crate::directory::{Directory, DirectoryError, Query, dial, session};
use crate::exit::Exit;
use crate::imp;
use crate::tls::Presented;

/// "No attributes" (RFC 4511 section 4.5.1.8): counting needs names only.
const NO_ATTRIBUTES: &str = "1.1";
/// Chunks of entries that wait to be counted.
const CHUNKS_AHEAD: usize = 4;

/// Tests the hops to the directory; stops at the first that fails.
pub(super) async fn check(config: &Config, report: &mut Report) {
    let directory = Arc::new(config.directory.clone());
    let Some(stream) = reach(&directory, report).await else { return };
    let Some(mut session) = sign_in(directory, stream, report).await else { return };
    if base_dn(&mut session, report).await {
        filters(config, &mut session, report).await;
        change_feed(&mut session, report).await;
    }
}

async fn reach(config: &DirectoryConfig, report: &mut Report) -> Option<Stream> {
    let at = match &config.address {
        Address::Socket(_) => {
            let timer = Timer::start();
            let connected = session::connect(config).await;
            return add(report, "socket", timer, &config.address, connected, |_| "connected".to_owned());
        }
        Address::Plain(at) | Address::Tls(at) => at,
    };
    let timer = Timer::start();
    let found = dial::look_up_host(at, config.connect_timeout).await;
    let addresses = add(report, "dns", timer, &at.host, found, |addresses| {
        addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
    })?;
    let timer = Timer::start();
    let connected = dial::connect(at, &addresses, config.connect_timeout).await;
    add(report, "tcp", timer, at, connected, |_| "connected".to_owned()).map(Stream::Tcp)
}

async fn sign_in(config: Arc<DirectoryConfig>, stream: Stream, report: &mut Report) -> Option<Directory> {
    let address = &config.address;
    let timer = Timer::start();
    let presented = Presented::default();
    let secured = session::secure(&config, stream, &presented).await;
    let is_tls = matches!(address, Address::Tls(_)) || config.start_tls;
    let mut wire = match secured {
        Ok(wire) => {
            let hop = match address {
                _ if is_tls => Hop::ok("tls", timer, "trusted").with_certificate(presented.summary()),
                Address::Socket(_) => Hop::ok("tls", timer, "not needed on a socket of this machine"),
                _ => Hop::new(
                    "tls",
                    timer,
                    State::Warning,
                    "none: the password and everything read cross the network in clear; use ldaps://, or set start_tls: true",
                ),
            };
            report.add(hop.at(address), Exit::Directory);
            wire
        }
        Err(error) => {
            let hop = Hop::failed("tls", timer, &error).at(address).with_certificate(presented.summary());
            report.add(hop, Exit::Directory);
            return None;
        }
    };
    let timer = Timer::start();
    let signed_in = match session::sign_in(&config, &mut wire).await {
        Ok(()) => Directory::signed_in(config.clone(), wire).await,
        Err(error) => Err(error),
    };
    add(report, "bind", timer, &config.bind_dn, signed_in, |directory| {
        let pages = if directory.root().paged_results { "reads in pages" } else { "has no paged results" };
        format!("signed in; this is {} and {pages}", directory.root().product())
    })
}

async fn base_dn(session: &mut Directory, report: &mut Report) -> bool {
    let timer = Timer::start();
    let base = session.config().base_dn.to_string();
    let hop = match session.exists(&base).await {
        Ok(true) => Hop::ok("base-dn", timer, "exists"),
        Ok(false) => Hop::new(
            "base-dn",
            timer,
            State::Failed,
            "does not exist, or the bind account may not see it; check backend.ldap.base_dn and the account's rights",
        ),
        Err(error) => Hop::failed("base-dn", timer, &error),
    };
    let found = hop.state == State::Ok;
    report.add(hop.at(base), Exit::Directory);
    found
}

/// Counts what each filter finds, and shows one person as it would be sent.
async fn filters(config: &Config, session: &mut Directory, report: &mut Report) {
    let timer = Timer::start();
    let bounds = Bounds {
        preset: config.directory.preset,
        id_attribute: config.directory.id_attribute.clone(),
        attributes: config.directory.attributes.clone(),
    };
    let mapping = match Mapping::compile(&Policy::default(), &bounds, &session.root().dse) {
        Ok(mapping) => mapping,
        Err(error) => return report.add(Hop::failed("filter", timer, &error), Exit::Usage),
    };
    for kind in [Kind::User, Kind::Group, Kind::OrgUnit] {
        let timer = Timer::start();
        let query = imp::query(&config.directory, &mapping, kind);
        let hop = match count(session, &query).await {
            Ok((0, _)) if kind == Kind::User => Hop::new("filter", timer, State::Failed, MATCHES_NOBODY),
            Ok((count, first)) => {
                let sample = match first {
                    Some(dn) if kind == Kind::User => sample(session, &mapping, &query, &dn).await,
                    _ => String::new(),
                };
                Hop::ok("filter", timer, format!("{count} {}{sample}", query.what()))
            }
            Err(error) => Hop::failed("filter", timer, &error),
        };
        report.add(hop.at(&query.filter), Exit::Directory);
    }
}

async fn count(session: &mut Directory, query: &Query) -> Result<(u64, Option<String>), DirectoryError> {
    let names_only = Query { attributes: vec![NO_ATTRIBUTES.to_owned()], ..query.clone() };
    let (sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
    let read = async {
        let receipt = session.read(&names_only, &sender).await;
        drop(sender);
        receipt
    };
    let first = async {
        let mut first = None;
        while let Some(chunk) = chunks.recv().await {
            first = first.or_else(|| chunk.into_iter().next()?.decode().ok().map(|entry| entry.dn().to_owned()));
        }
        first
    };
    let (receipt, first) = tokio::join!(read, first);
    Ok((receipt?.map_or(0, |receipt| receipt.entries), first))
}

async fn sample(session: &mut Directory, mapping: &Mapping, query: &Query, dn: &str) -> String {
    match session.entry(dn, &query.attributes).await {
        Ok(Some(entry)) => describe(&mapping.map(query.kind, &entry)),
        Ok(None) => String::new(),
        Err(error) => format!("; the sample {dn} cannot be read: {error}"),
    }
}

fn describe(record: &Record) -> String {
    match &record.problem {
        Some(problem) => format!(", such as {}, which has a problem: {}", record.dn, problem.detail),
        None => format!(", such as {} ({}; id {})", record.name, record.dn, record.source_id),
    }
}

/// What this version needs of both: nothing. It says so instead of pretending to have tested something.
async fn change_feed(session: &mut Directory, report: &mut Report) {
    let timer = Timer::start();
    report.add(
        Hop::ok(
            "deleted-objects",
            timer,
            "no right needed: every run reads everything, and whoever is missing is looked up by id",
        ),
        Exit::Directory,
    );
    let hop = match session.mark().await {
        Ok(Some(mark)) => Hop::ok(
            "change-feed",
            timer,
            format!("not used by this version; {} is readable: {}", mark.kind, mark.values.join(", ")),
        ),
        Ok(None) => Hop::ok(
            "change-feed",
            timer,
            "not used by this version; the directory keeps no position, or the bind account may not read it",
        ),
        Err(error) => Hop::failed("change-feed", timer, &error),
    };
    report.add(hop, Exit::Directory);
}

/// Adds a hop that either gives something to go on with or fails.
fn add<T>(
    report: &mut Report,
    name: &'static str,
    timer: Timer,
    address: impl std::fmt::Display,
    result: Result<T, DirectoryError>,
    message: impl FnOnce(&T) -> String,
) -> Option<T> {
    match result {
        Ok(value) => {
            report.add(Hop::ok(name, timer, message(&value)).at(address), Exit::Directory);
            Some(value)
        }
        Err(error) => {
            report.add(Hop::failed(name, timer, &error).at(address), Exit::Directory);
            None
        }
    }
}
