//! Delta equals full (invariant 7) on a real slapd: random histories, after each of whose runs a full read finds nothing more.

use adc_tests::{Company, Entry, Scene, Slapd};
use proptest::prelude::*;

use super::history::{Stage, play, steps};

const CASES: u32 = 12;
/// A bind account that may not see by which number a change goes has only times to go by.
const WITHOUT_NUMBERS: &str = "to attrs=entryCSN by * none";

struct OpenLdap(Scene);

/// It is killed, and started again.
#[derive(Debug, Clone)]
struct Crash;

impl Stage for OpenLdap {
    type Directory = Slapd;
    type Own = Crash;
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
        let (rdn, _) = dn.split_once(',').expect("somewhere");
        let entry = Entry::new(dn)
            .with("objectClass", "inetOrgPerson")
            .with("cn", rdn.trim_start_matches("CN="))
            .with("sn", "Person")
            .with("displayName", format!("Person {account}"))
            .with("mail", format!("{account}@lg.local"));
        self.0.directory.add(&entry);
    }

    fn happen(&mut self, Crash: &Crash, _: &[Option<String>]) {
        self.0.directory.crash();
    }
}

fn company() -> Company {
    // Somebody else is always there: a group must not become empty.
    Company::new("dc=lg,dc=local")
        .ou("People/Sales")
        .ou("People/Support")
        .ou("People")
        .person("jane")
        .ou("Groups")
        .group("Everybody", ["jane"])
}

fn imported(slapd: adc_tests::SlapdBuilder, numbered: bool) -> OpenLdap {
    let mut slapd = slapd.overlay("refint", ["refint_attributes member manager"]).start();
    if !numbered {
        slapd.restart_with_access(WITHOUT_NUMBERS);
    }
    let scene = Scene::between(company(), slapd);
    scene.imp();
    OpenLdap(scene)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn delta_equals_full(
        log in proptest::option::of(Just(100)), steps in steps::<OpenLdap>(Just(Crash), 25),
    ) {
        play(imported(Slapd::builder(&company()).syncprov(log), true), &steps);
    }

    #[test]
    fn delta_equals_full_where_times_are_compared(
        numbered in any::<bool>(), steps in steps::<OpenLdap>(Just(Crash), 25),
    ) {
        play(imported(Slapd::builder(&company()), numbered), &steps);
    }
}
