//! What somebody who signs in is told, out of what was found out about each of those who may be meant.

use super::{Refused, ask::Asked};
use adc_core::protocol::link::PasswordOutcome;

/// What was found out about one of those who may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The password is right, and the user may come in.
    In,
    /// What the control plane knew by itself, or the directory said.
    Refused(Refused),
}

impl Finding {
    /// What an agent's answer says.
    pub(super) fn of(asked: &Asked) -> Self {
        Self::Refused(match asked {
            Asked::Answered(PasswordOutcome::Ok, _) => return Self::In,
            Asked::Answered(PasswordOutcome::Invalid, _) => Refused::Invalid,
            Asked::Answered(PasswordOutcome::Disabled, _) => Refused::Disabled,
            Asked::Answered(PasswordOutcome::Locked, _) => Refused::Locked,
            Asked::Answered(PasswordOutcome::Expired, _) => Refused::Expired,
            Asked::Answered(PasswordOutcome::MustChange, _) => Refused::MustChange,
            Asked::NotBegun(_) | Asked::NoVerdict(_) => Refused::Unreachable,
        })
    }
}

/// Why nobody comes in: what says most about the password, then what may be otherwise in a moment, then what the control plane
/// knows by itself.
pub(super) fn refusal(findings: &[Finding]) -> Refused {
    let weight = |refused: &Refused| match refused {
        Refused::MustChange => 0,
        Refused::Expired => 1,
        Refused::Locked => 2,
        Refused::Throttled { .. } => 3,
        Refused::Unreachable => 4,
        // Somebody else of the name may have another password; blocked here says nothing of it.
        Refused::Invalid => 5,
        Refused::Disabled => 6,
        Refused::Deleted => 7,
    };
    let refused = findings.iter().filter_map(|finding| match finding {
        Finding::In => None,
        Finding::Refused(refused) => Some(*refused),
    });
    refused.min_by_key(weight).unwrap_or(Refused::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_most_about_the_password_is_told() {
        let told = |findings: &[Refused]| {
            refusal(&findings.iter().copied().map(Finding::Refused).collect::<Vec<_>>())
        };
        assert_eq!(told(&[]), Refused::Invalid);
        assert_eq!(told(&[Refused::Deleted]), Refused::Deleted);
        assert_eq!(told(&[Refused::Disabled, Refused::Invalid]), Refused::Invalid);
        assert_eq!(told(&[Refused::Invalid, Refused::Unreachable]), Refused::Unreachable);
        assert_eq!(told(&[Refused::Invalid, Refused::MustChange, Refused::Locked]), Refused::MustChange);
    }
}
