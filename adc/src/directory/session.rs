//! A connection to the directory that is signed in, made hop by hop so that a check can tell which one fails.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adc_core::dn::DnKey;
use secrecy::ExposeSecret;

use super::dial;
use super::error::{DirectoryError, Failure};
use super::outcome::code;
use super::request::{Control, EXTENDED_DN, Part};
use super::root::Root;
use super::wire::{Stream, Tls, Wire, WireError};
use crate::config::{Address, DirectoryConfig, Login};
use crate::tls::{self, Presented};

/// A signed-in connection to one server, and what that server is.
#[derive(Debug)]
pub struct Directory {
    pub(super) wire: Wire,
    pub(super) config: Arc<DirectoryConfig>,
    root: Root,
    /// Where exactly it is: a name may stand for all domain controllers of a domain.
    pub(super) peer: Option<SocketAddr>,
    /// How the connection was made safe, where it was.
    pub(super) tls: Option<Tls>,
    /// Known once the change feed was asked for, see [`Self::feed`].
    pub(super) serves_syncrepl: Option<bool>,
    /// Known once a search was referred somewhere, see [`super::referral`].
    pub(super) partitions_without_people: Option<BTreeSet<DnKey>>,
    /// The server may remember here where a search in pages stood, see [`Self::first_page`].
    remembers_pages: bool,
    /// New connections are answered by other processes, see [`Self::renew`].
    stays: bool,
}

impl Directory {
    /// Reaches the directory, the first of its servers that can be, makes the connection safe, signs in and asks what it is.
    ///
    /// # Errors
    /// The first hop that fails, with what to do about it.
    pub async fn open(config: Arc<DirectoryConfig>) -> Result<Self, DirectoryError> {
        Self::open_by(config, sign_in_in_time).await
    }

