//! The whole thing on this machine: a control plane, a sample company's directory, a preview, an import, a change, and agents that
//! stay connected.

mod client;
mod folder;
mod live;
mod setup;

use crate::{
    clock::Clock,
    hosted::Offer,
    serve::{self, serve},
    store::{ChangesFilter, ServingLock, Store},
};
use adc::{
    config::Config,
    imp::{self, Ended, Surroundings, imp, output},
};
use adc_core::{
    plan::Action,
    protocol::{Change, RunReport},
    record::Kind,
};
use adc_sandbox::{DirectoryError, Sandbox, sample};
use anyhow::{Context, anyhow};
use folder::Folder;
use jiff::Timestamp;
use serde_json::{Value, json};
use setup::Setup;
use std::net::SocketAddr;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Lines of each kind that the preview shows: enough to see what they look like.
const SAMPLES: i64 = 6;

/// How the demo is run.
pub struct Options {
    /// Where the control plane keeps everything; `None`: in the demo's own folder, gone when the demo ends.
    pub database: Option<String>,
    /// Where the control plane listens.
    pub listen: SocketAddr,
    /// Whether what is told may be coloured.
    pub color: bool,
}

/// A demo that is up. Ends when dropped, and its folder with it.
pub struct Demo {
    url: String,
    setup: Setup,
    folder: Folder,
    store: Store,
    sandbox: Sandbox,
    config: Config,
    agents: Vec<live::Agent>,
    color: bool,
    stop: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
    _serving: ServingLock,
}

impl Demo {
    /// Starts the control plane and the directory, and makes account, API key, synchronization and adc.yaml.
    pub async fn start(options: Options, clock: Clock) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let database =
            options.database.unwrap_or_else(|| format!("sqlite:{}", folder.path("adc.db").display()));
        let serving = ServingLock::take(&database)?;
        let store = Store::open(&database, None).await?;
        let listener = serve::listen(options.listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let server = serve::Options {
            store: store.clone(),
            clock: clock.clone(),
            tls: None,
            public_url: url.clone(),
            trusted_hops: 0,
            hosted: Offer::none(),
        };
        let server = tokio::spawn(serve(listener, stop.clone().cancelled_owned(), server));
        let sandbox = Sandbox::builder().start().await.context("cannot start the sample directory")?;
        // A database of an earlier demo knows it as it was later: with the times of then it would have been put back from a backup.
        let now = Timestamp::from_millisecond(clock.now()).context("the clock is out of range")?;
        sandbox.directory().load_anew(now);

        let setup = Setup::make(&store, &clock).await?;
        let config = folder.write_configuration(&url, &sandbox.url(), &setup)?;
        Ok(Self {
            url,
            setup,
            folder,
            store,
            sandbox,
            config,
            agents: Vec::new(),
            color: options.color,
            stop,
            server,
            _serving: serving,
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
            "3. In the directory Zoe is promoted, Li Na moves to Marketing, and Jane Doe leaves. The next import changes \
             those three, and nobody else (the two of one address still wait):\n",
        )?;
        let second = self.run(false).await?;
        let effective = ChangesFilter { effective_only: true, ..ChangesFilter::default() };
        tell(&self.told(&second, &self.lines(&second, &effective, SAMPLES).await?))?;
        Ok([preview, import, second].into_iter().map(|(_, report)| report).collect())
    }

    /// What to try next.
    pub fn next_steps(&self) -> String {
        let (url, Setup { api_key, synchronization_id, .. }) = (&self.url, &self.setup);
        let yaml = self.folder.path("adc.yaml");
        let yaml = yaml.display();
        format!(
            "9. Now you; both agents stay connected. Their configuration is\n   {yaml};\n   \
             from a clone, \"adc\" is \"cargo run -q -p adc --\":\n\n  \
             adc check -c {yaml}\n  \
             adc imp --dry-run -c {yaml}\n\n   \
             The API, with the key of this account's administrator:\n\n  \
             KEY={api_key}\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/users?q=zoe'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/users?status=deleted'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/groups'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/synchronizations/{synchronization_id}/objects?status=conflict'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/events'\n  \
             curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/synchronizations/{synchronization_id}/agents'\n  \
             curl -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n    \
             -d '{{}}' '{url}/api/v1/synchronizations/{synchronization_id}/runs'\n  \
             curl -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n    \
             -d '{{\"username\":\"zoe.mueller@example.com\",\"password\":\"{}\"}}' '{url}/api/v1/login'\n",
            sample::PASSWORD
        )
    }

    /// What scripts want to know of the demo.
    pub fn facts(&self, reports: &[RunReport], live: &Value) -> Value {
        json!({
            "url": self.url,
            "api_key": self.setup.api_key,
            "account_id": self.setup.account_id,
            "synchronization_id": self.setup.synchronization_id,
            "config": self.folder.path("adc.yaml"),
            "directory": self.sandbox.url(),
            "runs": reports,
            "live": live,
        })
    }

    /// Goes on until `shutdown`, or until the control plane fails.
    pub async fn stay(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown => self.end().await,
            ended = &mut self.server => ended.context("the control plane broke")?,
        }
    }

    /// Stops agents, control plane and directory.
    pub async fn end(mut self) -> anyhow::Result<()> {
        for agent in std::mem::take(&mut self.agents) {
            agent.end().await?;
        }
        self.stop.cancel();
        (&mut self.server).await.context("the control plane broke")?
    }

    async fn run(&self, dry_run: bool) -> anyhow::Result<(Ended, RunReport)> {
        let options = imp::Options {
            run_id: adc::clock::run_id(),
            dry_run,
            full: false,
            trigger: adc_core::protocol::Trigger::Agent,
            instance: None,
        };
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
        let lines =
            self.store.changes(&self.setup.account_id, &report.run_id, filter, i64::MIN, limit).await?;
        Ok(lines.into_iter().map(|line| line.change).collect())
    }

    /// Some lines of a plan as a table, and what came of it: as `adc imp` shows it.
    fn told(&self, (ended, report): &(Ended, RunReport), lines: &[Change]) -> String {
        format!(
            "{}{}",
            output::plan(lines, report, self.color, output::columns()),
            output::summary(ended, report, output::columns())
        )
    }
}

fn change_three_people(sandbox: &Sandbox) -> Result<(), DirectoryError> {
    let mut directory = sandbox.directory();
    directory.set(sample::ZOE, "title", ["Principal Engineer"])?;
    directory.move_to(sample::LI_NA, &format!("ou=Marketing,ou=People,{}", sample::BASE_DN))?;
    directory.delete(sample::JANE_DOE)
}
