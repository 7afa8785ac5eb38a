//! Closes a run: checks the receipt, has absences proved, then plans once and tells everybody who asks how it ended.

use super::{ActiveRun, AgentIdentity, Engine, ended_problem, report::report_of, sight::Sight};
use crate::{
    api::problem::{ApiResult, Problem},
    store::{Channel, Origin, Run},
};
use adc_core::{
    dn::Dn,
    protocol::{
        Doubts, FeedReceipt, Finish, FullBecause, MAX_CONFIRM_IDS, Mode, Next, Receipt, RunError, RunState,
    },
    record::Kind,
    text,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long `finish` keeps its caller waiting for the plan before it says `wait`: well below what proxies allow.
const WAIT: Duration = Duration::from_secs(20);
/// How many missing batches or records an error names.
const NAMED: usize = 5;

impl Engine {
    /// The agent has read and sent everything: what next?
    pub async fn finish(&self, agent: &AgentIdentity, run_id: &str, finish: &Finish) -> ApiResult<Next> {
        let active = match self.active_run(agent, run_id).await {
            Ok(active) => active,
            Err(problem) => return self.ended(agent, run_id, problem).await,
        };
        let _answering = active.lease.answering();
        if !active.is_ending() {
            let run = self.run_of(agent, run_id).await?;
            if let Some(next) = begins_again(&run).filter(|_| finish.receipt.feed.is_some()) {
                return Ok(next);
            }
            if let Err(problem) = self.take_receipt(&active, &run, &finish.receipt).await {
                // The same request may have come twice, and the other one have ended the run meanwhile.
                return self.ended(agent, run_id, Problem::clone(&problem)).await.map_err(|_| problem);
            }
        }
        self.next(agent, &active).await
    }

    /// Asks for the look-ups that are still missing; when there are none, plans.
    pub(super) async fn next(&self, agent: &AgentIdentity, active: &Arc<ActiveRun>) -> ApiResult<Next> {
        if !active.is_ending() {
            // Under the lock that batches are taken under: none comes in between the last doubt and the plan.
            let mut kept = active.sight.lock().await;
            let run = self.run_of(agent, &active.run_id).await?;
            if let Some(next) = begins_again(&run).filter(|_| run.receipt.is_none()) {
                return Ok(next);
            }
            let doubts = self.doubts(active, &mut kept).await?;
            if !doubts.objects.is_empty() || !doubts.containers.is_empty() {
                return Ok(Next::Confirm(doubts));
            }
            if let Some(because) = self.look_ups_in_doubt(active, &run, &mut kept).await? {
                *kept = None;
                self.become_full(&run, because).await?;
                return Ok(Next::ReadEverything { because });
            }
            if run.mode == Mode::Full {
                self.check_nobody_was_overlooked(&run).await?;
            }
            if active.claim_end() {
                active.conclusion.send_replace(None);
                let (engine, active) = (self.clone(), active.clone());
                // A task of its own: the run ends the same way whether or not the agent is still there to hear it.
                tokio::spawn(async move { engine.conclude(&active).await });
            }
        }
        match tokio::time::timeout(WAIT, active.concluded()).await {
            Err(_) => Ok(Next::Wait),
            Ok(Err(problem)) => Err(Problem::clone(&problem)),
            Ok(Ok(())) => {
                let run = self.run_of(agent, &active.run_id).await?;
                Ok(self.done(&run))
            }
        }
    }

    /// What is not seen yet and not looked up either, and the containers of what is, or turned out, gone.
    async fn doubts(&self, active: &ActiveRun, kept: &mut Option<Sight>) -> ApiResult<Doubts> {
        let run = self.run_in(&active.account_id, &active.run_id).await?;
        let mut sight = self.take_sight(active, kept).await?;
        let mut missing = sight.missing(MAX_CONFIRM_IDS);
        // A full run has read everybody. In a delta, whoever refers to what was moved is read again too, and what is found
        // moved thereby counts again.
        if missing.is_empty() && run.mode == Mode::Delta {
            let mut referrers = self.store.referrers(&run, &mut sight.referred_to).await?;
            if sight.strangers_were_touched() || self.store.has_anything_moved(&run).await? {
                referrers.extend(self.store.dangling(&run).await?);
            }
            let mut more = sight.expect_unnamed(referrers);
            if !more {
                let beside = self.beside_the_missing(&run, &mut sight).await?;
                more = sight.expect_unnamed(beside);
            }
            if more {
                missing = sight.missing(MAX_CONFIRM_IDS);
            }
        }
        *kept = Some(sight);
        let objects = self.store.doubts(&run, &missing).await?;
        let asked: BTreeSet<String> =
            self.store.containers(&active.run_id).await?.into_iter().map(|(dn, _)| dn).collect();
        let missed: Vec<String> = if objects.is_empty() {
            // Whoever was asked before may have answered for the objects alone.
            self.store.gone(&active.run_id).await?
        } else {
            objects.iter().filter(|doubt| doubt.kind != Kind::OrgUnit).map(|doubt| doubt.dn.clone()).collect()
        };
        let containers: BTreeSet<String> = missed
            .iter()
            .filter_map(|dn| container_of(dn))
            .filter(|container| !asked.contains(container))
            .take(MAX_CONFIRM_IDS)
            .collect();
        Ok(Doubts { objects, containers: containers.into_iter().collect() })
    }

    /// Whether those who were looked up lack what they had, or are missing untold: they are read after the agent asked whether what
    /// it read is believed.
    async fn look_ups_in_doubt(
        &self,
        active: &ActiveRun,
        run: &Run,
        kept: &mut Option<Sight>,
    ) -> ApiResult<Option<FullBecause>> {
        // What is planned already was believed.
        if run.mode == Mode::Full || active.is_ending() {
            return Ok(None);
        }
        let sight = self.sight_of(active, kept).await?;
        if self.too_many_are_missing(run, sight).await? {
            return Ok(Some(FullBecause::RightsInDoubt));
        }
        Ok(self.rights_in_doubt(run, Origin::Confirm).await?)
    }

    /// Checks the receipt and keeps it.
    async fn take_receipt(&self, active: &ActiveRun, run: &Run, receipt: &Receipt) -> ApiResult<()> {
        self.check_receipt(active, run, receipt).await?;
        let kept = run.receipt.as_ref() == Some(receipt) || self.store.keep_receipt(run, receipt).await?;
        if kept {
            return Ok(());
        }
        let run = self.run_in(&run.account_id, &run.id).await?;
        // If it is running still it has become full meanwhile, which comes next.
        if run.state == RunState::Running { Ok(()) } else { Err(ended_problem(&run)) }
    }

    /// Refuses a receipt that proves nothing.
    async fn check_receipt(&self, active: &ActiveRun, run: &Run, receipt: &Receipt) -> ApiResult<()> {
        match run.mode {
            Mode::Full => check_kinds(receipt)?,
            Mode::Delta => drop(check_feed(receipt)?),
        }
        check_searches(receipt)?;
        self.check_batches(run, receipt).await?;
        let mut sight = active.sight.lock().await;
        let outstanding = self.sight_of(active, &mut sight).await?.outstanding(NAMED);
        if !outstanding.is_empty() {
            let ids: Vec<_> = outstanding.iter().map(|(kind, id)| format!("{kind} {id}")).collect();
            return Err(Problem::conflict(
                "records-missing",
                format!(
                    "Records that were asked for have not come: {}. Send them, then finish.",
                    ids.join(", ")
                ),
            ));
        }
        if receipt.read.users == 0 && run.mode == Mode::Full {
            let known = self.store.present_in_mirror(run, Kind::User).await?;
            if known > 0 {
                let error = RunError {
                    code: "empty-read".to_owned(),
                    message: format!(
                        "The directory returned no people where before it had {}, which is taken as an error and not as so \
                         many leavers; nothing was changed. Check the base DN, the filter and the rights of \
                         the bind account.",
                        text::counted(known, "person", "people")
                    ),
                };
                self.end(run, RunState::Failed, &error).await?;
                return Err(Problem::unprocessable("empty-read", error.message));
            }
        }
        Ok(())
    }

    /// Refuses a receipt that speaks of other batches than came.
    async fn check_batches(&self, run: &Run, receipt: &Receipt) -> ApiResult<()> {
        self.check_nothing_is_lost(run, receipt).await?;
        for (channel, name, count) in batches_of(run, receipt) {
            let came = self.store.batch_numbers(&run.id, channel).await?.len();
            if came > count as usize {
                return Err(batch_missing(count, name, came, "none"));
            }
        }
        Ok(())
    }

    /// Refuses a receipt that speaks of batches that are not there: some were never sent, or what was sent is lost, as it is where
    /// another version of this program made its tables anew. There may be more: what look-ups find travels in batches too.
    pub(super) async fn check_nothing_is_lost(&self, run: &Run, receipt: &Receipt) -> ApiResult<()> {
        for (channel, name, count) in batches_of(run, receipt) {
            let came: BTreeSet<u32> = self.store.batch_numbers(&run.id, channel).await?.into_iter().collect();
            let missing: Vec<String> =
                (0..count).filter(|seq| !came.contains(seq)).take(NAMED).map(|seq| seq.to_string()).collect();
            if !missing.is_empty() {
                return Err(batch_missing(count, name, came.len(), &missing.join(", ")));
            }
        }
        Ok(())
    }

    /// A run that has ended: its report, for whoever did not hear it; else `problem`.
    pub(super) async fn ended(
        &self,
        agent: &AgentIdentity,
        run_id: &str,
        problem: Problem,
    ) -> ApiResult<Next> {
        let run = self.run_of(agent, run_id).await?;
        match run.state {
            RunState::Applied | RunState::Previewed | RunState::Held => Ok(self.done(&run)),
            RunState::Running => Err(problem),
            _ => Err(ended_problem(&run)),
        }
    }

    fn done(&self, run: &Run) -> Next {
        Next::Done { report: Box::new(report_of(run, &self.public_url)) }
    }
}

/// What whoever goes on with a delta hears that look-ups made a full run: they may not have heard the first time.
pub(super) fn begins_again(run: &Run) -> Option<Next> {
    let because = run.full_because.filter(|because| *because == FullBecause::RightsInDoubt)?;
    (run.mode == Mode::Full).then_some(Next::ReadEverything { because })
}

/// The DN of the entry that an entry lies in; `None` at the top, and for what is no DN.
pub(super) fn container_of(dn: &str) -> Option<String> {
    Some(Dn::parse(dn).ok()?.parent()?.to_string()).filter(|container| !container.is_empty())
}

/// The channels of a run, their names, and how many batches a receipt speaks of.
fn batches_of(run: &Run, receipt: &Receipt) -> [(Channel, &'static str, u32); 3] {
    let feed = receipt.feed.as_ref().filter(|_| run.mode == Mode::Delta);
    [
        (Channel::Touched, "touched", feed.map_or(0, |feed| feed.batches)),
        (Channel::Digests, "digest", receipt.digest_batches),
        (Channel::Records, "record", receipt.record_batches),
    ]
}

fn batch_missing(count: u32, name: &str, came: usize, missing: &str) -> Problem {
    Problem::conflict(
        "batch-missing",
        format!(
            "The receipt speaks of {count} {name} batches and {came} came; missing: {missing}. Send them, then finish."
        ),
    )
}

/// Every kind must have been searched for.
fn check_kinds(receipt: &Receipt) -> ApiResult<()> {
    for kind in Kind::ALL {
        let entries: u64 =
            receipt.searches.iter().filter(|search| search.kind == kind).map(|s| s.entries).sum();
        let searched = receipt.searches.iter().any(|search| search.kind == kind);
        if !searched || entries < receipt.read.of(kind) {
            return Err(incomplete(format!("nothing shows that all objects of kind {kind} were read")));
        }
    }
    Ok(())
}

/// The change feed must have told everything since the checkpoint.
fn check_feed(receipt: &Receipt) -> ApiResult<&FeedReceipt> {
    let feed = receipt
        .feed
        .as_ref()
        .ok_or_else(|| incomplete("nothing shows what the change feed named".to_owned()))?;
    if feed.result_codes.is_empty() {
        return Err(incomplete(format!(
            "nothing shows that the change feed {} was read to its end",
            feed.name
        )));
    }
    if let Some(code) = feed.result_codes.iter().find(|code| **code != 0) {
        return Err(incomplete(format!("the change feed {} ended with result code {code}", feed.name)));
    }
    Ok(feed)
}

/// Every search must have been ended by the server itself, with success on each page.
fn check_searches(receipt: &Receipt) -> ApiResult<()> {
    for search in &receipt.searches {
        if let Some(code) = search.result_codes.iter().find(|code| **code != 0) {
            return Err(incomplete(format!(
                "a page of the search for {} ended with result code {code}",
                search.kind
            )));
        }
        if !search.complete || search.result_codes.is_empty() {
            return Err(incomplete(format!("the search for {} was not read to its last page", search.kind)));
        }
    }
    Ok(())
}

fn incomplete(what: String) -> Problem {
    Problem::unprocessable(
        "receipt-incomplete",
        format!("The receipt does not prove a complete read: {what}. Nothing was changed."),
    )
}