    /// The same; `sign_in` has the bind account let in.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn open_by<F>(
        config: Arc<DirectoryConfig>,
        sign_in: impl Fn(Reached) -> F,
    ) -> Result<Self, DirectoryError>
    where
        F: Future<Output = Result<Reached, DirectoryError>>,
    {
        if config.fail_over.is_empty() {
            return Self::open_one(config, None, &sign_in).await;
        }
        let mut failures = Vec::new();
        for address in config.servers() {
            match Self::open_one(Arc::new(config.at(address)), None, &sign_in).await {
                Err(error) if error.failure.is_of_one_server() => {
                    tracing::warn!(%address, "a directory is out of reach: {error}");
                    failures.push(error);
                }
                // Whom one server refuses the others refuse too; asking them all would only lock the account out sooner.
                result => return result,
            }
        }
        Err(DirectoryError::all_out_of_reach(&failures))
    }

    async fn open_one<F>(
        config: Arc<DirectoryConfig>,
        peer: Option<SocketAddr>,
        sign_in: impl Fn(Reached) -> F,
    ) -> Result<Self, DirectoryError>
    where
        F: Future<Output = Result<Reached, DirectoryError>>,
    {
        let reached = Reached::over(config, peer).await?;
        sign_in(reached).await?.signed_in().await
    }

    /// Goes on from a connection that is signed in already.
    pub(crate) async fn signed_in(
        config: Arc<DirectoryConfig>,
        mut wire: Wire,
    ) -> Result<Self, DirectoryError> {
        let root = Root::read(&mut wire, &config).await?;
        let mut directory = Self {
            wire,
            config,
            root,
            peer: None,
            tls: None,
            serves_syncrepl: None,
            partitions_without_people: None,
            remembers_pages: false,
            stays: false,
        };
        directory.root.invocation = directory.invocation().await?;
        Ok(directory)
    }

    /// What the server said of itself.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What asks the server to refer to objects by GUID, where it can.
    pub(super) fn by_guid(&self) -> &'static [Control] {
        if self.root.refers_by_guid() { &[EXTENDED_DN] } else { &[] }
    }

    /// For whoever wants no more than so many entries: the first page of them. slapd is asked with a limit instead, for it remembers a
    /// search in pages that is left, see [`Self::first_page`]. A server without paged results sends all.
    pub(super) fn sample(&self, entries: u32) -> Option<Part<'static>> {
        let page = if self.root.openldap { Part::AtMost(entries) } else { Part::Page(entries, &[]) };
        self.root.paged_results.then_some(page)
    }

    /// The cookie of the first page of a read; none where the server has no paged results, and sends all.
    ///
    /// slapd remembers on a connection in which of several databases (`subordinate`) a search in pages stood, even when it ended with a
    /// full page. It answers the next one from there: with nobody, with some, or with `unwillingToPerform`. So that one begins on a
    /// connection that remembers nothing, where the same process can be reached again.
    ///
    /// # Errors
    /// The server cannot be reached again.
    pub(super) async fn first_page(&mut self) -> Result<Option<Vec<u8>>, DirectoryError> {
        if self.remembers_pages && !self.stays {
            self.renew().await?;
        }
        self.remembers_pages = self.root.openldap && self.root.paged_results;
        Ok(self.root.paged_results.then(Vec::new))
    }

    /// A read came to its end: where its last page was not full, nothing is remembered.
    pub(super) fn last_page_ended(&mut self, entries: u64) {
        self.remembers_pages &= entries >= u64::from(self.config.page_size);
    }

    /// Which server this is: a mark of one says nothing about another.
    pub fn server_identity(&self) -> String {
        self.root.identity(&self.config.address)
    }

    /// How the connection is bounded and what is read over it.
    pub fn config(&self) -> &DirectoryConfig {
        &self.config
    }

    /// Makes a new connection where the old one is gone, to the same server.
    ///
    /// # Errors
    /// The server cannot be reached any more, or another one answers.
    pub(crate) async fn reopen(&mut self) -> Result<(), DirectoryError> {
        *self = self.opened_again().await?;
        Ok(())
    }

    /// Makes a new connection though there is one, if the same process of the server answers there. Where an address stands for several,
    /// as behind a load balancer, it stays with the one that it has: what is read has to come from a single one.
    async fn renew(&mut self) -> Result<(), DirectoryError> {
        let mut again = match self.opened_again().await {
            Ok(again) => again,
            Err(error) if error.failure == Failure::ConnectionLost => return self.stay(),
            Err(error) => return Err(error),
        };
        let (before, now) = (self.started().await?, again.started().await?);
        if before.is_none() || before != now {
            return self.stay();
        }
        again.serves_syncrepl = self.serves_syncrepl;
        again.partitions_without_people = self.partitions_without_people.take();
        *self = again;
        Ok(())
    }

    /// Makes no new connection for the sake of pages any more.
    #[expect(clippy::unnecessary_wraps, reason = "reads as the end of what may fail")]
    fn stay(&mut self) -> Result<(), DirectoryError> {
        tracing::debug!(
            address = %self.config.address,
            "a new connection is answered by another process, or cannot be told from one: the one that there is goes on being used"
        );
        self.stays = true;
        Ok(())
    }

    async fn opened_again(&mut self) -> Result<Self, DirectoryError> {
        let before = self.server_identity();
        let again = Self::open_one(self.config.clone(), self.peer, sign_in_in_time).await?;
        let now = again.server_identity();
        if before != now {
            return Err(DirectoryError::new(
                Failure::ConnectionLost,
                format!(
                    "the connection to {before} was lost and {now} answered instead; absence can only be proved on the same server: try again"
                ),
            ));
        }
        Ok(again)
    }
}

/// A connection to one server, as safe as it is to be, on which the bind account is let in or is still to be.
#[derive(Debug)]
pub(crate) struct Reached {
    wire: Wire,
    config: Arc<DirectoryConfig>,
    peer: Option<SocketAddr>,
    tls: Option<Tls>,
}

impl Reached {
    /// The first two hops, to the first server of the configuration; with `peer` to that one of its host's addresses.
    ///
    /// # Errors
    /// The hop that fails, with what to do about it.
    pub(crate) async fn over(
        config: Arc<DirectoryConfig>,
        peer: Option<SocketAddr>,
    ) -> Result<Self, DirectoryError> {
        let stream = connect(&config, peer).await?;
        let peer = stream.peer();
        let presented = Presented::default();
        let tls = tls_of(&config, &presented)?;
        let wire = secure_by(&config, stream, tls.clone(), &presented).await?;
        Ok(Self { wire, config, peer, tls })
    }

