//! A company in a domain, the same in every run; smaller than that of slapd, for a domain controller takes its time to add people.

use adc_tests::{Entry, Samba};

/// People share this many departments, each an org unit.
const DEPARTMENTS: usize = 20;

/// One group for this many people.
const PERSONS_PER_GROUP: usize = 100;

/// Entries added at once.
const BATCH: usize = 1_000;

/// `ADS_UF_NORMAL_ACCOUNT | ADS_UF_PASSWD_NOTREQD`: enabled, though no password was set.
const ENABLED: &str = "544";

/// `groupType` of a global group that grants rights.
const SECURITY: &str = "-2147483646";

/// How many people the domain has besides: the bind account is one of them.
pub(crate) const OTHERS: usize = 1;

/// The DN of a person by number, from 0.
pub(crate) fn person_dn(number: usize) -> String {
    format!("CN=user{number:06},OU=department {:02},OU=People,{}", number % DEPARTMENTS, Samba::DOMAIN_DN)
}

/// Adds everybody.
pub(crate) fn load(samba: &Samba, users: usize) {
    samba.let_replicate(true);
    samba.let_see_deleted(true);
    let units = ["OU=People", "OU=Groups"].map(str::to_owned);
    let departments = (0..DEPARTMENTS).map(|number| format!("OU=department {number:02},OU=People"));
    let units: Vec<Entry> = units.into_iter().chain(departments).map(|place| unit(&place)).collect();
    samba.add(&units);
    let people: Vec<Entry> = (0..users).map(person).collect();
    for batch in people.chunks(BATCH) {
        samba.add(batch);
    }
    let groups: Vec<Entry> = (0..users / PERSONS_PER_GROUP).map(|number| group(number, users)).collect();
    samba.add(&groups);
}

fn unit(place: &str) -> Entry {
    Entry::new(&format!("{place},{}", Samba::DOMAIN_DN)).with("objectClass", "organizationalUnit")
}

fn person(number: usize) -> Entry {
    let account = format!("user{number:06}");
    Entry::new(&person_dn(number))
        .with("objectClass", "user")
        .with("sAMAccountName", &account)
        .with("userPrincipalName", format!("{account}@lg.local"))
        .with("userAccountControl", ENABLED)
        .with("givenName", "Jane")
        .with("sn", format!("Meyer {number}"))
        .with("displayName", format!("Jane Meyer {number}"))
        .with("mail", format!("{account}@bench.example"))
        .with("employeeNumber", format!("{number}"))
        .with("title", "Engineer")
        .with("telephoneNumber", format!("+49 30 {number:07}"))
        .with("l", "Berlin")
}

fn group(number: usize, users: usize) -> Entry {
    let name = format!("group {number:05}");
    let group = Entry::new(&format!("CN={name},OU=Groups,{}", Samba::DOMAIN_DN))
        .with("objectClass", "group")
        .with("groupType", SECURITY)
        .with("sAMAccountName", &name);
    let members = (0..10 + number % 91).map(|member| person_dn((number * 37 + member) % users));
    members.fold(group, |group, member| group.with("member", member))
}
