//! The domain of these tests: a company with the oddities of a real Active Directory.

use adc_tests::{Entry, Samba, Scene};

/// `ADS_UF_NORMAL_ACCOUNT | ADS_UF_PASSWD_NOTREQD`: enabled, though no password was set.
pub(super) const ENABLED: &str = "544";
/// The same with `ADS_UF_ACCOUNTDISABLE`.
pub(super) const DISABLED: &str = "546";
/// `groupType` of a global group that grants rights.
pub(super) const SECURITY: &str = "-2147483646";
/// `groupType` of a global group that receives mail.
pub(super) const DISTRIBUTION: &str = "2";

/// The DN of something below the domain.
pub(super) fn below(place: &str) -> String {
    format!("{place},{}", Samba::DOMAIN_DN)
}

/// An org unit at a place such as `OU=Sales,OU=People`.
pub(super) fn unit(place: &str) -> Entry {
    Entry::new(&below(place)).with("objectClass", "organizationalUnit")
}

/// An enabled person at a place such as `CN=Jane,OU=People`, who signs in as this account.
pub(super) fn person(place: &str, account: &str) -> Entry {
    Entry::new(&below(place))
        .with("objectClass", "user")
        .with("sAMAccountName", account)
        .with("userPrincipalName", format!("{account}@lg.local"))
        .with("userAccountControl", ENABLED)
}

/// A group at a place such as `CN=Sales,OU=Groups`, with members by their places.
pub(super) fn group<const N: usize>(place: &str, kind: &str, members: [&str; N]) -> Entry {
    let group = Entry::new(&below(place)).with("objectClass", "group").with("groupType", kind);
    members.into_iter().fold(group, |group, member| group.with("member", below(member)))
}

/// A domain with these entries, and an agent that is yet to import it.
pub(super) fn serving<const N: usize>(entries: [Entry; N]) -> Scene<Samba> {
    let samba = Samba::start();
    samba.add(&entries);
    Scene::of_domain(samba)
}
