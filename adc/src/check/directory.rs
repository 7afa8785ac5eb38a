//! The way to the directory, and what is found there.

use std::sync::Arc;

use adc_core::entry::Entry;
use adc_core::mapping::{Bounds, Mapping};
use adc_core::policy::Policy;
use adc_core::record::{Kind, Record};
use adc_core::source_id::{IdAttribute, SourceIdError};
use tokio::sync::mpsc;

use super::{Hop, MATCHES_NOBODY, Report, State, Timer, feed, look_up};
use crate::config::address::IN_CLEAR;
use crate::config::{Address, Config, DirectoryConfig};
use crate::directory::wire::Stream;
use crate::directory::{Directory, DirectoryError, Failure, Query, dial, session};
use crate::exit::Exit;
use crate::imp;
use crate::tls::Presented;

/// Chunks of entries that wait to be counted.
const CHUNKS_AHEAD: usize = 4;

/// Tests the hops to the directory; stops at the first that fails.
pub(super) async fn check(config: &Config, report: &mut Report) {
    let Some(mut session) = servers(&config.directory, report).await else { return };
    if base_dn(&mut session, report).await {
        filters(config, &mut session, report).await;
        feed::check(config, &mut session, report).await;
    }
}

/// Tests the way to each server of a list, and goes on with the first that is within reach.
async fn servers(config: &DirectoryConfig, report: &mut Report) -> Option<Directory> {
    let mut session = None;
    let mut rest = config.servers().count();
    for address in config.servers() {
        rest -= 1;
        let server = Arc::new(config.at(address));
        report.another_will_do = session.is_some() || rest > 0;
        let reached = match reach(&server, report).await {
            Some(stream) => sign_in(server, stream, report).await,
            None => None,
        };
        session = session.or(reached);
    }
    session
}

async fn reach(config: &DirectoryConfig, report: &mut Report) -> Option<Stream> {
    let at = match &config.address {
        Address::Socket(_) => {
            let timer = Timer::start();
            let connected = session::connect(config, None).await;
            return add(report, "socket", timer, &config.address, connected, |_| "connected".to_owned());
        }
        Address::Plain(at) | Address::Tls(at) => at,
    };
    let timer = Timer::start();
    let found = dial::look_up_host(at, config.connect_timeout, &config.reach).await;
    let addresses = add(report, "dns", timer, &at.host, found, |addresses| {
        addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
    })?;
    let timer = Timer::start();
    let connected = dial::connect(at, &addresses, config.connect_timeout, &config.reach).await;
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
                _ => Hop::new("tls", timer, State::Warning, format!("none: this {IN_CLEAR}")),
            };
            report.add(hop.at(address), Exit::Directory);
            wire
        }
        Err(error) => {
            let hop = report.failed("tls", timer, &error).at(address).with_certificate(presented.summary());
            report.add(hop, Exit::Directory);
            return None;
        }
    };
    let timer = Timer::start();
    let let_in = session::sign_in(&config, &mut wire, config.connect_timeout).await;
    if let_in.as_ref().err().is_none_or(|error| error.failure == Failure::BindRefused) {
        report.checked.signed_in.get_or_insert_with(|| let_in.clone());
    }
    let signed_in = match let_in {
        Ok(()) => Directory::signed_in(config.clone(), wire).await,
        Err(error) => Err(error),
    };
    add(report, "bind", timer, &config.bind_dn, signed_in, |directory| {
        format!("signed in; this is {}", directory.root().describe(config.preset))
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

/// Counts what each filter finds and how much of it has an id, and shows one person as it would be sent.
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
    let mut somebody = None;
    let mut findable = true;
    for kind in [Kind::User, Kind::Group, Kind::OrgUnit] {
        let timer = Timer::start();
        let query = imp::query(&config.directory, &mapping, kind);
        let hop = match tally(session, &query, mapping.id()).await {
            Ok(tally) if tally.entries == 0 && kind == Kind::User => {
                Hop::new("filter", timer, State::Failed, MATCHES_NOBODY)
            }
            Ok(tally) => {
                let (state, remark) = remark(session, &mapping, &query, &tally).await;
                let what = if tally.entries == 1 { one(kind) } else { query.what() };
                if kind == Kind::User {
                    somebody = tally.sample;
                }
                Hop::new("filter", timer, state, format!("{} {what}{remark}", tally.entries))
            }
            Err(error) => Hop::failed("filter", timer, &error),
        };
        report.add(hop.at(&query.filter), Exit::Directory);
        // What cannot be searched by of people is not asked of groups as well.
        findable = findable && look_up::finds(session, &query, mapping.id(), report).await;
    }
    if let Some(dn) = somebody.filter(|_| findable) {
        let query = imp::query(&config.directory, &mapping, Kind::User);
        look_up::check(session, &query, mapping.id(), &dn, report).await;
    }
}

/// What a single object of a kind is called.
fn one(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "person",
        Kind::Group => "group",
        Kind::OrgUnit => "org unit",
    }
}

