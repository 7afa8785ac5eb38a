//! What an applied plan makes of the account.

use adc_core::plan::UserStatus;

use super::plan::{Next, Plan};
use super::{Model, Seen, Terms};

impl Model {
    pub(super) fn apply(&mut self, run_id: &str, terms: &Terms, plan: &Plan) {
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
            let seen = Seen {
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
        self.configuration = Some(terms.configuration);
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