    /// The third hop; the server's word is waited for no longer than `limit`.
    ///
    /// # Errors
    /// The bind account is not let in, or there is no word.
    pub(crate) async fn sign_in(&mut self, limit: Duration) -> Result<(), DirectoryError> {
        sign_in(&self.config, &mut self.wire, limit).await
    }

    /// Why it is given up when nothing came within `limit`.
    pub(crate) fn silent(&self, limit: Duration) -> DirectoryError {
        silent(&self.config, limit)
    }

    /// Goes on where the bind account was let in: asks the server what it is.
    ///
    /// # Errors
    /// The server does not say.
    pub(crate) async fn signed_in(self) -> Result<Directory, DirectoryError> {
        let Self { wire, config, peer, tls } = self;
        Ok(Directory { peer, tls, ..Directory::signed_in(config, wire).await? })
    }
}

/// The bind account is let in as fast as anybody waits for a connection.
async fn sign_in_in_time(mut reached: Reached) -> Result<Reached, DirectoryError> {
    reached.sign_in(reached.config.connect_timeout).await?;
    Ok(reached)
}

/// The first hop: a connection to the directory's port or socket; with `peer` to that one of the host's addresses.
pub(crate) async fn connect(
    config: &DirectoryConfig,
    peer: Option<SocketAddr>,
) -> Result<Stream, DirectoryError> {
    let at = match &config.address {
        Address::Socket(path) => {
            return dial::connect_socket(path).await.map(Stream::Unix);
        }
        Address::Plain(at) | Address::Tls(at) => at,
    };
    let addresses = match peer {
        Some(peer) => vec![peer],
        None => dial::look_up_host(at, config.connect_timeout, &config.reach).await?,
    };
    dial::connect(at, &addresses, config.connect_timeout, &config.reach).await.map(Stream::Tcp)
}

/// The second hop: LDAP, over TLS where the address or `start_tls` asks for it.
pub(crate) async fn secure(
    config: &DirectoryConfig,
    stream: Stream,
    presented: &Presented,
) -> Result<Wire, DirectoryError> {
    let tls = tls_of(config, presented)?;
    secure_by(config, stream, tls, presented).await
}

/// What makes a connection safe, where the address or `start_tls` asks for TLS. Made once and used again it spares the reading of
/// authorities, and the servers' half of later handshakes.
pub(super) fn tls_of(config: &DirectoryConfig, presented: &Presented) -> Result<Option<Tls>, DirectoryError> {
    let ((Address::Tls(at), _) | (Address::Plain(at), true)) = (&config.address, config.start_tls) else {
        return Ok(None);
    };
    let identity = config.client_certificate.as_ref();
    let client = tls::client_config(config.authorities(), identity, &[], presented)
        .map_err(|error| DirectoryError::tls(&config.address.to_string(), &error.to_string()))?;
    let server_name = config.server_name.clone().unwrap_or_else(|| at.host.clone());
    Ok(Some(Tls { config: Arc::new(client), server_name, start_tls: config.start_tls }))
}

/// As [`secure`], with what [`tls_of`] made.
pub(super) async fn secure_by(
    config: &DirectoryConfig,
    stream: Stream,
    tls: Option<Tls>,
    presented: &Presented,
) -> Result<Wire, DirectoryError> {
    let address = config.address.to_string();
    let name = tls.as_ref().map(|tls| tls.server_name.clone()).unwrap_or_default();
    let start_tls = config.start_tls;
    Wire::open(stream, tls, config.connect_timeout).await.map_err(|error| match error {
        WireError::Tls(error) => DirectoryError::tls(&address, &tls::explain(&error, presented, &name)),
        WireError::StartTlsRefused(outcome) => DirectoryError::start_tls_refused(&address, &outcome),
        WireError::Silent => DirectoryError::tls(
            &address,
            &format!("it does not answer the TLS handshake within {}", seconds(config.connect_timeout)),
        ),
        WireError::Lost(reason) | WireError::Undecodable(reason) if start_tls => {
            DirectoryError::tls(&address, &format!("StartTLS broke off ({reason}); is this a TLS port? Then use ldaps://"))
        }
        WireError::Lost(reason) | WireError::Undecodable(reason) => DirectoryError::tls(
            &address,
            &format!("it does not speak TLS on this port ({reason}); use ldap:// with start_tls: true, or the port that speaks TLS"),
        ),
    })
}

