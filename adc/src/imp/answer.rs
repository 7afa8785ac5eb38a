//! What look-ups found, on its way to the control plane.

use adc_core::protocol::{Confirm, ContainerLookedUp, LookUpOutcome, LookedUp};

use super::outbox::{BATCH_BYTES, JSON_OVERHEAD, weight};

/// The answer to a question of the control plane, which is sent in parts where it is big: groups that travel whole are up to some
/// hundred kilobytes each, and hundreds are asked for at once. Whoever was not answered for stays asked for, so that nothing is
/// planned before the last part came.
#[derive(Default)]
pub(super) struct Answer {
    part: Confirm,
    bytes: usize,
}

impl Answer {
    /// Adds what was found. What is returned has to be sent before: the two are too much for one body.
    pub(super) fn push(&mut self, looked_up: LookedUp) -> Option<Confirm> {
        let bytes = weight_of(&looked_up);
        let full = self.bytes > 0 && self.bytes + bytes > BATCH_BYTES;
        let before = full.then(|| std::mem::take(self).part);
        self.bytes += bytes;
        self.part.objects.push(looked_up);
        before
    }

    /// The last part, to be sent when nobody is in doubt any more.
    pub(super) fn finish(self, containers: Vec<ContainerLookedUp>) -> Confirm {
        Confirm { containers, ..self.part }
    }
}

/// About how many bytes of JSON it makes.
fn weight_of(looked_up: &LookedUp) -> usize {
    let found = match &looked_up.outcome {
        LookUpOutcome::Gone | LookUpOutcome::Unchanged { .. } => 0,
        LookUpOutcome::OutOfScope { dn } => dn.len(),
        LookUpOutcome::Found { record } => weight(record),
    };
    looked_up.source_id.len() + found + 4 * JSON_OVERHEAD
}

#[cfg(test)]
mod tests {
    use adc_core::protocol::{MAX_BODY_BYTES, MAX_CONFIRM_IDS, MEMBERS_PER_PART};
    use adc_core::record::{Kind, Record};

    use super::*;

    fn found(id: usize, members: usize) -> LookedUp {
        let mut group = Record::new(Kind::Group, id.to_string(), format!("cn={id},dc=lg"), id.to_string());
        group.members = (0..members).map(|n| format!("uid={n},ou=people,dc=lg,dc=local")).collect();
        let outcome = LookUpOutcome::Found { record: Box::new(group) };
        LookedUp { kind: Kind::Group, source_id: id.to_string(), outcome }
    }

    #[test]
    fn groups_that_were_looked_up_came_to_more_than_a_body_may_hold() {
        let mut answer = Answer::default();
        let mut parts: Vec<Confirm> =
            (0..MAX_CONFIRM_IDS).filter_map(|id| answer.push(found(id, MEMBERS_PER_PART / 5))).collect();
        parts.push(answer.finish(Vec::new()));
        let sizes = parts.iter().map(|part| serde_json::to_vec(part).expect("prints").len());
        let sizes: Vec<usize> = sizes.collect();
        assert!(sizes.iter().sum::<usize>() > MAX_BODY_BYTES, "{sizes:?}");
        assert!(sizes.iter().all(|size| *size <= BATCH_BYTES), "{sizes:?}");
        let ids = parts.iter().flat_map(|part| &part.objects).map(|object| object.source_id.clone());
        assert!(ids.eq((0..MAX_CONFIRM_IDS).map(|id| id.to_string())), "each of them once");
    }

    #[test]
    fn those_who_are_gone_are_told_of_at_once() {
        let mut answer = Answer::default();
        for id in 0..MAX_CONFIRM_IDS {
            let (source_id, outcome) = (id.to_string(), LookUpOutcome::Gone);
            assert_eq!(answer.push(LookedUp { kind: Kind::User, source_id, outcome }), None);
        }
        assert_eq!(answer.finish(Vec::new()).objects.len(), MAX_CONFIRM_IDS);
    }
}
