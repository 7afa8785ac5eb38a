//! Under which filter somebody is looked for.

use adc_core::filter::{Filter, FilterError, escape_value};

use crate::config::AuthenticationConfig;

/// What stands for the name in a template.
const PLACEHOLDER: &str = "%s";

/// The filter that finds the entry of a name: the template of adc.yaml, with the name escaped as RFC 4515 section 3 wants it;
/// without one the attribute that adc.yaml names, else those that user names are read from.
pub(super) fn filter(
    config: &AuthenticationConfig,
    active_directory: bool,
    name: &str,
) -> Result<Filter, FilterError> {
    let equals = |attribute: &str| Filter::equality(attribute, name.as_bytes().to_vec());
    match (&config.username_filter_template, &config.username_attribute) {
        (Some(template), _) => template.replace(PLACEHOLDER, &escape_value(name.as_bytes())).parse(),
        (None, Some(attribute)) => Ok(equals(attribute)),
        (None, None) if active_directory => {
            Ok(Filter::Or(["userPrincipalName", "sAMAccountName"].map(equals).to_vec()))
        }
        (None, None) => Ok(Filter::Or(["mail", "uid"].map(equals).to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn config(template: Option<&str>, attribute: Option<&str>) -> AuthenticationConfig {
        AuthenticationConfig {
            username_attribute: attribute.map(str::to_owned),
            username_filter_template: template.map(str::to_owned),
            timeout: Duration::from_secs(5),
            allow_clear_text: false,
        }
    }

    const TEMPLATE: &str = "(&(objectClass=inetOrgPerson)(mail=%s))";

    #[test]
    fn a_name_that_is_a_filter_was_asked_as_one() {
        let filtered =
            |name: &str| filter(&config(Some(TEMPLATE), None), false, name).expect("a filter").to_string();
        insta::assert_snapshot!(
            ["*", "*)(uid=*", "jane)(|(cn=*", "jane\\2a", "ja\0ne", "%s", "zoë@lg.local"].map(filtered).join("\n"),
            @r"
        (&(objectClass=inetOrgPerson)(mail=\2a))
        (&(objectClass=inetOrgPerson)(mail=\2a\29\28uid=\2a))
        (&(objectClass=inetOrgPerson)(mail=jane\29\28|\28cn=\2a))
        (&(objectClass=inetOrgPerson)(mail=jane\5c2a))
        (&(objectClass=inetOrgPerson)(mail=ja\00ne))
        (&(objectClass=inetOrgPerson)(mail=%s))
        (&(objectClass=inetOrgPerson)(mail=zoë@lg.local))
        "
        );
        let long = "(".repeat(64 << 10);
        let Filter::And(parts) = filter(&config(Some(TEMPLATE), None), false, &long).expect("a filter")
        else {
            panic!("not what the template says");
        };
        assert_eq!(parts[1], Filter::equality("mail", long.into_bytes()));
    }

    #[test]
    fn without_a_template_the_attributes_of_user_names_are_asked() {
        let filtered = |attribute, active_directory| {
            filter(&config(None, attribute), active_directory, "j*").expect("a filter").to_string()
        };
        assert_eq!(filtered(Some("uid"), true), r"(uid=j\2a)");
        assert_eq!(filtered(None, true), r"(|(userPrincipalName=j\2a)(sAMAccountName=j\2a))");
        assert_eq!(filtered(None, false), r"(|(mail=j\2a)(uid=j\2a))");
    }
}
