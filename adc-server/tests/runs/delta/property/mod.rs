//! Delta equals full (invariant 7): every run is played again as a full one on a copy of what the control plane knew before
//! it, and both must come to the same. Where nothing is held back, so must a first import into an empty account.

mod company;
mod step;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use adc_core::{
    policy::{ExcludeRule, Guards, Policy},
    protocol::{LEASE_SECONDS, Mark, RunReport, RunState},
    record::Kind,
};
use adc_server::store::{ChangesFilter, Editable, Synchronization};
use proptest::prelude::*;

use super::feed::{Feed, mark};
use crate::world::{Directory, World};
use company::Company;
use step::{Rule, Step, Switch, Verdict, steps};

const HOUR: i64 = 3_600_000;
/// Whom a rule leaves out.
const JUNIOR: &str = "title 1";

/// A company and the control plane that follows it.
struct Play {
    world: World,
    company: Company,
    rule: Rule,
    switches: BTreeSet<Switch>,
    /// Whether a switch was on whose doings no first import repeats.
    left_traces: bool,
    /// How many runs there were, each of which found the directory a change further.
    runs: u32,
    /// Where the last applied one found it.
    checkpoint: Option<Mark>,
}

impl Play {
    async fn new(refint: bool) -> Self {
        let (world, company) = (World::new().await, Company::new(refint));
        Self {
            world,
            company,
            rule: Rule::Default,
            switches: BTreeSet::new(),
            left_traces: false,
            runs: 0,
            checkpoint: None,
        }
    }

    async fn happen(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.company.happen(step, self.world.now());
        match *step {
            Step::Pass { hours } => self.world.pass_time(hours * HOUR),
            Step::Lapse { .. } => {
                self.run(Verdict::Approved).await?;
                self.world.pass_time(2 * HOUR);
            }
            Step::Switch { which, on } => self.switch(which, on),
            Step::Rule(rule) => {
                self.rule = rule;
                edit_policy(&self.world, rule).await;
            }
            Step::AgentDies => self.agent_dies().await,
            Step::Run(verdict) => self.run(verdict).await?,
            _ => {}
        }
        Ok(())
    }

    /// Brings the account up to date, and looks whether all came of it that could.
    async fn run(&mut self, verdict: Verdict) -> Result<(), TestCaseError> {
        let mut copy = self.world.copy().await;
        let directory = self.seen();
        self.runs += 1;
        let mark = mark(self.runs);
        let opened = self.world.open_following().await;
        // What the feed names is what happened since then: of what a plan that was turned down held nobody would hear again.
        prop_assert_eq!(&opened.checkpoint, &self.checkpoint, "only an applied run moves the checkpoint");
        let delta = self.world.follow_until(&opened, &directory, &self.company.feed, mark.clone()).await;
        let opened = copy.open_wanting(true).await;
        let full = copy.read_until(&opened, &directory, mark.clone()).await.expect("runs");
        let state = decide(&self.world, &delta, verdict).await;
        prop_assert_eq!(state, decide(&copy, &full, verdict).await, "{:?}; {:?}", delta, full);
        prop_assert_eq!(&delta.held_because, &full.held_because);
        prop_assert_eq!(
            plan(&self.world, &delta).await,
            plan(&copy, &full).await,
            "{:?}",
            delta.full_because
        );
        let held = self.world.snapshot().await;
        prop_assert_eq!(&held, &copy.snapshot().await, "{:?}", delta.full_because);
        if state != RunState::Applied {
            // No mark was left: the feed says the same again.
            return Ok(());
        }
        self.checkpoint = Some(mark);
        self.company.feed = Feed::default();
        if self.holds_nothing_back() && held.is_settled() {
            copy.agent = copy.stranger().await;
            edit_policy(&copy, self.rule).await;
            let first = copy.read_everything(&directory).await;
            prop_assert_eq!(first.state, RunState::Applied);
            let (here, there) =
                (held.of_those_who_are_there(), copy.snapshot().await.of_those_who_are_there());
            prop_assert_eq!(here, there, "after a first import");
        }
        Ok(())
    }

    fn holds_nothing_back(&self) -> bool {
        self.switches.is_empty() && !self.left_traces && self.rule != Rule::AddsNobody
    }

