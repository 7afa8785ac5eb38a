//! Which agent of a synchronization is asked, or told to run: a decision without IO.

/// An agent that is connected, as far as the choice depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "six questions that are answered apart")]
pub(super) struct Candidate {
    /// It fell silent in the run that is to be taken over, or did not take this one.
    pub(super) unfit: bool,
    /// It has missed a ping, and may be gone.
    pub(super) silent: bool,
    /// It could not work with its directory a moment ago.
    pub(super) cut_off: bool,
    /// It runs, or was told to.
    pub(super) busy: bool,
    /// It is the one that follows changes.
    pub(super) follows: bool,
    /// It cannot follow changes: its directory offers no feed, or was not reached.
    pub(super) has_no_feed: bool,
}

/// The agent to take among those that are connected, in the order in which they came: rather one that is fit, rather one
/// that is heard of, rather one whose directory answers, rather an idle one, rather the one that works already, rather one with a feed, and of equals who came
/// first.
pub(super) fn choose(candidates: &[Candidate]) -> Option<usize> {
    let reluctance = |candidate: &Candidate| {
        let Candidate { unfit, silent, cut_off, busy, follows, has_no_feed } = *candidate;
        (unfit, silent, cut_off, busy, !follows, has_no_feed)
    };
    (0..candidates.len()).min_by_key(|index| (reluctance(&candidates[*index]), *index))
}

/// The agent to follow changes: the one that does goes on while its directory answers, or nobody's does; else as for a run.
pub(super) fn choose_follower(candidates: &[Candidate]) -> Option<usize> {
    let all_are_cut_off = candidates.iter().all(|candidate| candidate.cut_off);
    let goes_on = |candidate: &Candidate| candidate.follows && (all_are_cut_off || !candidate.cut_off);
    candidates.iter().position(goes_on).or_else(|| choose(candidates))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Candidate = Candidate {
        unfit: false,
        silent: false,
        cut_off: false,
        busy: false,
        follows: false,
        has_no_feed: false,
    };
    const BUSY: Candidate = Candidate { busy: true, ..IDLE };
    const FOLLOWING: Candidate = Candidate { follows: true, ..IDLE };

    #[test]
    fn nobody_is_chosen_among_nobody() {
        assert_eq!(choose(&[]), None);
        assert_eq!(choose_follower(&[]), None);
    }

    #[test]
    fn an_idle_agent_goes_before_a_busy_one_and_of_equals_the_first() {
        assert_eq!(choose(&[BUSY, IDLE, IDLE]), Some(1));
        assert_eq!(choose(&[BUSY, BUSY]), Some(0));
    }

    #[test]
    fn the_one_that_works_already_is_told() {
        assert_eq!(choose(&[IDLE, FOLLOWING]), Some(1));
        assert_eq!(choose(&[IDLE, Candidate { busy: true, ..FOLLOWING }]), Some(0));
    }

    #[test]
    fn whoever_is_unfit_comes_last_but_is_better_than_nobody() {
        let unfit = Candidate { unfit: true, ..FOLLOWING };
        assert_eq!(choose(&[unfit, BUSY]), Some(1));
        assert_eq!(choose(&[Candidate { silent: true, ..FOLLOWING }, BUSY]), Some(1));
        assert_eq!(choose(&[unfit]), Some(0));
    }

    #[test]
    fn whoever_is_cut_off_from_its_directory_goes_behind_one_that_is_busy_and_follows_no_more() {
        let cut_off = Candidate { cut_off: true, ..FOLLOWING };
        assert_eq!(choose(&[cut_off, BUSY]), Some(1));
        assert_eq!(choose_follower(&[cut_off, IDLE]), Some(1));
        assert_eq!(choose_follower(&[Candidate { follows: false, ..cut_off }, cut_off]), Some(1), "all are");
        assert_eq!(choose_follower(&[cut_off]), Some(0));
    }

    #[test]
    fn two_whose_directory_could_not_be_read_threw_the_role_to_each_other_as_soon_as_one_was_busy_with_it() {
        let cut_off = Candidate { cut_off: true, ..IDLE };
        let at_work = Candidate { follows: true, busy: true, ..cut_off };
        assert_eq!(choose_follower(&[cut_off, at_work]), Some(1));
        assert_eq!(choose_follower(&[IDLE, at_work]), Some(0), "one of them can");
    }

    #[test]
    fn whoever_follows_goes_on_following() {
        assert_eq!(choose_follower(&[IDLE, Candidate { busy: true, ..FOLLOWING }]), Some(1));
        assert_eq!(choose_follower(&[Candidate { has_no_feed: true, ..IDLE }, IDLE]), Some(1));
    }
}
