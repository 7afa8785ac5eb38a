//! A control plane on a fresh database, and a directory that is a map.

use adc_core::{
    dn::Dn,
    policy::Policy,
    protocol::{
        AgentInfo, ChangeFeed, Confirm, ContainerLookedUp, DigestBatch, Doubts, Fingerprint, Finish,
        LookUpOutcome, LookedUp, Next, OpenRun, OpenedRun, ReadCounts, Receipt, RecordBatch, RunReport,
        SearchReceipt, Trigger,
    },
    record::{Digest, Kind, Record},
    settings::Settings,
};
use adc_server::{
    admin::users,
    api::{auth::Administrator, problem::Problem},
    clock::Clock,
    ids::{IdKind, new_id},
    runs::{AgentIdentity, Engine},
    store::{Account, Store, Synchronization, UsersFilter},
};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// The base of every test's directory.
pub(crate) const BASE: &str = "dc=lg,dc=local";

/// The directory: what a full read with the filter returns, and what only a look-up by id would find.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    pub(crate) objects: BTreeMap<(Kind, String), Record>,
    pub(crate) out_of_scope: BTreeMap<(Kind, String), String>,
    pub(crate) containers_gone: BTreeSet<String>,
}

impl Directory {
    /// People by name, each with its name as source id, in ou=people.
    pub(crate) fn of(names: &[&str]) -> Self {
        let mut directory = Self::default();
        for name in names {
            directory.put(person(name, name));
        }
        directory
    }

    /// So many people.
    pub(crate) fn people(count: usize) -> Self {
        let mut directory = Self::default();
        for number in 0..count {
            directory.put(person(&format!("{number:05}"), &format!("p{number}")));
        }
        directory
    }

    pub(crate) fn put(&mut self, record: Record) {
        self.objects.insert((record.kind, record.source_id.clone()), record);
    }

    pub(crate) fn user(&mut self, id: &str) -> &mut Record {
        self.objects.get_mut(&(Kind::User, id.to_owned())).expect("the person is there")
    }

    pub(crate) fn remove(&mut self, id: &str) -> Record {
        self.objects.remove(&(Kind::User, id.to_owned())).expect("the person is there")
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Record> {
        self.objects.values().filter(move |record| record.kind == kind)
    }
}

/// A person of ou=people.
pub(crate) fn person(id: &str, name: &str) -> Record {
    let mut record =
        Record::new(Kind::User, id, format!("uid={id},ou=people,{BASE}"), format!("{name}@lg.local"));
    record.email = Some(format!("{name}@lg.local"));
    record.fields.insert("display_name".to_owned(), name.into());
    record
}

/// A group of people.
pub(crate) fn group(id: &str, members: &[&str]) -> Record {
    let mut record = Record::new(Kind::Group, id, format!("cn={id},ou=groups,{BASE}"), id);
    record.members = members.iter().map(|id| format!("uid={id},ou=people,{BASE}")).collect();
    record
}

/// A control plane with one account and one synchronization, and its agent.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) agent: AgentIdentity,
    pub(crate) settings: Settings,
    pub(crate) fingerprint: Fingerprint,
    /// The change feed that the agent offers.
    pub(crate) feed: Option<ChangeFeed>,
    time: Arc<AtomicI64>,
}

