//! What can go wrong with a directory: each error says what, where, and what to do. Nothing was changed by any of them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::outcome::{Outcome, code};
use super::refusal;
use crate::config::address::HostPort;
use crate::config::{DirectoryConfig, SettingNames};

/// Why the directory could not be reached, refused us, or could not be read completely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DirectoryError {
    /// What kind of failure it is.
    pub failure: Failure,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// The kinds of failure; the name is the code of a run's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Name, address or port does not answer.
    Unreachable,
    /// An agent of the control plane itself is not let go there.
    OutOfBounds,
    /// The connection could not be made safe.
    Tls,
    /// The bind account was not let in.
    BindRefused,
    /// The base DN does not exist, or is hidden from the bind account.
    BaseNotFound,
    /// The server cut the search at a number of entries.
    SizeLimitExceeded,
    /// The server cut the search after a time.
    TimeLimitExceeded,
    /// The server cut the search for a limit of its administrator.
    AdminLimitExceeded,
    /// The server has no time for us now.
    Busy,
    /// The server does not want to do this.
    UnwillingToPerform,
    /// Part of the tree lies on another server.
    Referral,
    /// Any other result code.
    SearchRefused,
    /// The connection broke while something was under way.
    ConnectionLost,
    /// The server fell silent.
    Silent,
    /// The server's answer makes no sense.
    Protocol,
    /// An entry cannot be taken as it is.
    Unreadable,
    /// Entries are there and their ids are out of sight.
    IdHidden,
    /// Entries are there and their classes are out of sight.
    ClassHidden,
    /// A look-up by id returned an entry of another id.
    IdMismatch,
    /// The parts of a list do not make it whole.
    ListIncomplete,
}

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// It may pass: try again later.
    Retry,
    /// Somebody must mend it.
    TellOperator,
}

impl Failure {
    /// All kinds there are.
    pub const ALL: [Self; 20] = [
        Self::Unreachable,
        Self::OutOfBounds,
        Self::Tls,
        Self::BindRefused,
        Self::BaseNotFound,
        Self::SizeLimitExceeded,
        Self::TimeLimitExceeded,
        Self::AdminLimitExceeded,
        Self::Busy,
        Self::UnwillingToPerform,
        Self::Referral,
        Self::SearchRefused,
        Self::ConnectionLost,
        Self::Silent,
        Self::Protocol,
        Self::Unreadable,
        Self::IdHidden,
        Self::ClassHidden,
        Self::IdMismatch,
        Self::ListIncomplete,
    ];

    /// The stable code: lower-case words with hyphens.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "directory-unreachable",
            Self::OutOfBounds => "directory-out-of-bounds",
            Self::Tls => "directory-tls",
            Self::BindRefused => "bind-refused",
            Self::BaseNotFound => "base-not-found",
            Self::SizeLimitExceeded => "size-limit-exceeded",
            Self::TimeLimitExceeded => "time-limit-exceeded",
            Self::AdminLimitExceeded => "admin-limit-exceeded",
            Self::Busy => "directory-busy",
            Self::UnwillingToPerform => "unwilling-to-perform",
            Self::Referral => "referral",
            Self::SearchRefused => "search-refused",
            Self::ConnectionLost => "directory-connection-lost",
            Self::Silent => "directory-silent",
            Self::Protocol => "directory-protocol",
            Self::Unreadable => "directory-unreadable",
            Self::IdHidden => "id-hidden",
            Self::ClassHidden => "class-hidden",
            Self::IdMismatch => "id-mismatch",
            Self::ListIncomplete => "list-incomplete",
        }
    }

    /// Whether trying again later may help.
    pub fn next_step(self) -> NextStep {
        match self {
            Self::Unreachable
            | Self::Busy
            | Self::ConnectionLost
            | Self::Silent
            | Self::ListIncomplete
            | Self::TimeLimitExceeded => NextStep::Retry,
            _ => NextStep::TellOperator,
        }
    }
}

impl Failure {
    /// Whether another server of the same directory may do better.
    pub(crate) fn is_of_one_server(self) -> bool {
        matches!(self, Self::Unreachable | Self::Tls | Self::ConnectionLost | Self::Silent | Self::Busy)
    }
}

