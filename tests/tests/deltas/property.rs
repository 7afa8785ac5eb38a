//! Delta equals full (invariant 7) on a real slapd.

use adc_tests::{Company, Entry, Person, Scene, Slapd, SlapdBuilder};
use proptest::prelude::*;

use super::history::{Stage, group_places, in_sight, org_units, play, steps};

const CASES: u32 = 8;
/// A bind account that may not see by which number a change goes has only times to go by.
const WITHOUT_NUMBERS: &str = "to attrs=entryCSN by * none";
/// What Active Directory says of an account, where OpenLDAP has nothing of its own: whether it is locked and when it ends.
const ACCOUNTS: [&str; 4] = [
    "attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch \
     SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
    "attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY integerMatch \
     SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
    "attributetype ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch \
     SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
    "objectclass ( 1.2.840.113556.1.5.9999 NAME 'windowsAccount' AUXILIARY \
     MAY ( userAccountControl $ accountExpires $ userPrincipalName ) )",
];
/// What everybody is.
const CLASSES: [&str; 2] = ["inetOrgPerson", "windowsAccount"];

struct OpenLdap(Scene);

#[derive(Debug, Clone)]
enum Own {
    /// It is killed, and started again.
    Crash,
    /// Somebody takes the user name of somebody who may be there.
    TakeName { who: usize, whose: usize },
}

impl Stage for OpenLdap {
    type Directory = Slapd;
    type Own = Own;
    const PEOPLE: usize = 6;
    /// Referential integrity looks at the renamed entry alone: who lies beneath it is listed by an old name.
    const LISTS_FOLLOW_UNITS: bool = false;

    fn scene(&self) -> &Scene {
        &self.0
    }

    fn change(&self, ldif: &str) {
        self.0.directory.modify(ldif);
    }

    fn join(&self, dn: &str, account: &str) {
        self.0.directory.add(&person(dn, account));
    }

    fn identity(&self, _: &str, account: &str) -> String {
        let found = self.0.directory.search(&format!("(sn={account})"), &["entryUUID"]);
        let identity = found.lines().find_map(|line| line.strip_prefix("entryUUID: "));
        identity.unwrap_or_else(|| panic!("{account} is not there: {found}")).to_owned()
    }

    fn restore(&self, dn: &str, account: &str, identity: &str) {
        self.0.directory.restore(&person(dn, account), identity);
    }

    fn happen(&mut self, own: &Own, people: &[Option<String>]) {
        match *own {
            Own::Crash => self.0.directory.crash(),
            Own::TakeName { who, whose } => {
                if let Some(dn) = &people[who] {
                    self.0.directory.set(dn, "userPrincipalName", [&name(&format!("p{whose}"))]);
                }
            }
        }
    }
}

fn own() -> impl Strategy<Value = Own> {
    let names = (0..OpenLdap::PEOPLE, 0..OpenLdap::PEOPLE);
    prop_oneof![Just(Own::Crash), names.prop_map(|(who, whose)| Own::TakeName { who, whose })]
}

fn name(account: &str) -> String {
    format!("{account}@lg.local")
}

/// Somebody whose family name never changes.
fn person(dn: &str, account: &str) -> Entry {
    let (rdn, _) = dn.split_once(',').expect("somewhere");
    Entry::new(dn)
        .with("objectClass", CLASSES[0])
        .with("objectClass", CLASSES[1])
        .with("cn", rdn.trim_start_matches("CN="))
        .with("sn", account)
        .with("displayName", format!("Person {account}"))
        .with("userPrincipalName", name(account))
        .with("userAccountControl", "512")
}

fn company() -> Company {
    let company = org_units().iter().fold(Company::new("dc=lg,dc=local"), |company, place| {
        let path: Vec<&str> = place.split(',').rev().map(|rdn| rdn.trim_start_matches("OU=")).collect();
        company.ou(&path.join("/"))
    });
    // Somebody else is always there: neither a group nor a read must become empty.
    let jane = CLASSES
        .into_iter()
        .fold(Person::new("jane").without("objectClass"), |jane, class| jane.with("objectClass", class))
        .with("userPrincipalName", name("jane"))
        .with("userAccountControl", "512");
    let company = company.ou("People").person(jane).ou("Groups");
    group_places().iter().fold(company, |company, place| {
        let (rdn, _) = place.split_once(',').expect("somewhere");
        company.group(rdn.trim_start_matches("CN="), ["jane"])
    })
}

fn imported(slapd: SlapdBuilder, numbered: bool) -> OpenLdap {
    let slapd = ACCOUNTS.into_iter().fold(slapd, SlapdBuilder::schema);
    let mut slapd = slapd.overlay("refint", ["refint_attributes member manager"]).start();
    if !numbered {
        slapd.restart_with_access(WITHOUT_NUMBERS);
    }
    let scene = Scene::between(company(), slapd).agent(|agent| {
        agent
            .ldap("preset", "active-directory")
            .ldap("id_attribute", "entryUUID")
            .sync_yaml("filter", &in_sight("(objectClass=windowsAccount)"))
            .sync_yaml("groups", "{filter: (objectClass=groupOfNames)}")
            .sync_yaml("org_units", "{filter: (objectClass=organizationalUnit)}")
    });
    scene.imp();
    OpenLdap(scene)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 16, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn delta_equals_full(
        log in proptest::option::of(Just(100)), steps in steps::<OpenLdap>(own(), 30),
    ) {
        play(imported(Slapd::builder(&company()).syncprov(log), true), &steps);
    }

    #[test]
    fn delta_equals_full_where_times_are_compared(
        numbered in any::<bool>(), steps in steps::<OpenLdap>(own(), 30),
    ) {
        play(imported(Slapd::builder(&company()), numbered), &steps);
    }
}
