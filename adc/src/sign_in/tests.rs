//! The desk between sealed passwords and a directory in memory that misbehaves.

use adc_core::protocol::link::PasswordOutcome;
use adc_core::sign_in::seal;
use adc_sandbox::{Fault, Operation, ResultCode, Sandbox, sample};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;

use super::*;
use crate::config::file::File;
use crate::config::{Environment, Overrides, resolve};
use crate::directory::password::DATA_CODES;

pub(super) const ZOES_MAIL: &str = "zoe.mueller@example.com";

/// A desk beside the sample company.
pub(super) struct Bureau {
    pub(super) sandbox: Sandbox,
    pub(super) config: Arc<Config>,
    pub(super) desk: Desk,
    pub(super) spared: Arc<Spared>,
    key: String,
    pub(super) zoe: String,
    nonce: u8,
}

impl Bureau {
    pub(super) async fn open() -> Self {
        Self::with("").await
    }

    /// With these lines below `backend.ldap:`.
    async fn with(ldap: &str) -> Self {
        let sandbox = Sandbox::builder().start().await.expect("starts");
        let config = config(&sandbox.url(), ldap);
        let spared = Arc::<Spared>::default();
        let desk = Desk::new(Arc::clone(&spared));
        let key = desk.key_for_link(&config).expect("the way is safe");
        let zoe = value(&sandbox, sample::ZOE, "entryUUID");
        Self { sandbox, config, desk, spared, key, zoe, nonce: 0 }
    }

    async fn check(
        &mut self,
        names: &[&str],
        source_id: &str,
        password: &str,
    ) -> Result<PasswordOutcome, RequestError> {
        let check = self.sealed(names, source_id, password);
        self.desk.check(&self.config, check).await
    }

    pub(super) fn sealed(&mut self, names: &[&str], source_id: &str, password: &str) -> CheckPassword {
        self.nonce += 1;
        let nonce = [self.nonce; 16];
        let credentials = Credentials {
            nonce,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            source_id: source_id.to_owned(),
            password: password.to_owned().into(),
        };
        let sealed = seal(&self.key, &credentials, [self.nonce; 32]).expect("seals");
        CheckPassword { sealed, nonce: STANDARD.encode(nonce), deadline_ms: 5_000 }
    }

    pub(super) async fn zoe(&mut self, password: &str) -> Result<PasswordOutcome, RequestError> {
        let zoe = self.zoe.clone();
        self.check(&[ZOES_MAIL], &zoe, password).await
    }

    /// The DNs that were bound as.
    fn bound(&self) -> Vec<String> {
        let log = self.sandbox.journal().log;
        let dn = |operation: &Operation| match operation {
            Operation::Bind { dn, .. } => Some(dn.clone()),
            _ => None,
        };
        log.iter().filter_map(dn).collect()
    }
}

/// The first value of an attribute.
fn value(sandbox: &Sandbox, dn: &str, attribute: &str) -> String {
    let directory = sandbox.directory();
    let entry = directory.get(dn).expect("it is in the sample");
    entry.text(attribute).expect("it has a value").to_owned()
}

pub(super) fn config(url: &str, ldap: &str) -> Arc<Config> {
    let text = format!(
        "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend:\n  ldap:\n    addr: {url}\n    bind_dn: '{}'\n    bind_password: {}\n    base_dn: '{}'\n{ldap}",
        sample::READONLY_DN,
        sample::READONLY_PASSWORD,
        sample::BASE_DN,
    );
    let file = File::parse("adc.yaml", &text).expect("parses");
    Arc::new(resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves"))
}

#[tokio::test]
async fn whoever_is_bound_as_has_a_connection_of_their_own_and_the_search_goes_on_with_its() {
    let mut bureau = Bureau::open().await;
    for _ in 0..3 {
        assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    }
    assert_eq!(bureau.zoe("wrong").await, Ok(PasswordOutcome::Invalid));
    let zoe = sample::ZOE;
    assert_eq!(bureau.bound(), [sample::READONLY_DN, zoe, zoe, zoe, zoe]);
    assert_eq!(bureau.sandbox.journal().connections, 5);
}

#[tokio::test]
async fn an_empty_password_was_a_success() {
    let mut bureau = Bureau::open().await;
    for password in ["", "a\0b", &"x".repeat(2_000)] {
        assert_eq!(bureau.zoe(password).await, Ok(PasswordOutcome::Invalid));
    }
    assert_eq!(bureau.sandbox.journal().connections, 0, "the directory heard nothing of it");
}

#[tokio::test]
async fn only_the_one_person_who_is_meant_is_bound_as() {
    let mut bureau = Bureau::open().await;
    let zoe = bureau.zoe.clone();
    // Somebody else's name, two people's, nobody's, everybody's.
    let shared = value(&bureau.sandbox, sample::SAME_MAIL, "mail");
    for name in ["lukasz.wojcik@example.com", shared.as_str(), "nobody", "*", "z*", "*)(uid=*"] {
        assert_eq!(
            bureau.check(&[name], &zoe, sample::PASSWORD).await,
            Ok(PasswordOutcome::Invalid),
            "{name}"
        );
    }
    assert_eq!(bureau.check(&[ZOES_MAIL], "", sample::PASSWORD).await, Ok(PasswordOutcome::Invalid));
    assert_eq!(bureau.check(&[], &zoe, sample::PASSWORD).await, Ok(PasswordOutcome::Invalid));
    assert_eq!(bureau.bound(), [sample::READONLY_DN], "nobody was bound as");
    // Later names count where those before are nobody's.
    assert_eq!(
        bureau.check(&["nobody", "zoe.mueller"], &zoe, sample::PASSWORD).await,
        Ok(PasswordOutcome::Ok)
    );
}

#[tokio::test]
async fn whoever_the_filter_of_people_leaves_out_does_not_come_in() {
    let mut bureau = Bureau::with("    sync: {filter: '(uid=lukasz.wojcik)'}\n").await;
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Invalid));
    assert_eq!(bureau.bound(), [sample::READONLY_DN]);
}

