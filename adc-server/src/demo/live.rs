//! The daemon's part: two agents that stay connected, a run on command, a change that is followed, a sign-in, a fail-over.

use super::{Demo, client::Api};
use adc::{
    config::Config,
    exit::Exit,
    run::{self, Status},
};
use adc_sandbox::sample;
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Whatever takes longer is broken: the slowest is a directory that is asked every five seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// What Zoe becomes while nobody looks.
const TITLE: &str = "Chief Engineer";

/// An agent of the demo, in this process.
pub(super) struct Agent {
    instance: String,
    stop: CancellationToken,
    running: JoinHandle<Exit>,
}

impl Agent {
    /// Starts `adc run`, and waits until the control plane knows it.
    async fn start(config: &Config, api: &Api, agents: &str) -> anyhow::Result<Self> {
        let before = instances(&api.get(agents).await?);
        let stop = CancellationToken::new();
        let surroundings = run::Surroundings {
            config: watch::Sender::new(Arc::new(config.clone())),
            stop: stop.clone(),
            status: Arc::new(Status::default()),
            spared: Arc::default(),
        };
        let running = tokio::spawn(run::run(surroundings));
        let instance = until("an agent is connected", async || {
            let now = instances(&api.get(agents).await?);
            Ok(now.into_iter().find(|instance| !before.contains(instance)))
        })
        .await?;
        Ok(Self { instance, stop, running })
    }

    /// Ends it as systemd does.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.running.await.context("an agent broke")?;
        Ok(())
    }
}

impl Demo {
    /// Has two agents stay connected, and shows what they are for; returns what scripts want to know.
    pub async fn live(&mut self, tell: &mut dyn FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<Value> {
        let api = Api::new(&self.url, &self.setup.api_key)?;
        let synchronization = format!("/synchronizations/{}", self.setup.synchronization_id);
        let (agents, runs) = (format!("{synchronization}/agents"), format!("{synchronization}/runs"));

        tell("4. Two agents stay connected (adc run); one of them follows the directory:\n")?;
        for _ in 0..2 {
            self.agents.push(Agent::start(&self.config, &api, &agents).await?);
        }
        let connected = until("somebody follows the directory", async || {
            let list = api.get(&agents).await?;
            let listed = list["items"].as_array().cloned().unwrap_or_default();
            let ready = listed.iter().all(|agent| agent["feed"].is_string())
                && listed.iter().any(|agent| agent["follows_changes"] == true);
            Ok(ready.then_some(listed))
        })
        .await?;
        let lines: Vec<String> = connected.iter().map(described).collect();
        tell(&format!("{}\n", lines.join("\n")))?;

        tell("5. Run now, with the administrator's key (POST .../runs):\n")?;
        let (ordered, seconds) = self.run_now(&api, &runs).await?;
        tell(
            &format!(
                "  {} {} {seconds} after the order, by {}\n",
                ordered["id"],
                ordered["state"],
                by(&ordered)
            )
            .replace('"', ""),
        )?;

        tell("6. In the directory Zoe is promoted again. Nobody starts anything:\n")?;
        let started = Instant::now();
        self.sandbox
            .directory()
            .set(sample::ZOE, "title", [TITLE])
            .context("cannot change the sample directory")?;
        let zoe = until("the change is there", async || {
            let users = api.get("/users?q=zoe").await?;
            Ok(Some(users["items"][0].clone()).filter(|zoe| zoe["fields"]["title"] == TITLE))
        })
        .await?;
        let seen_after = seconds_since(started);
        tell(&format!(
            "  her title is \"{TITLE}\" here {seen_after} later (the sample directory has to be asked, every five seconds)\n"
        ))?;

        tell(
            "7. Zoe signs in; an agent asks the directory, and the password goes no further (POST /login):\n",
        )?;
        let (right, _) = sign_in(&api, &zoe, sample::PASSWORD).await?;
        let (wrong, problem) = sign_in(&api, &zoe, "not her password").await?;
        ensure!(
            (right, wrong) == (200, 401),
            "a right password is answered with {right}, a wrong one with {wrong}"
        );
        tell(&format!(
            "  with her password {right}, with another {wrong}: {}\n",
            problem["detail"].as_str().unwrap_or_default()
        ))?;

        tell("8. The agent that follows the directory is stopped. The other takes over:\n")?;
        let follower = connected.iter().find(|agent| agent["follows_changes"] == true);
        let follower = follower.and_then(|agent| agent["instance"].as_str()).unwrap_or_default();
        let index = self.agents.iter().position(|agent| agent.instance == follower);
        self.agents.swap_remove(index.context("the one that follows is one of ours")?).end().await?;
        let (after, seconds) = self.run_now(&api, &runs).await?;
        ensure!(after["agent"]["instance"] != follower, "an agent that was stopped has run: {after}");
        tell(
            &format!("  {} {} {seconds} after the order, by {}", after["id"], after["state"], by(&after))
                .replace('"', ""),
        )?;
        let back = Agent::start(&self.config, &api, &agents).await?;
        tell(&format!("  and {} is there in the place of the first\n", short(&back.instance)))?;
        self.agents.push(back);
        Ok(
            json!({ "run": ordered, "followed": zoe["fields"]["title"], "login": [right, wrong], "after_fail_over": after }),
        )
    }

    /// Has a run done, and waits for its end; also how long that took, in words.
    async fn run_now(&self, api: &Api, runs: &str) -> anyhow::Result<(Value, String)> {
        let started = Instant::now();
        let queued = until("a run can begin", async || {
            let (status, run) = api.post(runs, &json!({ "dry_run": false, "full": true })).await?;
            match status {
                202 => Ok(Some(run)),
                // One that a change began is under way.
                409 => Ok(None),
                _ => bail!("Run now was refused: {run}"),
            }
        })
        .await?;
        let path = format!("/runs/{}", queued["id"].as_str().unwrap_or_default());
        let ended = until("the run has ended", async || {
            let run = api.get(&path).await?;
            Ok(Some(run).filter(|run| run["state"] != "queued" && run["state"] != "running"))
        })
        .await?;
        ensure!(ended["state"] == "applied", "the run ended otherwise: {ended}");
        Ok((ended, seconds_since(started)))
    }
}

async fn sign_in(api: &Api, person: &Value, password: &str) -> anyhow::Result<(u16, Value)> {
    api.post("/login", &json!({ "username": person["username"], "password": password })).await
}

/// Looks again and again until there is something; `what` is awaited.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "it takes too long until {what}; look at the log (ADC_LOG=debug)"
        );
        sleep(LOOK_EVERY).await;
    }
}

fn instances(agents: &Value) -> Vec<String> {
    let items = agents["items"].as_array().into_iter().flatten();
    items.filter_map(|agent| Some(agent["instance"].as_str()?.to_owned())).collect()
}

fn described(agent: &Value) -> String {
    let text = |key: &str| agent[key].as_str().unwrap_or_default();
    let follows = if agent["follows_changes"] == true { ", follows changes" } else { "" };
    format!(
        "  {} on {}, adc {}, feed {}{follows}",
        short(text("instance")),
        text("host"),
        text("version"),
        text("feed")
    )
}

fn by(run: &Value) -> String {
    short(run["agent"]["instance"].as_str().unwrap_or("an agent")).to_owned()
}

/// Enough of an instance's name to tell two of them apart.
fn short(instance: &str) -> &str {
    instance.get(..SHOWN).unwrap_or(instance)
}

/// `agent_` and six digits.
const SHOWN: usize = 12;

fn seconds_since(started: Instant) -> String {
    format!("{:.1} s", started.elapsed().as_secs_f64())
}
