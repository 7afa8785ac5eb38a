//! People who are marked as inactive, go out of sight and come back without the mark: chance brings that about too seldom.

use super::directory::{Change, NAMES, Person};
use super::play::Play;
use super::script::{Edit, Manner, SWITCHES, Script, Step};
use super::stage::Stage;

/// Two of five people.
const WHO: [usize; 2] = [3, 4];

#[test]
fn whoever_comes_back_without_the_mark_is_held_back_whatever_became_of_them() {
    let mut stage = Stage::new();
    for (while_away, when_back) in [
        (None, None),
        (Some("delete-disables"), None),
        (Some("no-delete"), None),
        (None, Some("no-create")),
        (Some("delete-disables"), Some("no-update")),
    ] {
        let run = || Step::Run(Manner::calm());
        let come = |active| {
            WHO.map(|who| {
                let person = Person { active, ..Person::called(NAMES[who]) };
                Step::Directory(Change::Joins(who, person))
            })
        };
        let mut steps = come(false).to_vec();
        steps.push(run());
        steps.extend(switched(while_away, true));
        steps.extend(WHO.map(|who| Step::Directory(Change::Leaves(who))));
        steps.push(run());
        steps.extend(switched(when_back, true));
        steps.extend(come(true));
        steps.push(run());
        steps.extend(switched(when_back, false));
        steps.push(run());
        // Once shown again nobody is, and hidden again all are.
        for active in [false, true] {
            steps.extend(come(active));
            steps.push(run());
        }
        Play::new(&mut stage).play(&Script(steps));
    }
}

fn switched(switch: Option<&str>, on: bool) -> Option<Step> {
    let which = SWITCHES.iter().position(|known| Some(*known) == switch)?;
    Some(Step::Admin(Edit::Switch(which, Some(on))))
}
