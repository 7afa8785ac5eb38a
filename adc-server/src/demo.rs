//! The whole thing on this machine: a control plane, a sample company's directory, a preview, an import, a change.

use crate::{
    admin::{accounts, api_keys, synchronizations},
    api::problem::Problem,
    clock::{Clock, random},
    serve::{self, serve},
    store::{Account, ChangesFilter, Store},
};
use adc::{
    config::{self, Config, Environment, Overrides},
    imp::{self, Ended, Surroundings, imp, output},
};
use adc_core::{
    plan::Action,
    protocol::{Change, RunReport},
    record::Kind,
    settings::Settings,
};
use adc_sandbox::{DirectoryError, Sandbox, sample};
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The account of the demo; a database that has it already is gone on with.
const ACCOUNT: &str = "Example";
/// The synchronization of the demo.
const SYNCHRONIZATION: &str = "Sample directory";

/// Lines of each kind that the preview shows: enough to see what they look like.
const SAMPLES: i64 = 6;

/// How the demo is run.
pub struct Options {
    /// Where the control plane keeps everything; `None`: in the demo's own folder, gone when the demo ends.
    pub database: Option<String>,
    /// Where the control plane listens.
    pub listen: std::net::SocketAddr,
    /// Whether what is told may be coloured.
    pub color: bool,
}

/// A demo that is up. Ends when dropped, and its folder with it.
pub struct Demo {
    url: String,
    api_key: String,
    account: Account,
    synchronization_id: String,
    folder: Folder,
    store: Store,
    sandbox: Sandbox,
    config: Config,
    color: bool,
    stop: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

impl Demo {
    /// Starts the control plane and the directory, and makes account, API key, synchronization and adc.yaml.
    pub async fn start(options: Options, clock: Clock) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let database =
            options.database.unwrap_or_else(|| format!("sqlite:{}", folder.path("adc.db").display()));
        let store = Store::open(&database, None).await?;
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let server =
            serve::Options { store: store.clone(), clock: clock.clone(), tls: None, public_url: url.clone() };
        let server = tokio::spawn(serve(listener, stop.clone().cancelled_owned(), server));
        let sandbox = Sandbox::builder().start().await.context("cannot start the sample directory")?;

        let account = account(&store, &clock).await?;
        let key = api_keys::create(&store, &clock, Some(&account.id), None).await.map_err(said)?;
        let credentials = credentials(&store, &clock, &account.id).await?;
        let config = folder.write_configuration(&url, &sandbox.url(), &credentials)?;
        Ok(Self {
            url,
            api_key: key.secret,
            account,
            synchronization_id: credentials.synchronization_id,
            folder,
            store,
            sandbox,
            config,
            color: options.color,
            stop,
            server,
        })
    }

    /// Previews, imports, changes three people and imports again; `tell` hears of every step.
    pub async fn play(
        &self,
        tell: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<RunReport>> {
        let entries = self.sandbox.directory().entries().count();
        tell(&format!(
            "The control plane is at {}, a sample directory of {entries} entries at {}.\n\n\
             1. A dry run shows what an import would do (adc imp --dry-run):\n",
            self.url,
            self.sandbox.url()
        ))?;
        let preview = self.run(true).await?;
        let mut lines = Vec::new();
        for kind in Kind::ALL {
            let filter = ChangesFilter { kind: Some(kind), effective_only: true, ..ChangesFilter::default() };
            lines.extend(self.lines(&preview, &filter, SAMPLES).await?);
        }
        let conflicts = ChangesFilter { action: Some(Action::Conflict), ..ChangesFilter::default() };
        lines.extend(self.lines(&preview, &conflicts, SAMPLES).await?);
        tell(&self.told(&preview, &lines))?;

        tell("2. The import does it (adc imp):\n")?;
        let import = self.run(false).await?;
        tell(&self.told(&import, &[]))?;

        change_three_people(&self.sandbox).context("cannot change the sample directory")?;
        tell(
            "3. In the directory Zoe is promoted, Li Na moves to Marketing, and Jane Doe leaves. The next import finds\n   \
             those three, and nobody else:\n",
        )?;
        let second = self.run(false).await?;
        let effective = ChangesFilter { effective_only: true, ..ChangesFilter::default() };
        tell(&self.told(&second, &self.lines(&second, &effective, SAMPLES).await?))?;
        Ok([preview, import, second].into_iter().map(|(_, report)| report).collect())
    }

    /// What to try next.
    pub fn next_steps(&self) -> String {
        let Self { url, api_key, synchronization_id, .. } = self;
        let yaml = self.folder.path("adc.yaml");
        let yaml = yaml.display();
        format!(
            "4. Now you. The agent's configuration is {yaml}; from a clone, \"adc\" is \"cargo run -q -p adc --\":\n\n  \
             adc check -c {yaml}\n  \
             adc imp --dry-run -c {yaml}\n\n   \
             The API, with the key of this account's administrator:\n\n  \
             KEY={api_key}\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/users?q=zoe'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/users?status=deleted'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/groups'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/synchronizations/{synchronization_id}/objects?status=conflict'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/events'\n"
        )
    }

    /// What scripts want to know of the demo.
    pub fn facts(&self, reports: &[RunReport]) -> Value {
        json!({
            "url": self.url,
            "api_key": self.api_key,
            "account_id": self.account.id,
            "synchronization_id": self.synchronization_id,
            "config": self.folder.path("adc.yaml"),
            "directory": self.sandbox.url(),
            "runs": reports,
        })
    }

    /// Goes on until `shutdown`, or until the control plane fails.
    pub async fn stay(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown => self.end().await,
            ended = &mut self.server => ended.context("the control plane broke")?,
        }
    }