/// How far a search had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What was read: "people", "groups", …
    pub what: &'a str,
    /// Entries received, over all pages.
    pub entries: u64,
    /// The page under way, from 1.
    pub page: u32,
}

impl Progress<'_> {
    fn so_far(&self) -> String {
        format!("after {} entries, in page {}", self.entries, self.page)
    }
}

impl DirectoryError {
    pub(crate) fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self { failure, message: message.into() }
    }

    /// Whoever runs the agent lets it connect to other addresses only.
    pub(crate) fn out_of_bounds(at: &HostPort, why: &str) -> Self {
        Self::new(Failure::OutOfBounds, format!("{at} is not connected to: {why}"))
    }

    /// Most of the objects that were looked up are where they were, and show no usable `attribute`.
    pub(crate) fn ids_hidden(attribute: &str, hidden: usize, looked_up: usize, example: &str) -> Self {
        Self::new(
            Failure::IdHidden,
            format!(
                "{hidden} of {looked_up} objects were not found by their {attribute}, but their entries are there and show no usable \
                 {attribute}, such as {example}; nobody can be proved gone like that. Let the bind account read \
                 {attribute}, or set id_attribute to one that every entry has"
            ),
        )
    }

    /// An entry that shows its `attribute` is not found by it.
    pub(crate) fn ids_not_searchable(attribute: &str, example: &str) -> Self {
        Self::new(
            Failure::IdHidden,
            format!(
                "{example} is there and shows its {attribute}, but a search by that very {attribute} does not find it; nobody can be \
                 proved gone like that. Let the bind account search by {attribute}, not only read it (OpenLDAP: `read` instead \
                 of `=rc` in the rule for it), or set id_attribute to one that it may search by"
            ),
        )
    }

    /// Most of the objects that were looked up are there, and show no class.
    pub(crate) fn classes_hidden(hidden: usize, looked_up: usize, example: &str) -> Self {
        Self::new(
            Failure::ClassHidden,
            format!(
                "{hidden} of {looked_up} objects that were not seen are there and show no objectClass, or one that the filter does not \
                 find them by, such as {example}; nobody can be proved gone like that. Let the bind account read objectClass, and search by it"
            ),
        )
    }

    /// A list that the directory gives in parts could not be read to its end; `why` is a clause.
    pub(super) fn list_incomplete(dn: &str, why: &str) -> Self {
        Self::new(
            Failure::ListIncomplete,
            format!(
                "the directory gives a list of {dn} in parts that do not join: {why}; nothing is concluded from a part: try again when nobody changes that entry, and if it stays so ask who runs the directory"
            ),
        )
    }

    pub(super) fn name_unknown(at: &HostPort, names: &SettingNames, reason: &str) -> Self {
        let (host, address) = (&at.host, names.address);
        Self::new(
            Failure::Unreachable,
            format!(
                "the directory's host {host} is not found ({reason}); check {address} and this machine's name server"
            ),
        )
    }

    /// None of the servers could be reached; there is at least one failure.
    pub(crate) fn all_out_of_reach(failures: &[Self]) -> Self {
        if let [only] = failures {
            return only.clone();
        }
        let said: Vec<String> =
            (1..).zip(failures).map(|(number, failure)| format!("({number}) {failure}")).collect();
        let failure = failures.first().map_or(Failure::Unreachable, |first| first.failure);
        Self::new(
            failure,
            format!("none of the {} directories is within reach: {}", failures.len(), said.join(" ")),
        )
    }

    pub(super) fn unreachable(
        at: &HostPort,
        names: &SettingNames,
        address: SocketAddr,
        error: &io::Error,
    ) -> Self {
        let written = at.to_string();
        let address = address.to_string();
        let at = if written == address { address } else { format!("{written} ({address})") };
        let message = if error.kind() == io::ErrorKind::ConnectionRefused {
            format!(
                "nobody listens on {at}; is the directory running, and is the port of {} right?",
                names.address
            )
        } else {
            format!(
                "the directory {at} cannot be reached: {error}; check the network between this machine and it"
            )
        };
        Self::new(Failure::Unreachable, message)
    }

    pub(super) fn connect_timeout(at: &HostPort, address: SocketAddr, limit: Duration) -> Self {
        Self::new(
            Failure::Unreachable,
            format!(
                "the directory {at} ({address}) does not answer within {} s; is a firewall in the way? (backend.ldap.connect_timeout)",
                limit.as_secs()
            ),
        )
    }

    pub(super) fn socket_unreachable(path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        Self::new(
            Failure::Unreachable,
            format!(
                "the directory's socket {path} cannot be opened: {error}; is the directory running, and may this account use the socket?"
            ),
        )
    }

    /// A TLS handshake that failed; `clause` says why and what to do.
    pub(super) fn tls(address: &str, clause: &str) -> Self {
        Self::new(Failure::Tls, format!("no safe connection to {address}: {clause}"))
    }

    pub(super) fn start_tls_refused(address: &str, outcome: &Outcome) -> Self {
        Self::new(
            Failure::Tls,
            format!(
                "{address} does not offer StartTLS ({outcome}); set up a certificate on the directory, or use ldaps://"
            ),
        )
    }

    pub(super) fn bind_refused(bind_dn: &str, names: &SettingNames, outcome: &Outcome) -> Self {
        let SettingNames { account, safer, .. } = names;
        let message = match outcome.code {
            code::INVALID_CREDENTIALS => match refusal::in_words(&outcome.text, names) {
                Some(words) => format!("the directory refuses {bind_dn}: {words} ({outcome})"),
                None => {
                    format!("the directory refuses {bind_dn} ({outcome}); check {account} and its password")
                }
            },
            code::CONFIDENTIALITY_REQUIRED | code::STRONGER_AUTH_REQUIRED => format!(
                "the directory wants a safe connection before it takes a password ({outcome}); {safer}"
            ),
            code::INVALID_DN_SYNTAX => {
                format!("the directory does not take {bind_dn} for a DN ({outcome}); check {account}")
            }
            code::BUSY | code::UNAVAILABLE => {
                return Self::new(
                    Failure::Busy,
                    format!("the directory has no time to let {bind_dn} in ({outcome}); try again later"),
                );
            }
            _ => format!("the directory does not let {bind_dn} in ({outcome}); ask who runs it"),
        };
        Self::new(Failure::BindRefused, message)
    }

    /// A search by the account `bind_dn` that ended with anything but success.
    pub(super) fn search(
        progress: Progress<'_>,
        base: &str,
        config: &DirectoryConfig,
        outcome: &Outcome,
    ) -> Self {
        let (bind_dn, names) = (config.bind_dn.as_str(), config.names());
        let Progress { what, entries, .. } = progress;
        let so_far = progress.so_far();
        if is_about_pages(outcome) {
            return Self::pages_refused(what, bind_dn, &so_far, outcome);
        }
        match outcome.code {
            code::NO_SUCH_OBJECT => {
                let known = match outcome.matched.as_str() {
                    "" => String::new(),
                    matched => format!("; what exists of it is {matched}"),
                };
                Self::new(
                    Failure::BaseNotFound,
                    format!(
                        "{base} does not exist in the directory, or the bind account may not see it{known}; check {}",
                        names.base_dn
                    ),
                )
            }
            code::SIZE_LIMIT_EXCEEDED => Self::new(
                Failure::SizeLimitExceeded,
                format!(
                    "the directory gave {entries} entries and cut the search for {what} at its size limit ({outcome}); nothing is concluded from a part: raise the limit for the bind account (OpenLDAP: `limits dn.exact=\"{}\" size.prtotal=unlimited size.soft=unlimited size.hard=unlimited`)",
                    quoted(bind_dn)
                ),
            ),
            code::TIME_LIMIT_EXCEEDED => Self::new(
                Failure::TimeLimitExceeded,
                format!(
                    "the directory cut the search for {what} at its time limit {so_far} ({outcome}); raise the time limit for the bind account, or lower backend.ldap.sync.page_size"
                ),
            ),
            code::ADMIN_LIMIT_EXCEEDED => Self::new(
                Failure::AdminLimitExceeded,
                format!(
                    "the directory cut the search for {what} at a limit of its administrator {so_far} ({outcome}); raise it for the bind account (OpenLDAP: size.unchecked; 389 DS: nsLookThroughLimit), or index what the filter asks for"
                ),
            ),
            code::BUSY | code::UNAVAILABLE => Self::new(
                Failure::Busy,
                format!(
                    "the directory is too busy to go on with the search for {what} {so_far} ({outcome}); try again later"
                ),
            ),
            code::UNWILLING_TO_PERFORM => Self::new(
                Failure::UnwillingToPerform,
                format!(
                    "the directory is unwilling to go on with the search for {what} {so_far} ({outcome}); ask who runs it"
                ),
            ),
            code::REFERRAL => Self::referral(progress, base, &outcome.referrals),
            code::INSUFFICIENT_ACCESS if refusal::is_until_changed(&outcome.text) => Self::new(
                Failure::SearchRefused,
                format!(
                    "the directory lets the bind account do nothing before its password is changed ({outcome}); set a new one (ldappasswd), and give it in {}",
                    names.password
                ),
            ),
            code::INSUFFICIENT_ACCESS => Self::new(
                Failure::SearchRefused,
                format!(
                    "the bind account may not search for {what} in {base} ({outcome}); give it the right to read there"
                ),
            ),
            _ => Self::new(
                Failure::SearchRefused,
                format!("the search for {what} in {base} failed {so_far} ({outcome})"),
            ),
        }
    }

    /// The server refuses pages, or pages of this size, and says so with one of several codes.
    fn pages_refused(what: &str, bind_dn: &str, so_far: &str, outcome: &Outcome) -> Self {
        let failure = match outcome.code {
            code::ADMIN_LIMIT_EXCEEDED => Failure::AdminLimitExceeded,
            code::UNWILLING_TO_PERFORM => Failure::UnwillingToPerform,
            _ => Failure::SearchRefused,
        };
        let bind_dn = quoted(bind_dn);
        Self::new(
            failure,
            format!(
                "the directory refuses to page the search for {what}, or pages of that size, {so_far} ({outcome}); lower backend.ldap.sync.page_size, or let the bind account have such pages (OpenLDAP: `limits dn.exact=\"{bind_dn}\" size.pr=unlimited size.prtotal=unlimited`)"
            ),
        )
    }

    pub(super) fn referral(progress: Progress<'_>, base: &str, urls: &[String]) -> Self {
        let where_to = urls.first().map_or("another server", String::as_str);
        Self::new(
            Failure::Referral,
            format!(
                "part of {base} lies elsewhere: the search for {} was referred to {where_to} and is not complete; read from the server that holds all of it, choose a base DN below what this one holds, or, if nobody there is to be synchronized, set backend.ldap.referrals: ignore",
                progress.what
            ),
        )
    }

    pub(super) fn connection_lost(progress: Progress<'_>, reason: &str) -> Self {
        Self::new(
            Failure::ConnectionLost,
            format!(
                "the connection to the directory was lost while reading {}, {} ({reason}); nothing is concluded from a part: try again",
                progress.what,
                progress.so_far()
            ),
        )
    }

    pub(super) fn silent(progress: Progress<'_>, limit: Duration) -> Self {
        Self::new(
            Failure::Silent,
            format!(
                "the directory fell silent for {} s while reading {}, {}; try again, or raise backend.ldap.search_timeout",
                limit.as_secs(),
                progress.what,
                progress.so_far()
            ),
        )
    }
}

/// Whether a refusal is of the pages, not of the search: slapd says so in its text, with several codes (`illegal pagedResults page
/// size`, `pagedResults control not allowed`, `size.pr` of slapd.conf(5)).
fn is_about_pages(outcome: &Outcome) -> bool {
    let refused = [code::ADMIN_LIMIT_EXCEEDED, code::UNWILLING_TO_PERFORM, code::SIZE_LIMIT_EXCEEDED];
    outcome.code == code::UNAVAILABLE_CRITICAL_EXTENSION
        || (refused.contains(&outcome.code) && outcome.text.contains("pagedResults"))
}

/// A DN as it stands between the quotes of slapd.conf(5).
fn quoted(dn: &str) -> String {
    dn.replace('\\', "\\\\").replace('"', "\\\"")
}
