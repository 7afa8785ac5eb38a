//! Which of a policy's rules let people in when what they look at goes out of sight.

use crate::{filter::Filter, policy::Policy};
use std::collections::BTreeMap;

/// What is there of every entry that is seen at all; where it is hidden the entry is a conflict of its own (`class-hidden`).
const ALWAYS_SHOWN: &str = "objectclass";

/// The rules of a policy that leave people out for something they show, and that leave out still whom they did before, by what they
/// were called: what they are called now. `""` are the include filters.
///
/// Whom such a rule leaves out no more either changed, or does not show any longer what the rule looks at. A rule that was
/// narrowed or dropped lets in whom its author meant; one that was renamed, spelled otherwise, changed in the case of its values, or
/// made to leave out more, was not meant to let anybody in. And one that leaves people out because something is missing lets nobody in when
/// more is hidden.
pub fn watched(before: &Policy, now: &Policy) -> BTreeMap<String, String> {
    let excluding = before.exclude.iter().filter(|then| looks_for(&then.filter, true)).filter_map(|then| {
        let mut stay = now.exclude.iter().filter(|rule| leaves_out_still(&then.filter, &rule.filter));
        let first = stay.next()?;
        let namesake = [first].into_iter().chain(stay).find(|rule| rule.name == then.name);
        Some((then.name.clone(), namesake.unwrap_or(first).name.clone()))
    });
    let is_covered =
        |filter: &Filter| before.include.iter().any(|then| then.conditions().is_subset(&filter.conditions()));
    let including = !now.include.is_empty()
        && now.include.iter().all(is_covered)
        && before.include.iter().any(|filter| looks_for(filter, false));
    excluding.chain(including.then(Default::default)).collect()
}

/// Whether a rule leaves out whom it did before: it is the same, or more is left out besides.
fn leaves_out_still(before: &Filter, now: &Filter) -> bool {
    before.alternatives().is_subset(&now.alternatives())
}

/// Whether some part of the filter wants a value to be there (`there`), or not to be.
fn looks_for(filter: &Filter, there: bool) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(|filter| looks_for(filter, there)),
        Filter::Not(filter) => looks_for(filter, !there),
        item => there && item.attributes().iter().any(|attribute| attribute != ALWAYS_SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(include: &[&str], exclude: &[(&str, &str)]) -> Policy {
        let exclude: Vec<_> =
            exclude.iter().map(|(name, filter)| json!({ "name": name, "filter": filter })).collect();
        serde_json::from_value(json!({ "include": include, "exclude": exclude })).expect("a policy")
    }

    /// The rules that are watched, by what they are called now.
    fn still(before: &Policy, now: &Policy) -> Vec<String> {
        watched(before, now).into_values().collect()
    }

    #[test]
    fn rules_that_look_for_something_let_people_in_when_it_is_hidden() {
        let stays = |include: &[&str], exclude: &[(&str, &str)]| {
            let policy = policy(include, exclude);
            still(&policy, &policy)
        };
        assert_eq!(stays(&[], &[("a", "(employeeType=contractor)")]), ["a"]);
        assert_eq!(
            stays(&[], &[("a", "(!(mail=*))")]),
            [""; 0],
            "who has no address comes in when there is one"
        );
        assert_eq!(stays(&[], &[("a", "(&(objectClass=person)(!(mail=*)))")]), [""; 0]);
        assert_eq!(stays(&["(title=staff)"], &[]), [""; 0], "whose title is hidden is left out");
        assert_eq!(stays(&["(!(employeeType=contractor))", "(title=staff)"], &[]), [""]);
        assert_eq!(stays(&[], &[("a", "(!(!(employeeType=contractor)))")]), ["a"]);
    }

    #[test]
    fn a_rule_of_which_only_the_case_was_changed_let_everybody_in() {
        let rules = |include: &str, exclude: &str| policy(&[include, "(mail=*)"], &[("a", exclude)]);
        let before = rules("(!(employeeType=Contractor))", "(|(ou=a)(cn=Ext*))");
        let now = policy(&["(MAIL=*)", "(!(EmployeeType=contractor))"], &[("a", "(|(cn=ext*)(OU=A))")]);
        assert_eq!(still(&before, &now), ["", "a"]);
        let others = rules("(!(employeeType=Contractors))", "(|(ou=a)(cn=Exts*))");
        assert!(watched(&before, &others).is_empty());
    }

    #[test]
    fn a_rule_that_was_changed_lets_in_whom_its_author_meant() {
        let before = policy(&["(!(ou=a))"], &[("a", "(ou=a)"), ("b", "(ou=b)")]);
        let now = policy(&["(!(ou=c))"], &[("a", "(ou=a)"), ("b", "(ou=c)"), ("c", "(ou=d)")]);
        assert_eq!(still(&before, &now), ["a"]);
        assert!(watched(&before, &Policy::default()).is_empty());
    }

    #[test]
    fn a_rule_that_was_renamed_or_widened_let_everybody_in() {
        let before = policy(&[], &[("robots", "(kind=robot)"), ("guests", "(|(ou=a)(ou=b))")]);
        let renamed = policy(&[], &[("machines", "(Kind=Robot)"), ("robots", "(|(ou=c)(ou=B)(ou=a))")]);
        let names = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(then, now)| ((*then).to_owned(), (*now).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(watched(&before, &renamed), names(&[("robots", "machines"), ("guests", "robots")]));
        let both = policy(&[], &[("all", "(|(kind=robot)(ou=a)(ou=b))"), ("robots", "(kind=robot)")]);
        assert_eq!(watched(&before, &both), names(&[("robots", "robots"), ("guests", "all")]));
        let narrowed = policy(&[], &[("robots", "(&(kind=robot)(ou=a))"), ("guests", "(ou=a)")]);
        assert_eq!(watched(&before, &narrowed), names(&[]));
    }

    #[test]
    fn include_filters_that_were_narrowed_let_everybody_in() {
        let before = policy(&["(!(kind=robot))", "(ou=a)"], &[]);
        let narrowed = policy(&["(&(!(Kind=Robot))(!(uid=p34)))"], &[]);
        assert_eq!(still(&before, &narrowed), [""]);
        assert_eq!(still(&before, &policy(&["(!(kind=robot))", "(ou=b)"], &[])), [""; 0], "it finds others");
        assert_eq!(still(&before, &policy(&[], &[])), [""; 0], "everybody is meant");
    }
}