/// Sunday, 2026-11-22, noon UTC.
const START: i64 = 1_795_348_800_000;

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default(), None, None).await
    }

    pub(crate) async fn with(settings: Settings, policy: Option<Policy>, max_pages: Option<u32>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(&folder, max_pages).await;
        let time = Arc::new(AtomicI64::new(START));
        let account_id = make_account(&store, "acme").await;
        let agent = make_synchronization(&store, account_id, "directory", settings, policy).await;
        let engine = engine(&store, &time);
        Self {
            folder,
            store,
            engine,
            agent,
            settings: Settings::default(),
            fingerprint: Fingerprint::default(),
            feed: None,
            time,
        }
    }

    /// The agent of somebody else's synchronization.
    pub(crate) async fn stranger(&self) -> AgentIdentity {
        let account_id = make_account(&self.store, "somebody else").await;
        make_synchronization(&self.store, account_id, "directory", Settings::default(), None).await
    }

    /// The agent of another synchronization of the account.
    pub(crate) async fn another_source(&self) -> AgentIdentity {
        let account_id = self.agent.account_id.clone();
        make_synchronization(&self.store, account_id, "another directory", Settings::default(), None).await
    }

    /// The control plane's process dies and is started again.
    pub(crate) async fn restart(&mut self) {
        self.store = open(&self.folder, None).await;
        self.engine = engine(&self.store, &self.time);
        self.engine.recover().await.expect("recovers");
    }

    /// A control plane of its own that holds what this one holds now, at the same time.
    pub(crate) async fn copy(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // The log goes first: what it holds is written over the file again, whatever of it stands there already.
        for file in ["adc.db-wal", "adc.db"] {
            std::fs::copy(self.folder.path().join(file), folder.path().join(file)).expect("copies");
        }
        let store = open(&folder, None).await;
        let time = Arc::new(AtomicI64::new(self.now()));
        let engine = engine(&store, &time);
        let (agent, fingerprint, feed) = (self.agent.clone(), self.fingerprint.clone(), self.feed.clone());
        Self { folder, store, engine, agent, settings: self.settings, fingerprint, feed, time }
    }

    /// The time (milliseconds since 1970 UTC).
    pub(crate) fn now(&self) -> i64 {
        self.time.load(Ordering::SeqCst)
    }

    pub(crate) fn pass_time(&self, millis: i64) {
        self.time.fetch_add(millis, Ordering::SeqCst);
    }

    /// One whole run.
    pub(crate) async fn import(&self, directory: &Directory) -> Result<RunReport, Problem> {
        self.run(directory, false).await
    }

    /// One whole dry run.
    pub(crate) async fn preview(&self, directory: &Directory) -> Result<RunReport, Problem> {
        self.run(directory, true).await
    }

    async fn run(&self, directory: &Directory, dry_run: bool) -> Result<RunReport, Problem> {
        let opened = self.open(dry_run).await?;
        let receipt = self.send(&opened, directory).await?;
        self.finish(&opened.run_id, directory, receipt).await
    }

    pub(crate) async fn open(&self, dry_run: bool) -> Result<OpenedRun, Problem> {
        self.open_as(&new_run_id(), dry_run).await
    }

    pub(crate) async fn open_as(&self, run_id: &str, dry_run: bool) -> Result<OpenedRun, Problem> {
        self.open_for(&self.agent, run_id, dry_run).await
    }

    pub(crate) async fn open_for(
        &self,
        agent: &AgentIdentity,
        run_id: &str,
        dry_run: bool,
    ) -> Result<OpenedRun, Problem> {
        self.engine.open(agent, &self.asking(run_id, dry_run)).await
    }

    /// Opens a run that was told to read everything.
    pub(crate) async fn open_asked(&self) -> Result<OpenedRun, Problem> {
        let request = OpenRun { full: true, ..self.asking(&new_run_id(), false) };
        self.engine.open(&self.agent, &request).await
    }

    fn asking(&self, run_id: &str, dry_run: bool) -> OpenRun {
        OpenRun {
            run_id: run_id.to_owned(),
            agent: AgentInfo { host: "test".to_owned(), version: "0".to_owned(), instance: None },
            settings: self.settings,
            dry_run,
            full: false,
            fingerprint: self.fingerprint.clone(),
            feed: self.feed.clone(),
            trigger: Trigger::Agent,
        }
    }

    /// Names what there is and sends what is wanted.
    pub(crate) async fn send(&self, opened: &OpenedRun, directory: &Directory) -> Result<Receipt, Problem> {
        self.send_those(opened, directory, |_| true).await
    }

    /// Names those of what there is that are `wanted`, and sends what of them is asked for.
    pub(crate) async fn send_those(
        &self,
        opened: &OpenedRun,
        directory: &Directory,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Receipt, Problem> {
        let mut receipt = Receipt::default();
        let mut records = Vec::new();
        for kind in Kind::ALL {
            let of_kind: Vec<_> = directory.of_kind(kind).filter(|record| wanted(record)).cloned().collect();
            receipt.searches.push(SearchReceipt {
                kind,
                result_codes: vec![0],
                entries: of_kind.len() as u64,
                complete: true,
            });
            *receipt.read.of_mut(kind) = of_kind.len() as u64;
            if opened.mirror_empty || of_kind.is_empty() {
                records.extend(of_kind);
                continue;
            }
            for of_kind in of_kind.chunks(5_000) {
                let batch = DigestBatch {
                    seq: receipt.digest_batches,
                    kind,
                    items: of_kind.iter().map(|record| (record.source_id.clone(), record.digest())).collect(),
                };
                receipt.digest_batches += 1;
                let answer = self.engine.digests(&self.agent, &opened.run_id, &batch, body(&batch)).await?;
                records.extend(answer.wanted.iter().map(|index| of_kind[*index as usize].clone()));
            }
        }
        for records in records.chunks(1_000) {
            let batch =
                RecordBatch { seq: receipt.record_batches, records: records.to_vec(), members: Vec::new() };
            receipt.record_batches += 1;
            receipt.sent.records += batch.records.len() as u64;
            let digest = body(&batch);
            self.engine.records(&self.agent, &opened.run_id, batch, digest).await?;
        }
        Ok(receipt)
    }

    pub(crate) async fn finish(
        &self,
        run_id: &str,
        directory: &Directory,
        receipt: Receipt,
    ) -> Result<RunReport, Problem> {
        let mut finish = Finish { receipt };
        let mut next = self.engine.finish(&self.agent, run_id, &finish).await?;
        loop {
            next = match next {
                Next::Done { report } => return Ok(*report),
                Next::Wait => self.engine.finish(&self.agent, run_id, &finish).await?,
                Next::Confirm(doubts) => {
                    self.engine.confirm(&self.agent, run_id, look_up(directory, &doubts)).await?
                }
                Next::ReadEverything { .. } => {
                    let opened = self.open_as(run_id, false).await?;
                    let mark = finish.receipt.mark.take();
                    finish.receipt = Receipt { mark, ..self.send(&opened, directory).await? };
                    self.engine.finish(&self.agent, run_id, &finish).await?
                }
            };
        }
    }
}

