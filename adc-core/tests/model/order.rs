//! Neither the order in which entries are read nor the one in which lines are applied counts.

use crate::{
    cases,
    history::{Acts, any_settings, history, play},
};
use proptest::{prelude::*, sample::Index};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_order_of_entries_does_not_matter(
        steps in history(any_settings(), Acts::All),
        picks in proptest::collection::vec(any::<Index>(), 20),
    ) {
        play(&steps, |account, directory, settings, now| {
            let plan = account.plan(directory, settings, now);
            let records = shuffled(directory.records(), &picks);
            assert_eq!(account.plan_records(records, &directory.outside, settings, now, false), plan);
            account.apply(&plan);
        });
    }

    /// Names that change hands are cleared first; then no row ever meets another of its name, whichever comes first.
    #[test]
    fn lines_can_be_applied_in_any_order_and_names_stay_unique(
        steps in history(any_settings(), Acts::All),
        picks in proptest::collection::vec(any::<Index>(), 20),
    ) {
        play(&steps, |account, directory, settings, now| {
            let plan = account.plan(directory, settings, now);
            let mut other = account.clone();
            other.apply_in_order(&plan, shuffled(plan.people.keys().collect(), &picks).into_iter());
            account.apply(&plan);
            assert_eq!(*account, other);
            account.index();
        });
    }
}

fn shuffled<T>(mut items: Vec<T>, picks: &[Index]) -> Vec<T> {
    let mut shuffled = Vec::with_capacity(items.len());
    for pick in picks.iter().cycle() {
        if items.is_empty() {
            break;
        }
        shuffled.push(items.swap_remove(pick.index(items.len())));
    }
    shuffled
}