    /// Stops the control plane and the directory.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        (&mut self.server).await.context("the control plane broke")?
    }

    async fn run(&self, dry_run: bool) -> anyhow::Result<(Ended, RunReport)> {
        let options = imp::Options { run_id: adc::clock::run_id(), dry_run, full: false };
        let ended = imp(&self.config, &options, &Surroundings::default()).await;
        let report = ended.result.as_ref().map_err(|error| anyhow!("{error}"))?.clone();
        Ok((ended, report))
    }

    async fn lines(
        &self,
        (_, report): &(Ended, RunReport),
        filter: &ChangesFilter,
        limit: i64,
    ) -> anyhow::Result<Vec<Change>> {
        let lines = self.store.changes(&self.account.id, &report.run_id, filter, i64::MIN, limit).await?;
        Ok(lines.into_iter().map(|line| line.change).collect())
    }

    /// Some lines of a plan as a table, and what came of it: as `adc imp` shows it.
    fn told(&self, (ended, report): &(Ended, RunReport), lines: &[Change]) -> String {
        format!("{}{}", output::plan(lines, report, self.color), output::summary(ended, report))
    }
}

/// The demo's account, made if it is not there.
async fn account(store: &Store, clock: &Clock) -> anyhow::Result<Account> {
    match store.account(ACCOUNT).await? {
        Some(account) => Ok(account),
        None => accounts::create(store, clock, ACCOUNT).await.map_err(said),
    }
}

struct Credentials {
    synchronization_id: String,
    application_id: String,
    secret_token: String,
}

/// The credentials of the demo's synchronization: of a new one, or new ones of the one that is there.
async fn credentials(store: &Store, clock: &Clock, account_id: &str) -> anyhow::Result<Credentials> {
    let known = store.synchronization_named(account_id, SYNCHRONIZATION).await?;
    if let Some(known) = known {
        let secret_token =
            synchronizations::rotate_secret(store, clock, account_id, &known.id).await.map_err(said)?;
        return Ok(Credentials {
            synchronization_id: known.id,
            application_id: known.application_id,
            secret_token,
        });
    }
    let wishes = synchronizations::Wishes {
        name: SYNCHRONIZATION.to_owned(),
        settings: Settings::default(),
        policy: None,
    };
    let made = synchronizations::create(store, clock, account_id, wishes).await.map_err(said)?;
    Ok(Credentials {
        synchronization_id: made.synchronization.id,
        application_id: made.synchronization.application_id,
        secret_token: made.secret_token,
    })
}

fn change_three_people(sandbox: &Sandbox) -> Result<(), DirectoryError> {
    let mut directory = sandbox.directory();
    directory.set(sample::ZOE, "title", ["Principal Engineer"])?;
    directory.move_to(sample::LI_NA, &format!("ou=Marketing,ou=People,{}", sample::BASE_DN))?;
    directory.delete(sample::JANE_DOE)
}

fn said(problem: Problem) -> anyhow::Error {
    anyhow!(problem.detail().to_owned())
}

/// The demo's own folder, for its owner only; removed with everything in it when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let name = format!("adc-demo-{:016x}", u64::from_be_bytes(random()));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o700)))
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes adc.yaml and the secrets it points to, and reads it as the agent does.
    fn write_configuration(
        &self,
        server: &str,
        directory: &str,
        credentials: &Credentials,
    ) -> anyhow::Result<Config> {
        let (secret, password) = (self.path("secret"), self.path("bind-password"));
        let yaml = format!(
            "server:\n  url: {server}\n  application_id: {}\n  secret_token_file: {}\n\
             backend:\n  ldap:\n    addr: {directory}\n    bind_dn: {}\n    bind_password_file: {}\n    base_dn: {}\n",
            credentials.application_id,
            secret.display(),
            sample::READONLY_DN,
            password.display(),
            sample::BASE_DN
        );
        let path = self.path("adc.yaml");
        write_private(&secret, &credentials.secret_token)?;
        write_private(&password, sample::READONLY_PASSWORD)?;
        write_private(&path, &yaml)?;
        let overrides = Overrides { path: Some(path), ..Overrides::default() };
        // Not the environment of this process: ADC_SERVER_URL would lead elsewhere.
        config::load(&overrides, &Environment::default()).map_err(|error| anyhow!("{error}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("cannot remove the demo's folder {}: {error}", self.0.display());
        }
    }
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