/// What the directory says to doubts.
pub(crate) fn look_up(directory: &Directory, doubts: &Doubts) -> Confirm {
    let objects = doubts.objects.iter().map(|doubt| {
        let key = (doubt.kind, doubt.source_id.clone());
        let outcome = match (directory.objects.get(&key), directory.out_of_scope.get(&key)) {
            // Of one that does not show its id the record is always sent: the read took it for somebody else.
            (Some(record), _) if record.problem.is_none() && doubt.digest == Some(record.digest()) => {
                LookUpOutcome::Unchanged { digest: record.digest() }
            }
            (Some(record), _) => LookUpOutcome::Found { record: Box::new(record.clone()) },
            (None, Some(dn)) => LookUpOutcome::OutOfScope { dn: dn.clone() },
            (None, None) => LookUpOutcome::Gone,
        };
        LookedUp { kind: doubt.kind, source_id: doubt.source_id.clone(), outcome }
    });
    let gone: BTreeSet<_> =
        directory.containers_gone.iter().map(|dn| Dn::parse(dn).expect("a DN").key()).collect();
    let containers = doubts.containers.iter().map(|dn| ContainerLookedUp {
        dn: dn.clone(),
        exists: !gone.contains(&Dn::parse(dn).expect("a DN").key()),
    });
    Confirm { objects: objects.collect(), containers: containers.collect() }
}

/// Makes somebody the owner of the account, or takes that back.
pub(crate) async fn own_account(world: &World, name: &str, owns: bool) {
    let account_id = &world.agent.account_id;
    let known = UsersFilter { status: None, pattern: Some(format!("{name}@%")) };
    let user = world.store.users(account_id, &known, None, 1).await.expect("reads").remove(0).1;
    let administrator = Administrator { account_id: account_id.clone(), key_id: "key".to_owned() };
    let flag = json!({ "account_owner": owns });
    users::patch(&world.store, &Clock::from_fn(|| 0), &administrator, &user.id, &flag).await.expect("flags");
}

/// The digest of a request's body.
pub(crate) fn body(request: &impl Serialize) -> Digest {
    Digest::of(&serde_json::to_vec(request).expect("prints"))
}

pub(crate) fn new_run_id() -> String {
    new_id(IdKind::Run)
}

/// A receipt of a read that found nobody.
pub(crate) fn empty_receipt() -> Receipt {
    Receipt {
        searches: Kind::ALL
            .into_iter()
            .map(|kind| SearchReceipt { kind, result_codes: vec![0], entries: 0, complete: true })
            .collect(),
        read: ReadCounts::default(),
        ..Receipt::default()
    }
}

async fn make_account(store: &Store, name: &str) -> String {
    let account = Account { id: new_id(IdKind::Account), name: name.to_owned(), created_at: START };
    assert!(store.create_account(&account).await.expect("creates"));
    account.id
}

/// The agent of a new synchronization.
async fn make_synchronization(
    store: &Store,
    account_id: String,
    name: &str,
    settings: Settings,
    policy: Option<Policy>,
) -> AgentIdentity {
    let synchronization = Synchronization {
        account_id: account_id.clone(),
        id: new_id(IdKind::Synchronization),
        name: name.to_owned(),
        application_id: new_id(IdKind::Application),
        settings,
        policy,
        schedule: None,
        connection: None,
        schedule_handled_until: None,
        last_due: None,
        version: 1,
        created_at: START,
        updated_at: START,
        checkpoint: None,
        last_applied_run: None,
        queued_run: None,
        active_run: None,
        held_run: None,
    };
    assert!(store.create_synchronization(&synchronization, "no secret").await.expect("creates"));
    AgentIdentity { account_id, synchronization_id: synchronization.id }
}

async fn open(folder: &tempfile::TempDir, max_pages: Option<u32>) -> Store {
    let url = format!("sqlite:{}", folder.path().join("adc.db").display());
    Store::open(&url, max_pages).await.expect("opens")
}

fn engine(store: &Store, time: &Arc<AtomicI64>) -> Engine {
    let time = time.clone();
    Engine::new(store.clone(), Clock::from_fn(move || time.load(Ordering::SeqCst)), "http://localhost:8080/")
}
