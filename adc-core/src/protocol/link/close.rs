//! Why a link is closed, in the close frame's number (RFC 6455 section 7.4.2: 4000 to 4999 are ours).

/// What the close frame says. The numbers recall HTTP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The hello did not come, came twice, or is none.
    BadHello,
    /// The agent will not be served; the message before says why. Coming back is no use.
    Refused,
    /// The agent is not served as things stand, and may be later; the message before says why.
    NotNow,
    /// Nothing was heard until the deadline.
    Silent,
    /// The same agent has made a newer link.
    Replaced,
    /// What is sent to the agent is not taken up.
    TooSlow,
    /// The control plane goes down; the message before says when to come back.
    Draining,
}

impl CloseCode {
    /// All codes.
    pub const ALL: [Self; 7] = [
        Self::BadHello,
        Self::Refused,
        Self::NotNow,
        Self::Silent,
        Self::Replaced,
        Self::TooSlow,
        Self::Draining,
    ];

    /// The number in the frame.
    pub fn number(self) -> u16 {
        match self {
            Self::BadHello => 4400,
            Self::Refused => 4403,
            Self::NotNow => 4423,
            Self::Silent => 4408,
            Self::Replaced => 4409,
            Self::TooSlow => 4429,
            Self::Draining => 4503,
        }
    }

    /// The code of a number; `None` for what is not ours.
    pub fn of(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_number_of_its_own() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::of(code.number()), Some(code));
            assert!((4000..5000).contains(&code.number()));
        }
        assert_eq!(CloseCode::of(1000), None);
    }
}
