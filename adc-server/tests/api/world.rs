//! A control plane on a fresh database, its keys, an agent that sends what a test tells it, and answers to look at.

use adc_core::{
    protocol::{
        AgentInfo, Confirm, ContainerLookedUp, Fingerprint, Finish, LookUpOutcome, LookedUp,
        MEMBERS_PER_PART, Next, OpenRun, OpenedRun, Receipt, RecordBatch, RunReport, SearchReceipt, Trigger,
    },
    record::{FieldValue, Kind, Record},
    settings::Settings,
};
use adc_server::{
    admin::{accounts, api_keys, synchronizations},
    clock::Clock,
    hosted::Offer,
    ids::{IdKind, new_id},
    roles::Role,
    serve::{Options, serve},
    store::Store,
};
use reqwest::{Client, Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// Sunday, 2026-11-22, noon UTC.
const START: i64 = 1_795_348_800_000;

/// The base of every test's directory.
const BASE: &str = "dc=lg,dc=local";

/// A running control plane with one account.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) account_id: String,
    pub(crate) url: String,
    client: Client,
    time: Arc<AtomicI64>,
    shutdown: Option<oneshot::Sender<()>>,
    server: JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    base: String,
    authorization: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    /// The header `Retry-After`, where there is one.
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

/// A synchronization and what its agent signs in with.
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) application_id: String,
    pub(crate) secret_token: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::hosting(Offer::none()).await
    }

    /// A control plane that runs connectors itself.
    pub(crate) async fn hosting(offer: Offer) -> Self {
        // A second installation in this process is refused, and changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&database, None).await.expect("opens");
        let time = Arc::new(AtomicI64::new(START));
        let clock = Clock::from_fn({
            let time = Arc::clone(&time);
            move || time.load(Ordering::SeqCst)
        });
        let account = accounts::create(&store, &clock, "acme").await.expect("makes an account");
        let (url, shutdown, server) = serving(&store, &clock, offer).await;
        let client = Client::builder().no_proxy().build().expect("builds");
        Self { store, clock, account_id: account.id, url, client, time, shutdown, server, _folder: folder }
    }

    /// The same after a restart, by an operator who offers something else.
    pub(crate) async fn again(mut self, offer: Offer) -> Self {
        drop(self.shutdown.take());
        self.server.await.expect("does not panic").expect("ends well");
        let (url, shutdown, server) = serving(&self.store, &self.clock, offer).await;
        Self { url, shutdown, server, ..self }
    }

    /// Asks the server to stop, and returns how it ended.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.shutdown.take());
        self.server.await.expect("does not panic")
    }

    pub(crate) fn pass_time(&self, millis: i64) {
        self.time.fetch_add(millis, Ordering::SeqCst);
    }

    /// A caller who signs in as nobody; paths begin below `/api/v1`.
    pub(crate) fn anonymous(&self) -> Caller {
        let base = format!("{}/api/v1", self.url);
        Caller { client: self.client.clone(), base, authorization: None }
    }

    /// A caller with a key of the world's account.
    pub(crate) async fn caller(&self, role: Role) -> Caller {
        self.caller_of(Some(&self.account_id), role).await
    }

    /// A caller with a key of any account, or of the whole system.
    pub(crate) async fn caller_of(&self, account_id: Option<&str>, role: Role) -> Caller {
        let made =
            api_keys::create(&self.store, &self.clock, account_id, Some(role)).await.expect("makes a key");
        Caller { authorization: Some(format!("Bearer {}", made.secret)), ..self.anonymous() }
    }

    pub(crate) async fn administrator(&self) -> Caller {
        self.caller(Role::AccountAdministrator).await
    }

    pub(crate) async fn source(&self, name: &str) -> Source {
        self.source_of(&self.account_id, name).await
    }

    pub(crate) async fn source_of(&self, account_id: &str, name: &str) -> Source {
        let wishes = synchronizations::Wishes {
            name: name.to_owned(),
            settings: Settings::default(),
            policy: None,
            schedule: None,
        };
        let made = synchronizations::create(&self.store, &self.clock, account_id, wishes)
            .await
            .expect("makes a synchronization");
        Source {
            id: made.synchronization.id,
            application_id: made.synchronization.application_id,
            secret_token: made.secret_token,
        }
    }

    pub(crate) fn agent(&self, source: &Source) -> Caller {
        self.anonymous().with_basic(&source.application_id, &source.secret_token)
    }

    /// One run of a source whose directory holds exactly these objects.
    pub(crate) async fn import(&self, source: &Source, records: &[Record]) -> RunReport {
        self.run(source, records, false).await
    }

    /// A dry run.
    pub(crate) async fn preview(&self, source: &Source, records: &[Record]) -> RunReport {
        self.run(source, records, true).await
    }

    async fn run(&self, source: &Source, records: &[Record], dry_run: bool) -> RunReport {
        let agent = self.agent(source);
        let opened = agent.open(dry_run).await;
        self.carry_out(&agent, &opened, records).await
    }

    /// What comes after a run was opened, where the directory holds exactly these objects.
    pub(crate) async fn carry_out(
        &self,
        agent: &Caller,
        opened: &OpenedRun,
        records: &[Record],
    ) -> RunReport {
        let run = format!("/agent/runs/{}", opened.run_id);
        let digests = if opened.mirror_empty { 0 } else { agent.name(&run, records).await };
        let batch = RecordBatch { seq: 0, records: records.to_vec(), members: Vec::new() };
        agent.post(&format!("{run}/records"), &as_json(&batch)).await.ok();
        let finish = Finish { receipt: receipt(records, digests) };
        let mut next: Next = agent.post(&format!("{run}/finish"), &as_json(&finish)).await.parse();
        loop {
            next = match next {
                Next::Done { report } => return *report,
                Next::Wait => agent.post(&format!("{run}/finish"), &as_json(&finish)).await.parse(),
                Next::Confirm(doubts) => {
                    let gone = doubts.objects.into_iter().map(|doubt| LookedUp {
                        kind: doubt.kind,
                        source_id: doubt.source_id,
                        outcome: LookUpOutcome::Gone,
                    });
                    let there =
                        doubts.containers.into_iter().map(|dn| ContainerLookedUp { dn, exists: true });
                    let confirm = Confirm { objects: gone.collect(), containers: there.collect() };
                    agent.post(&format!("{run}/confirm"), &as_json(&confirm)).await.parse()
                }
                Next::ReadEverything { .. } => panic!("it reads everything anyhow"),
            };
        }
    }
}