/// The third hop: the bind account is let in, within `limit`.
pub(crate) async fn sign_in(
    config: &DirectoryConfig,
    wire: &mut Wire,
    limit: Duration,
) -> Result<(), DirectoryError> {
    let (dn, password) = (config.bind_dn.as_str(), config.bind_password.expose_secret());
    if config.login == Login::Password && (dn.is_empty() || password.is_empty()) {
        return Err(DirectoryError::new(
            Failure::BindRefused,
            "the bind DN or its password is empty: LDAP would answer an anonymous bind with success and show nobody; give both",
        ));
    }
    let address = &config.address;
    let answered = match config.login {
        Login::Password => wire.bind(dn, password, limit).await,
        Login::External => wire.bind_external(limit).await,
    };
    let outcome = answered.map_err(|error| match error {
        WireError::Silent => silent(config, limit),
        error if matches!(address, Address::Plain(_)) && !config.start_tls => DirectoryError::new(
            Failure::ConnectionLost,
            format!(
                "{address} broke off the sign-in ({}); does this port expect TLS? Then use ldaps://",
                error.reason()
            ),
        ),
        error => DirectoryError::new(
            Failure::ConnectionLost,
            format!("{address} broke off the sign-in ({})", error.reason()),
        ),
    })?;
    if outcome.code == code::SUCCESS {
        Ok(())
    } else {
        Err(DirectoryError::bind_refused(dn, config.names(), &outcome))
    }
}

fn silent(config: &DirectoryConfig, limit: Duration) -> DirectoryError {
    let DirectoryConfig { address, bind_dn, .. } = config;
    let limit = seconds(limit);
    let message =
        format!("{address} does not answer the sign-in of {bind_dn} within {limit}; is it overloaded?");
    DirectoryError::new(Failure::Silent, message)
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

#[cfg(test)]
mod tests {
    use adc_core::source_id::{IdAttribute, SourceId};
    use adc_sandbox::{Fault, Sandbox, sample};

    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};
    use crate::directory::Query;

    #[tokio::test]
    async fn a_name_of_many_servers_led_to_another_one_when_the_connection_was_made_again() {
        let sandbox = Sandbox::builder().start().await.expect("starts");
        // The name leads nowhere, so that whoever asks for it again is found out.
        let text = format!(
            "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend: {{ldap: {{addr: 'ldap://lg.invalid', bind_dn: '{}', bind_password: {}, base_dn: '{}'}}}}\n",
            sample::READONLY_DN,
            sample::READONLY_PASSWORD,
            sample::BASE_DN,
        );
        let file = File::parse("adc.yaml", &text).expect("parses");
        let config =
            resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves");
        let config = Arc::new(config.directory);
        let mut directory =
            Directory::open_one(config.clone(), Some(sandbox.addr()), sign_in_in_time).await.expect("opens");
        assert_eq!(directory.peer, Some(sandbox.addr()));

        sandbox.faults().inject(Fault::drop_after(0));
        let query = Query {
            kind: adc_core::record::Kind::User,
            base: sample::BASE_DN.to_owned(),
            scope: config.scope,
            filter: "(objectClass=inetOrgPerson)".parse().expect("parses"),
            attributes: vec!["entryUUID".to_owned()],
            unlisted: None,
        };
        let ids = [SourceId::from("597ae2f6-16a6-1027-98f4-d28b5365dc14")];
        let found = directory.look_up(&query, &IdAttribute::new("entryUUID"), &ids).await.expect("answers");
        assert!(found.is_empty());
        assert_eq!((sandbox.faults().pending(), sandbox.journal().connections), (0, 2));
        Directory::open_one(config, None, sign_in_in_time).await.expect_err("the name leads nowhere");
    }
}
