//! Whether the directory lets a person in, and until when.

use super::{Flavor, value};
use crate::entry::Entry;

/// What an entry says of the account itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    /// Not locked for good, the date of expiry apart.
    pub(super) active: bool,
    /// Whether an attribute that would lock the account says so: [`Record::shown_active`](crate::record::Record::shown_active).
    pub(super) shown_active: bool,
    /// What tells whether the account is locked, where every account shows it and this one does not.
    pub(super) hidden: Option<&'static str>,
    /// When the account expires (milliseconds since 1970 UTC).
    pub(super) expires_at: Option<i64>,
}

/// Reads the attributes of [`Flavor::status_attributes`]. A lockout after wrong passwords is not inactivity.
pub(super) fn read(flavor: Flavor, entry: &Entry) -> Status {
    match flavor {
        Flavor::InetOrgPerson => {
            let active = !is_locked(entry);
            let says = |attribute: &&str| entry.texts(attribute).next().is_some();
            let shown_active = active && flavor.status_attributes().iter().any(says);
            Status { active, shown_active, hidden: None, expires_at: None }
        }
        Flavor::ActiveDirectory => {
            let bits: Vec<i64> = value::numbers(entry, USER_ACCOUNT_CONTROL).collect();
            Status {
                active: bits.iter().all(|bits| bits & ACCOUNT_DISABLED == 0),
                // Every account shows it, or is a conflict.
                shown_active: false,
                hidden: bits.is_empty().then_some(USER_ACCOUNT_CONTROL),
                expires_at: value::numbers(entry, "accountExpires").filter_map(expiry).min(),
            }
        }
    }
}

/// What every user of Active Directory has ([MS-ADTS] 2.2.16). Where no more than some of an entry may be read, it may be hidden.
const USER_ACCOUNT_CONTROL: &str = "userAccountControl";

/// `ACCOUNTDISABLE` of `userAccountControl`.
const ACCOUNT_DISABLED: i64 = 0x2;

/// `pwdAccountLockedTime` of an account that an administrator locked (draft-behera-ldap-password-policy, 5.3.3); any
/// other time is that of a lockout, which ends by itself. The second spelling is the same time with seconds.
const LOCKED_FOR_GOOD: [&str; 2] = ["000001010000Z", "00000101000000Z"];

fn is_locked(entry: &Entry) -> bool {
    let is_true = |attribute| entry.texts(attribute).any(|text| text.trim().eq_ignore_ascii_case("TRUE"));
    is_true("nsAccountLock")
        || is_true("loginDisabled")
        || entry.texts("pwdAccountLockedTime").any(|time| LOCKED_FOR_GOOD.contains(&time.trim()))
}

/// 1970-01-01 as a Windows FILETIME: units of 100 ns since 1601-01-01.
const UNIX_EPOCH: i64 = 116_444_736_000_000_000;
/// Units of 100 ns in a millisecond.
const PER_MILLISECOND: i64 = 10_000;

/// `accountExpires` as milliseconds since 1970 UTC; 0 and 0x7FFFFFFFFFFFFFFF mean never.
fn expiry(filetime: i64) -> Option<i64> {
    (filetime > 0 && filetime != i64::MAX).then(|| (filetime - UNIX_EPOCH).div_euclid(PER_MILLISECOND))
}