/// Starts a server; returns its address, what stops it, and its task.
async fn serving(
    store: &Store,
    clock: &Clock,
    hosted: Offer,
) -> (String, Option<oneshot::Sender<()>>, JoinHandle<anyhow::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("has an address"));
    let (shutdown, stopped) = oneshot::channel();
    let options = Options {
        store: store.clone(),
        clock: clock.clone(),
        tls: None,
        public_url: "https://cloud.example.com".to_owned(),
        trusted_hops: 1,
        hosted,
    };
    let stopped = async move { drop(stopped.await) };
    (url, Some(shutdown), tokio::spawn(serve(listener, stopped, options)))
}

impl Caller {
    pub(crate) fn with_basic(self, name: &str, password: &str) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let credentials = STANDARD.encode(format!("{name}:{password}"));
        Self { authorization: Some(format!("Basic {credentials}")), ..self }
    }

    pub(crate) fn with_bearer(self, key: &str) -> Self {
        Self { authorization: Some(format!("Bearer {key}")), ..self }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("answers");
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let media_type = header("content-type").unwrap_or_default();
        let retry_after = header("retry-after");
        let text = response.text().await.expect("has a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, media_type, retry_after, body }
    }

    /// Every item of a list, page by page.
    pub(crate) async fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{separator}limit={limit}{cursor}")).await.ok();
            let page_items = page["items"].as_array().expect("a list answers items");
            assert!(page_items.len() <= limit, "{path} shows more than {limit} items");
            items.extend(page_items.iter().cloned());
            assert!(items.len() < 10_000, "{path} never ends");
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    pub(crate) async fn open(&self, dry_run: bool) -> OpenedRun {
        self.post("/agent/runs", &as_json(&open_run(&new_id(IdKind::Run), dry_run))).await.parse()
    }

    /// Names everything, and leaves the answer unread: all records are sent anyway. Returns how many batches it took.
    async fn name(&self, run: &str, records: &[Record]) -> u32 {
        let mut seq = 0;
        for kind in Kind::ALL {
            let items: Vec<_> = records
                .iter()
                .filter(|record| record.kind == kind)
                .map(|record| (record.source_id.clone(), record.digest()))
                .collect();
            if !items.is_empty() {
                let batch = json!({ "seq": seq, "kind": kind, "items": items });
                self.post(&format!("{run}/digests"), &batch).await.ok();
                seq += 1;
            }
        }
        seq
    }
}

