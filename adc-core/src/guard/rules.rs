//! Which of a policy's rules let people in when what they look at goes out of sight.

use crate::{
    filter::Filter,
    policy::{ExcludeRule, Policy},
};
use std::collections::BTreeSet;

/// What is there of every entry that is seen at all; where it is hidden the entry is a conflict of its own (`class-hidden`).
const ALWAYS_SHOWN: &str = "objectclass";

/// The rules of a policy that are as they were, and that leave people out for something they show: the names of those of
/// `exclude`, and `""` for the include filters.
///
/// Whom such a rule leaves out no more either changed, or does not show any longer what the rule looks at. A rule that was
/// changed, not only in its spelling or in the case of its values, lets in whom its author meant, and one that leaves people out
/// because something is missing lets nobody in when more is hidden.
pub fn watched(before: &Policy, now: &Policy) -> BTreeSet<String> {
    let keys = |policy: &Policy| policy.include.iter().map(Filter::key).collect::<BTreeSet<_>>();
    let stays = |rule: &&ExcludeRule| {
        before.exclude.iter().any(|then| then.name == rule.name && then.filter.key() == rule.filter.key())
    };
    let excluding = now.exclude.iter().filter(stays).filter(|rule| looks_for(&rule.filter, true));
    let including = keys(now) == keys(before) && now.include.iter().any(|filter| looks_for(filter, false));
    excluding.map(|rule| rule.name.clone()).chain(including.then(String::new)).collect()
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

    #[test]
    fn rules_that_look_for_something_let_people_in_when_it_is_hidden() {
        let stays = |include: &[&str], exclude: &[(&str, &str)]| {
            let policy = policy(include, exclude);
            watched(&policy, &policy).into_iter().collect::<Vec<_>>()
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
        assert_eq!(watched(&before, &now).into_iter().collect::<Vec<_>>(), ["", "a"]);
        let others = rules("(!(employeeType=Contractors))", "(|(ou=a)(cn=Exts*))");
        assert!(watched(&before, &others).is_empty());
    }

    #[test]
    fn a_rule_that_was_changed_lets_in_whom_its_author_meant() {
        let before = policy(&["(!(ou=a))"], &[("a", "(ou=a)"), ("b", "(ou=b)")]);
        let now = policy(&["(!(ou=c))"], &[("a", "(ou=a)"), ("b", "(ou=c)"), ("c", "(ou=b)")]);
        assert_eq!(watched(&before, &now).into_iter().collect::<Vec<_>>(), ["a"]);
        assert!(watched(&before, &Policy::default()).is_empty());
    }
}
