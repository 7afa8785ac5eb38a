//! What somebody who signs in is told, out of what was found out about each of those who may be meant.

use super::{Refused, ask::Asked};
use adc_core::protocol::link::PasswordOutcome;

/// The machine of the agent that found the password right, as far as its answer says so.
///
/// # Errors
/// Why nobody comes in by it.
pub(super) fn verdict(asked: &Asked) -> Result<&str, Refused> {
    Err(match asked {
        Asked::Answered(PasswordOutcome::Ok, host) => return Ok(host),
        Asked::Answered(PasswordOutcome::Invalid, _) => Refused::Invalid,
        Asked::Answered(PasswordOutcome::Disabled, _) => Refused::Disabled,
        Asked::Answered(PasswordOutcome::Locked, _) => Refused::Locked,
        Asked::Answered(PasswordOutcome::Expired, _) => Refused::Expired,
        Asked::Answered(PasswordOutcome::MustChange, _) => Refused::MustChange,
        Asked::NotBegun(_) => Refused::Unreachable,
        Asked::NoVerdict(_) => Refused::NoVerdict,
    })
}

/// Why nobody comes in: what says most about the password, then what may be otherwise in a moment, then what the control plane
/// knows by itself. A directory that says no has said something: another account's, which is out of reach, does not make it a maybe.
pub(super) fn refusal(refused: &[Refused]) -> Refused {
    let weight = |refused: &Refused| match refused {
        Refused::MustChange => 0,
        Refused::Expired => 1,
        Refused::Locked => 2,
        Refused::Throttled { .. } => 3,
        Refused::Invalid => 4,
        Refused::Unreachable | Refused::NoVerdict => 5,
        // Somebody else of the name may have another password; blocked here says nothing of it.
        Refused::Nobody => 6,
        Refused::Disabled => 7,
        Refused::Deleted => 8,
    };
    refused.iter().copied().min_by_key(weight).unwrap_or(Refused::Nobody)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_most_about_the_password_is_told() {
        assert_eq!(refusal(&[]), Refused::Nobody);
        assert_eq!(refusal(&[Refused::Deleted]), Refused::Deleted);
        assert_eq!(refusal(&[Refused::Disabled, Refused::Invalid]), Refused::Invalid);
        assert_eq!(refusal(&[Refused::Unreachable, Refused::NoVerdict, Refused::Invalid]), Refused::Invalid);
        assert_eq!(refusal(&[Refused::Nobody, Refused::Unreachable]), Refused::Unreachable, "nobody said no");
        assert_eq!(refusal(&[Refused::Invalid, Refused::MustChange, Refused::Locked]), Refused::MustChange);
    }
}
