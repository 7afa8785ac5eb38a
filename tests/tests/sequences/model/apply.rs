//! What an applied plan makes of the account.

use adc_core::plan::{ObjectStatus, UserStatus};
use adc_core::reason::Reason;

use super::plan::{Decision, Next, Plan};
use super::{Model, Seen, Shown, Terms};

/// Why a removal may be put off.
const PUT_OFF: [Reason; 3] = [Reason::SettingNoDelete, Reason::AccountOwner, Reason::OwnsResources];

impl Model {
    pub(super) fn apply(&mut self, run_id: &str, terms: &Terms, plan: &Plan) {
        let unvouched = self.vouched.is_some_and(|before| before != terms.configuration);
        // A held plan is applied only once it was approved.
        let doubtful = unvouched && !plan.held().contains(&Reason::GuardFingerprint);
        for (key, decision) in &plan.decisions {
            match &decision.next {
                Some(Next::User(Some(own), next)) => self.users[*own] = next.clone(),
                Some(Next::User(None, next)) => self.users.push(next.clone()),
                Some(Next::Unit(next)) => drop(self.units.insert(key.clone(), next.clone())),
                None => {}
            }
            let name = match &decision.record {
                Some(record) => record.name.clone(),
                None => self.seen[key].name.clone(),
            };
            let waits = decision.status == ObjectStatus::Pending
                && decision.reason.is_some_and(|reason| PUT_OFF.contains(&reason));
            let before = self.seen.get(key);
            let in_doubt = before.and_then(|before| before.in_doubt);
            let shown = decision.record.as_ref().map(Shown::by);
            let seen = Seen {
                // Who left before is not in doubt because of what was configured since.
                in_doubt: waits.then_some(doubtful && in_doubt != Some(false)),
                shown: shown.unwrap_or_else(|| self.seen[key].shown),
                let_in_before: before.and_then(|before| before.let_in_before(decision)),
                present: decision.record.is_some(),
                name,
                dn: decision.dn.clone(),
                status: decision.status,
                reason: decision.reason,
                active: decision.active,
            };
            self.seen.insert(key.clone(), seen);
        }
        self.assert_names_are_unique();
        if !self.seen.values().any(|seen| seen.in_doubt == Some(true)) {
            self.vouched = Some(terms.configuration);
        }
        self.last_applied = Some(run_id.to_owned());
        self.held = None;
    }

    fn assert_names_are_unique(&self) {
        for (at, user) in self.users.iter().enumerate() {
            if user.status != UserStatus::Deleted {
                assert_eq!(self.holder(&user.name), Some(at), "the model gives a name twice: {}", user.name);
            }
        }
    }
}

impl Seen {
    /// What becomes of [`Seen::let_in_before`].
    fn let_in_before(&self, decision: &Decision) -> Option<bool> {
        let Some(record) = &decision.record else { return self.let_in_before };
        if decision.status == ObjectStatus::Synced {
            return None;
        }
        let loses_mark = self.active.is_none() && self.shown.loses_mark(Shown::by(record));
        let before = (!self.present || loses_mark).then_some(self.shown.lets_in());
        self.let_in_before.or(before)
    }
}
