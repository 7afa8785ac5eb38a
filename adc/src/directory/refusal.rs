//! Why a directory refuses an account, where only the message says so: Active Directory's result code of a refused bind is always 49,
//! and OpenLDAP lets in whoever must change the password first, and then refuses everything else as if a right were missing.

use crate::config::SettingNames;

/// What stands before the reason in the diagnostic message (`80090308: LdapErr: DSID-0C0903A9, comment:
/// AcceptSecurityContext error, data 52e, v1db1`).
const BEFORE_THE_REASON: &str = "data ";

/// What a refused bind's diagnostic message says, as a clause with what to do; `None` where it says nothing known.
pub(super) fn in_words(diagnostic: &str, names: &SettingNames) -> Option<String> {
    let SettingNames { account, place, .. } = names;
    // Windows' own error codes as hexadecimal digits (MS-ERREF 2.2).
    Some(match reason(diagnostic)?.as_str() {
        "525" => format!(
            "there is no such account; check {account}: a DN, a user principal name or DOMAIN\\name"
        ),
        "52e" => {
            format!("the password is wrong, or there is no such account; check {account} and its password")
        }
        "530" => "the account may not sign in at this time of day; ask who runs the directory to lift its logon hours".to_owned(),
        "531" => "the account may not sign in from this machine; ask who runs the directory to lift its logon workstations".to_owned(),
        "532" => format!(
            "the account's password has expired; set a new one that does not expire, and give it in {place}"
        ),
        "533" => "the account is disabled; ask who runs the directory to enable it".to_owned(),
        "701" => "the account has expired; ask who runs the directory to extend it".to_owned(),
        "773" => format!(
            "the account's password must be changed before it may sign in; set one that need not be, and give it in {place}"
        ),
        "775" => format!(
            "the account is locked out after wrong passwords; correct the password in {place}, then have the account unlocked"
        ),
        _ => return None,
    })
}

/// What OpenLDAP says to everything that is asked by an account whose password was reset (slapo-ppolicy(5), `pwdReset`).
const UNTIL_CHANGED: &str = "operations are restricted to bind/unbind/abandon/starttls/modify password";

/// Whether a refused request's diagnostic message says that the account must change its password first.
pub(super) fn is_until_changed(diagnostic: &str) -> bool {
    diagnostic.to_ascii_lowercase().starts_with(UNTIL_CHANGED)
}

/// The reason's number in a refused bind's diagnostic message, in lower-case hexadecimal digits.
pub(super) fn reason(diagnostic: &str) -> Option<String> {
    let lower = diagnostic.to_ascii_lowercase();
    let at = lower.rfind(BEFORE_THE_REASON)? + BEFORE_THE_REASON.len();
    Some(lower[at..].chars().take_while(char::is_ascii_hexdigit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Reach;

    fn names() -> &'static SettingNames {
        SettingNames::of(&Reach::default())
    }

    #[test]
    fn a_reason_is_found_in_the_servers_own_words() {
        for (code, word) in [
            ("525", "no such account"),
            ("52e", "password is wrong"),
            ("530", "time of day"),
            ("531", "from this machine"),
            ("532", "password has expired"),
            ("533", "disabled"),
            ("701", "account has expired"),
            ("773", "must be changed"),
            ("775", "locked out"),
        ] {
            let said = format!(
                "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {code}, v1db1\0"
            );
            assert!(in_words(&said, names()).is_some_and(|words| words.contains(word)), "{said}");
        }
        assert!(in_words("DATA 52E", names()).is_some());
        for nothing in ["", "data", "data 52", "data 52e1, v1db1", "invalid data", "Größe data 7"] {
            assert_eq!(in_words(nothing, names()), None, "{nothing}");
        }
    }
}