#[tokio::test]
async fn the_words_of_active_directory_come_over_the_wire() {
    let mut bureau = Bureau::open().await;
    bureau.zoe(sample::PASSWORD).await.expect("the search has its connection now");
    for (number, expected) in DATA_CODES {
        let words = format!(
            "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {number}, v1db1"
        );
        bureau.sandbox.faults().inject(Fault::refuse_bind(ResultCode::InvalidCredentials, &words));
        assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(expected), "{number}");
    }
}

#[tokio::test]
async fn a_directory_that_was_asked_and_gives_no_verdict_is_told_from_one_that_was_not() {
    let mut bureau = Bureau::with("    authentication: {timeout: 1}\n").await;
    bureau.zoe(sample::PASSWORD).await.expect("the search has its connection now");
    bureau.sandbox.faults().inject(Fault::refuse_bind(ResultCode::Busy, "later"));
    assert_eq!(bureau.zoe(sample::PASSWORD).await.expect_err("no verdict").code, NO_VERDICT);
    bureau.sandbox.faults().inject(Fault::stall_bind());
    assert_eq!(bureau.zoe(sample::PASSWORD).await.expect_err("no verdict").code, NO_VERDICT);
    // Not even found.
    bureau.sandbox.faults().inject(Fault::stall_after(0).always());
    assert_eq!(bureau.zoe(sample::PASSWORD).await.expect_err("not begun").code, NOT_BEGUN);
    bureau.sandbox.faults().clear();
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
}

#[tokio::test]
async fn a_connection_that_died_while_it_waited_is_made_again() {
    let mut bureau = Bureau::open().await;
    bureau.zoe(sample::PASSWORD).await.expect("the search has its connection now");
    bureau.sandbox.faults().inject(Fault::drop_after(0).mentioning(ZOES_MAIL));
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    bureau.sandbox.faults().inject(Fault::stall_after(0).mentioning(ZOES_MAIL));
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    assert_eq!(bureau.sandbox.faults().pending(), 0);
}

#[tokio::test]
async fn nobody_could_sign_in_while_the_first_of_two_servers_was_silent() {
    let silent = Sandbox::builder().start().await.expect("starts");
    silent.faults().inject(Fault::stall_bind().always());
    let mut bureau = Bureau::open().await;
    let both = format!("[{}, {}]", silent.url(), bureau.sandbox.url());
    bureau.config = config(&both, "    authentication: {timeout: 2}\n");
    for _ in 0..2 {
        assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    }
    assert_eq!(silent.journal().connections, 1, "the second found a connection that waits");
}

#[tokio::test]
async fn sign_ins_locked_the_bind_account_out() {
    let mut bureau = Bureau::open().await;
    bureau.sandbox.faults().inject(Fault::refuse_bind(ResultCode::InvalidCredentials, "no").always());
    // All at once, and one after the other.
    let zoe = bureau.zoe.clone();
    let checks: Vec<_> = (0..8).map(|_| bureau.sealed(&[ZOES_MAIL], &zoe, sample::PASSWORD)).collect();
    let at_once = checks.into_iter().map(|check| bureau.desk.check(&bureau.config, check));
    for checked in join_all(at_once).await {
        assert_eq!(checked.expect_err("nobody is looked for").code, NOT_BEGUN);
    }
    let error = bureau.zoe(sample::PASSWORD).await.expect_err("the account is spared");
    assert_eq!(error.code, NOT_BEGUN);
    assert!(error.message.contains("not tried again by itself for 10 minutes"), "{}", error.message);
    assert_eq!(bureau.bound(), [sample::READONLY_DN], "once");
    bureau.sandbox.faults().clear();
    // The same was read again, and is as wrong as before.
    bureau.config = config(&bureau.sandbox.url(), "");
    bureau.zoe(sample::PASSWORD).await.expect_err("the account is spared");
    // A run was let in.
    bureau.spared.let_in(&bureau.config, Instant::now());
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
}

#[tokio::test]
async fn an_account_that_a_run_was_refused_with_is_spared_by_sign_ins_but_for_connections_that_wait() {
    let mut bureau = Bureau::open().await;
    let refused = DirectoryError::new(Failure::BindRefused, "no");
    bureau.spared.note(&bureau.config, Instant::now(), Some(&refused), Instant::now());
    bureau.zoe(sample::PASSWORD).await.expect_err("the account is spared");
    assert_eq!(bureau.sandbox.journal().connections, 0);
    bureau.spared.let_in(&bureau.config, Instant::now());
    bureau.zoe(sample::PASSWORD).await.expect("the search has its connection now");
    bureau.spared.note(&bureau.config, Instant::now(), Some(&refused), Instant::now());
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok), "nobody had to bind as it");
}

#[test]
fn a_password_was_sent_in_clear_to_another_machine() {
    let key = |url: &str, ldap: &str| Desk::new(Arc::default()).key_for_link(&config(url, ldap));
    assert_eq!(key("ldap://dc1", ""), None);
    assert_eq!(key("[ldaps://dc1, ldap://dc2]", ""), None);
    for (url, ldap) in [
        ("ldap://127.0.0.1", ""),
        ("ldap://localhost", ""),
        ("ldaps://dc1", ""),
        ("ldapi:///run/ldapi", ""),
        ("ldap://dc1", "    start_tls: true\n"),
    ] {
        assert!(key(url, ldap).is_some(), "{url}");
    }
}
