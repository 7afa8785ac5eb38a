//! Tells the agents of a synchronization what to do, whenever something happened to it: looks how it stands, and says only
//! what is news.

use super::{
    AskError, Hub,
    choose::{Candidate, choose, choose_follower},
    link::{BEGIN_WITHIN, Link},
};
use crate::{
    pulse,
    runs::AgentIdentity,
    store::{Run, Standing},
};
use adc_core::{
    protocol::{
        RunState, Trigger,
        link::{CloseCode, NotFollowing, Request, RunCommand, ServerMessage},
    },
    settings::EffectiveSettings,
};
use std::{sync::Arc, time::Duration};

/// How long an agent may take to say that it will do a run. It says so at once, whatever else it does.
const ACCEPT_WITHIN: Duration = Duration::from_secs(5);
/// How often runs that wait are looked for, should a word have been lost: one that another process wrote, such as a command.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After a failure of the database, or an agent that does not take a run, it is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Hub {
    /// Tells agents what to do, for ever.
    pub async fn work(self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut beats = tokio::time::interval(pulse::EVERY);
        loop {
            tokio::select! {
                synchronization = self.0.engine.bus().next() => self.settle(synchronization).await,
                _ = beats.tick() => {
                    self.0.engine.pulse().beat(pulse::Loop::Agents);
                    self.look_after_unopened();
                }
                _ = looks.tick() => self.look_for_queued().await,
            }
        }
    }

    async fn look_for_queued(&self) {
        match self.0.store.synchronizations_with_queued_runs().await {
            Ok(waiting) => {
                for (account_id, synchronization_id) in waiting {
                    self.wake(&AgentIdentity { account_id, synchronization_id });
                }
            }
            Err(error) => tracing::error!("cannot look for runs that wait: {error:#}"),
        }
    }

    async fn settle(&self, synchronization: AgentIdentity) {
        let links = self.links_of(&synchronization);
        if links.is_empty() {
            return;
        }
        let AgentIdentity { account_id, synchronization_id } = &synchronization;
        match self.0.store.standing(account_id, synchronization_id).await {
            Ok(Some(standing)) => {
                self.call_off(&links, &standing).await;
                if let (Some(queued), None) = (&standing.queued, &standing.running)
                    && may_begin(queued, &standing)
                {
                    self.dispatch(&links, queued, standing.vanished.as_deref());
                }
                lead(&links, &standing, self.0.clock.steady());
            }
            Ok(None) => self.revoke(&synchronization, "This synchronization was deleted; ask for a new one."),
            Err(error) => {
                tracing::error!(synchronization.id = %synchronization_id, "cannot look after its agents: {error:#}");
                let hub = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                    hub.wake(&synchronization);
                });
            }
        }
    }

    /// Tells whoever goes on with a run that was interrupted that it is over. Something on the way may have kept its requests from us,
    /// such as a rate limiter: the agent would wait for that, and do nothing else meanwhile.
    async fn call_off(&self, links: &[Arc<Link>], standing: &Standing) {
        let queued = standing.queued.as_ref().map(|run| &run.id);
        for link in links {
            let over = |run_id: &String| Some(run_id) != queued && Some(run_id) != standing.running.as_ref();
            for run_id in link.runs().into_iter().filter(over) {
                match self.0.store.run(&link.synchronization.account_id, &run_id).await {
                    Ok(Some(run)) if run.state == RunState::Interrupted => {
                        // Whoever does it all the same says so, and is told again.
                        link.clear_run(&run_id);
                        let request = Request::Cancel { run_id };
                        link.tell(ServerMessage::Request { id: link.next_request(), request });
                    }
                    Ok(_) => {}
                    // The next look tries again.
                    Err(error) => {
                        tracing::error!(run.id = %run_id, "it cannot be read whether a run is over: {error:#}");
                    }
                }
            }
        }
    }

    /// Has an agent do the run that waits, unless one was told already.
    fn dispatch(&self, links: &[Arc<Link>], queued: &Run, vanished: Option<&str>) {
        let now = self.0.clock.steady();
        if let Some(link) = links.iter().find(|link| link.has_run(&queued.id)) {
            if link.sits_on(&queued.id, now) {
                self.take_away(link, &queued.id);
            }
            return;
        }
        let seen = |link: &Arc<Link>| link.candidate_for(&queued.id, vanished, now);
        let candidates: Vec<Candidate> = links.iter().map(seen).collect();
        let Some(link) = choose(&candidates).and_then(|index| links.get(index)) else { return };
        // One that is busy does it next: nothing of the synchronization is open, so what it does is about to be, or about to end.
        link.assign(&queued.id, now);
        let command = RunCommand {
            run_id: queued.id.clone(),
            dry_run: queued.dry_run,
            full: queued.full_asked,
            trigger: Trigger::of(&queued.trigger).unwrap_or(Trigger::Manual),
        };
        let (hub, link) = (self.clone(), Arc::clone(link));
        tokio::spawn(async move { hub.have_it_done(&link, command).await });
    }

    async fn have_it_done(&self, link: &Arc<Link>, command: RunCommand) {
        let run_id = command.run_id.clone();
        match self.ask_link(link, Request::Run(command), ACCEPT_WITHIN).await {
            Ok(_) => {
                tracing::info!(run.id = %run_id, agent.host = link.host(), "run handed to an agent");
                // Whether it was begun is seen then.
                tokio::time::sleep(BEGIN_WITHIN).await;
                self.wake(&link.synchronization);
            }
            Err(error) => {
                tracing::warn!(run.id = %run_id, agent.host = link.host(), "an agent does not take a run: {error}");
                link.note_refusal(&run_id);
                match error {
                    AskError::Timeout { .. } => {
                        // It answers at once if it answers at all.
                        link.close(CloseCode::Silent, None);
                        self.leave(link);
                    }
                    AskError::Refused(_) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
                    AskError::Gone { .. } | AskError::NoAgent => {}
                }
                link.clear_run(&run_id);
                self.wake(&link.synchronization);
            }
        }
    }
}

/// Whether a run that waits may begin: one that nobody asked for by hand also waits for the decision about a plan that is held.
fn may_begin(queued: &Run, standing: &Standing) -> bool {
    standing.held.is_none() || !Trigger::of(&queued.trigger).is_some_and(Trigger::waits_for_decision)
}

/// Has one agent follow the directory's changes, or none.
fn lead(links: &[Arc<Link>], standing: &Standing, now: Duration) {
    let candidates: Vec<Candidate> = links.iter().map(|link| link.candidate(now)).collect();
    let leader = choose_follower(&candidates);
    for (index, link) in links.iter().enumerate() {
        let settings = EffectiveSettings::merge(&standing.settings, &link.settings, false);
        let another = (leader != Some(index)).then_some(NotFollowing::AnotherFollows);
        link.follow(why_not(standing, &settings).or(another));
    }
}

/// Why changes are not followed: they are where somebody has brought the synchronization under way, the policy wants it, what is found
/// would be applied, and no plan waits for a decision.
fn why_not(standing: &Standing, settings: &EffectiveSettings) -> Option<NotFollowing> {
    if !standing.ever_applied {
        Some(NotFollowing::NeverApplied)
    } else if !standing.policy.follow_changes {
        Some(NotFollowing::Policy)
    } else if settings.dry_run.value {
        Some(NotFollowing::DryRun)
    } else {
        standing.held.as_ref().map(|_| NotFollowing::PlanHeld)
    }
}