/// How a run of nothing special is opened.
pub(crate) fn open_run(run_id: &str, dry_run: bool) -> OpenRun {
    OpenRun {
        run_id: run_id.to_owned(),
        agent: AgentInfo { host: "agent.lg.local".to_owned(), version: "0.1.0".to_owned(), instance: None },
        settings: Settings::default(),
        dry_run,
        full: false,
        fingerprint: Fingerprint::default(),
        feed: None,
        trigger: Trigger::Agent,
    }
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "answered {}: {}", self.status, self.body);
        self.body
    }

    #[track_caller]
    pub(crate) fn parse<T: DeserializeOwned>(self) -> T {
        serde_json::from_value(self.ok()).expect("the answer has the documented shape")
    }

    /// Status and code of a refusal, which must be a complete problem document (RFC 9457).
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.media_type, "application/problem+json", "no problem document: {}", self.body);
        assert_eq!(self.body["status"], self.status, "{}", self.body);
        assert_eq!(self.body["type"], "about:blank");
        for key in ["title", "detail"] {
            assert!(self.body[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {}", self.body);
        }
        (self.status, self.body["code"].as_str().expect("a problem has a code"))
    }

    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().expect("a problem has a detail")
    }
}

/// A person of ou=people.
pub(crate) fn person(uid: &str) -> Record {
    let mut record =
        Record::new(Kind::User, uid, format!("uid={uid},ou=people,{BASE}"), format!("{uid}@lg.local"));
    record.email = Some(format!("{uid}@lg.local"));
    record.fields.insert("display_name".to_owned(), FieldValue::from(uid));
    record
}

/// A group of ou=groups that lists the objects at these DNs (below the base).
pub(crate) fn group(cn: &str, members: &[&str]) -> Record {
    let mut record = Record::new(Kind::Group, cn, format!("cn={cn},ou=groups,{BASE}"), cn);
    assert!(members.len() <= MEMBERS_PER_PART, "tests send members inside the record");
    record.members = members.iter().map(|dn| format!("{dn},{BASE}")).collect();
    record
}

/// An org unit at a DN below the base.
pub(crate) fn org_unit(id: &str, dn: &str, name: &str) -> Record {
    Record::new(Kind::OrgUnit, id, format!("{dn},{BASE}"), name)
}

/// Ids by the order in which they appear: what snapshots show of them.
#[derive(Default)]
pub(crate) struct Redacted(BTreeMap<String, String>);

impl Redacted {
    /// The value with every id replaced: `usr_…` by `[usr 1]`.
    pub(crate) fn of(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.of(item)).collect(),
            Value::Object(map) => {
                Value::Object(map.into_iter().map(|(key, value)| (key, self.of(value))).collect())
            }
            other => other,
        }
    }

    fn text(&mut self, text: String) -> String {
        let Some((prefix, rest)) = text.split_once('_') else { return text };
        let is_id = prefix.len() == 3 && rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_id {
            return if prefix == "adcs" { "[secret]".to_owned() } else { text };
        }
        let number = self.0.keys().filter(|id| id.starts_with(prefix)).count() + 1;
        self.0.entry(text.clone()).or_insert_with(|| format!("[{prefix} {number}]")).clone()
    }
}

pub(crate) fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("prints")
}

fn receipt(records: &[Record], digest_batches: u32) -> Receipt {
    let mut receipt = Receipt { digest_batches, record_batches: 1, ..Receipt::default() };
    for kind in Kind::ALL {
        let entries = records.iter().filter(|record| record.kind == kind).count() as u64;
        *receipt.read.of_mut(kind) = entries;
        receipt.searches.push(SearchReceipt { kind, result_codes: vec![0], entries, complete: true });
    }
    receipt.sent.records = records.len() as u64;
    receipt
}
