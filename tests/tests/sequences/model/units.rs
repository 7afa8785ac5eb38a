//! What becomes of one group or org unit.

use adc_core::plan::Action;
use adc_core::reason::Reason;
use adc_core::record::Record;

use super::plan::{Decision, Next};
use super::{Key, Model, Terms, Unit};

impl Model {
    /// Of one that is there.
    pub(super) fn unit(&self, record: &Record, terms: &Terms) -> Decision {
        let next = Unit {
            name: record.name.clone(),
            dn: record.dn.clone(),
            members: record.members.clone(),
            deleted: false,
        };
        let (action, reason) = match self.units.get(&(record.kind, record.source_id.clone())) {
            Some(unit) if *unit == next => return Decision::settled(None),
            Some(unit) if unit.deleted => (Action::Restore, Reason::Returned),
            Some(unit) if Unit { dn: unit.dn.clone(), ..next.clone() } == *unit => {
                (Action::Update, Reason::Moved)
            }
            Some(_) => (Action::Update, Reason::Changed),
            None => (Action::Create, Reason::New),
        };
        let settings = &terms.settings;
        if action == Action::Update && settings.no_update.value {
            return Decision::put_off(Reason::SettingNoUpdate, None);
        }
        if action != Action::Update && settings.no_create.value {
            return Decision::put_off(Reason::SettingNoCreate, None);
        }
        Decision::change(action, reason, Next::Unit(next), None)
    }

    /// Of an org unit that is not found while something stands below it.
    pub(super) fn hidden_unit(&self, key: &Key) -> Decision {
        match self.units.get(key).filter(|unit| !unit.deleted) {
            Some(_) => Decision::put_off(Reason::OutOfSight, None),
            None => Decision::settled(None),
        }
    }

    /// Of one that is proved to be gone.
    pub(super) fn absent_unit(&self, key: &Key, reason: Reason, terms: &Terms) -> Decision {
        let Some(unit) = self.units.get(key).filter(|unit| !unit.deleted) else {
            return Decision::settled(None);
        };
        if terms.settings.no_delete.value {
            return Decision::put_off(Reason::SettingNoDelete, None);
        }
        let next = Unit { deleted: true, ..unit.clone() };
        Decision::change(Action::Delete, reason, Next::Unit(next), None)
    }
}