    /// What an agent makes of the directory.
    fn seen(&self) -> Directory {
        let mut directory = self.company.directory.clone();
        let people = directory.objects.values_mut().filter(|record| record.kind == Kind::User);
        for person in people.filter(|_| self.rule == Rule::ExcludesJuniors) {
            if person.fields.get("title") == Some(&JUNIOR.into()) {
                person.excluded_by = Some("juniors".to_owned());
            }
        }
        directory
    }

    fn switch(&mut self, which: Switch, on: bool) {
        if on {
            self.switches.insert(which);
            self.left_traces |= which == Switch::CreateAsDisabled;
        } else {
            self.switches.remove(&which);
        }
        let settings = &mut self.world.settings;
        let switch = match which {
            Switch::NoCreate => &mut settings.no_create,
            Switch::NoUpdate => &mut settings.no_update,
            Switch::NoDelete => &mut settings.no_delete,
            Switch::DeleteDisables => &mut settings.delete_disables,
            Switch::CreateAsDisabled => &mut settings.create_as_disabled,
        };
        *switch = Some(on);
    }

    async fn agent_dies(&self) {
        let opened = self.world.open_following().await;
        let directory = self.seen();
        if opened.checkpoint.is_some() {
            // It may be a full run: then nobody wants to know.
            let _ = self.world.touch(&opened.run_id, &self.company.feed.batch(&directory)).await;
        }
        self.world.send(&opened, &directory).await.expect("sends");
        let missed = Instant::now() + Duration::from_secs(2 * LEASE_SECONDS);
        self.world.engine.interrupt_silent_runs(missed).await;
    }
}

/// What an administrator says to a plan that is held; returns how the run stands then.
async fn decide(world: &World, report: &RunReport, verdict: Verdict) -> RunState {
    let account_id = &world.agent.account_id;
    match (report.state, verdict) {
        (RunState::Held, Verdict::Approved) => {
            world.engine.approve(account_id, &report.run_id).await.expect("approves");
            RunState::Applied
        }
        (RunState::Held, Verdict::Rejected) => {
            world.engine.reject(account_id, &report.run_id).await.expect("rejects");
            RunState::Rejected
        }
        (state, _) => state,
    }
}

/// The lines of a plan, in no order.
async fn plan(world: &World, report: &RunReport) -> BTreeSet<String> {
    let (account_id, all) = (&world.agent.account_id, ChangesFilter::default());
    let lines = world.store.changes(account_id, &report.run_id, &all, -1, 10_000).await.expect("changes");
    let lines = lines.into_iter().map(|line| {
        let change = line.change;
        let what = (change.kind, change.source_id, change.dn, change.username);
        format!("{what:?} {:?} {:?} {:?} {:?}", change.action, change.reason, change.before, change.after)
    });
    lines.collect()
}

async fn edit_policy(world: &World, rule: Rule) {
    let policy = match rule {
        Rule::Default => Policy::default(),
        Rule::ExcludesJuniors => {
            let filter = format!("(title={JUNIOR})").parse().expect("a filter");
            Policy { exclude: vec![ExcludeRule { name: "juniors".to_owned(), filter }], ..Policy::default() }
        }
        Rule::HoldsLeavers => {
            let guards = Guards { max_removals: 0, max_removals_percent: 0, ..Guards::default() };
            Policy { guards, ..Policy::default() }
        }
        Rule::AddsNobody => Policy { auto_synchronization: false, ..Policy::default() },
    };
    let edit = |current: &Synchronization| {
        Ok::<_, ()>(Editable { policy: Some(policy.clone()), ..current.editable() })
    };
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    world.store.edit_synchronization(account_id, id, 0, edit).await.expect("edits");
}

/// Plays these steps, and runs once more with nothing held back.
async fn play(refint: bool, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut play = Play::new(refint).await;
    for step in steps {
        play.happen(step).await?;
    }
    for which in play.switches.clone() {
        play.happen(&Step::Switch { which, on: false }).await?;
    }
    play.happen(&Step::Run(Verdict::Approved)).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn delta_equals_full(refint in any::<bool>(), steps in steps(24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(refint, &steps))?;
    }
}
