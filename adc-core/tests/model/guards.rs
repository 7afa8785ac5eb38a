//! Guards over whole histories.

use crate::{
    cases,
    history::{Acts, any_settings, history, play},
    plan::PlannedPerson,
};
use adc_core::{guard::REMOVAL_WINDOW_MS, policy::Guards};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_held_plan_changes_nothing(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            account.guards = Some(Guards { max_removals: 0, max_removals_percent: 0, max_blanked_percent: 0 });
            let before = account.clone();
            let plan = account.run(directory, settings, now);
            let removes = plan.people.values().any(PlannedPerson::removes);
            assert!(!removes || !plan.held.is_empty(), "somebody would be removed");
            if !plan.held.is_empty() {
                assert_eq!(*account, before);
                account.apply(&plan);
            }
        });
    }

    /// Many small runs remove no more than one big one might.
    #[test]
    fn unapproved_removals_of_any_24_hours_stay_within_the_guard(
        steps in history(any_settings(), Acts::All),
        hours in proptest::collection::vec(0..30_i64, 6),
    ) {
        let mut waited = hours.iter().scan(0, |sum, hours| {
            *sum += hours * REMOVAL_WINDOW_MS / 24;
            Some(*sum)
        });
        play(&steps, |account, directory, settings, now| {
            account.guards = Some(Guards { max_removals: 2, max_removals_percent: 0, max_blanked_percent: 100 });
            account.run(directory, settings, now + waited.next().expect("one per step"));
            for (at, _) in &account.removals {
                let day = account.removals.iter().filter(|(other, _)| (*at..at + REMOVAL_WINDOW_MS).contains(other));
                assert!(day.map(|(_, count)| count).sum::<u64>() <= 2);
            }
        });
    }
}