/// What a search found.
#[derive(Debug, Default)]
struct Tally {
    entries: u64,
    /// The DN of the first that has an id.
    sample: Option<String>,
    without_id: u64,
    /// The DN of the first that has no usable id, and what is wrong with it.
    without_id_sample: Option<(String, SourceIdError)>,
}

impl Tally {
    fn count(&mut self, entry: &Entry, id: &IdAttribute) {
        let dn = || entry.dn().to_owned();
        match id.read(entry) {
            Ok(_) if self.sample.is_none() => self.sample = Some(dn()),
            Ok(_) => {}
            Err(error) => {
                self.without_id += 1;
                self.without_id_sample.get_or_insert_with(|| (dn(), error));
            }
        }
    }
}

/// Reads names and ids of all that a query finds.
async fn tally(session: &mut Directory, query: &Query, id: &IdAttribute) -> Result<Tally, DirectoryError> {
    let ids_only = Query { attributes: vec![id.name().to_owned()], ..query.clone() };
    let (sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
    let read = async {
        let receipt = session.read(&ids_only, &sender).await;
        drop(sender);
        receipt
    };
    let count = async {
        let mut tally = Tally::default();
        while let Some(chunk) = chunks.recv().await {
            for raw in chunk {
                tally.count(&raw.decode()?, id);
            }
        }
        Ok::<_, DirectoryError>(tally)
    };
    let (receipt, tally) = tokio::join!(read, count);
    let entries = receipt?.map_or(0, |receipt| receipt.entries);
    Ok(Tally { entries, ..tally? })
}

/// What is to be said of what was found, as a clause after its number.
async fn remark(session: &mut Directory, mapping: &Mapping, query: &Query, tally: &Tally) -> (State, String) {
    if let Some((dn, error)) = &tally.without_id_sample {
        // People without ids are nobody: not one of them could be brought up to date.
        let all = tally.without_id == tally.entries;
        let state = if all && query.kind == Kind::User { State::Failed } else { State::Warning };
        let how_many = if all { "all".to_owned() } else { tally.without_id.to_string() };
        let attribute = mapping.id().name();
        return (
            state,
            format!(
                ", {how_many} of them without a usable {attribute} to be known by, such as {dn}: {error}"
            ),
        );
    }
    match (&tally.sample, query.kind) {
        (Some(dn), Kind::User) => match session.entry(dn, &query.attributes).await {
            Ok(Some(entry)) => describe(&mapping.map(query.kind, &entry)),
            Ok(None) => (State::Ok, String::new()),
            Err(error) => (State::Warning, format!("; the sample {dn} cannot be read: {error}")),
        },
        (Some(dn), _) => (State::Ok, format!(", such as {dn}")),
        (None, _) => (State::Ok, String::new()),
    }
}

fn describe(record: &Record) -> (State, String) {
    match &record.problem {
        Some(problem) => {
            (State::Warning, format!(", such as {}, which has a problem: {}", record.dn, problem.detail))
        }
        None => (State::Ok, format!(", such as {} ({}; id {})", record.name, record.dn, record.source_id)),
    }
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
            report.add(report.failed(name, timer, &error).at(address), Exit::Directory);
            None
        }
    }
}
