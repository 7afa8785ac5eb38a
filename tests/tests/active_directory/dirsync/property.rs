//! Delta equals full (invariant 7) on a real domain controller.

use adc_tests::{Samba, Scene};
use proptest::prelude::*;

use super::super::domain::{ENABLED, SECURITY, group, person, unit};
use super::Rights;
use crate::deltas::history::{Stage, group_places, in_sight, org_units, play, steps};

/// Samba takes its time; each case is a domain of its own.
const CASES: u32 = 8;

struct Domain(Scene<Samba>);

impl Stage for Domain {
    type Directory = Samba;
    /// The bind account is given rights, or they are taken from it.
    type Own = Rights;
    const PEOPLE: usize = 4;
    const LISTS_FOLLOW_UNITS: bool = true;

    fn scene(&self) -> &Scene<Samba> {
        &self.0
    }

    fn change(&self, ldif: &str) {
        self.0.directory.modify(ldif);
    }

    fn join(&self, dn: &str, account: &str) {
        let place = dn.trim_end_matches(Samba::DOMAIN_DN).trim_end_matches(',');
        self.0.directory.add(&[person(place, account)]);
    }

    fn identity(&self, _: &str, account: &str) -> String {
        self.0.directory.guid(&format!("(sAMAccountName={account})"))
    }

    fn restore(&self, dn: &str, _: &str, identity: &str) {
        self.0.directory.restore(identity, dn);
        self.0.directory.set(dn, "userAccountControl", [ENABLED]);
    }

    fn happen(&mut self, rights: &Rights, _: &[Option<String>]) {
        give(&self.0.directory, *rights);
    }
}

fn rights() -> impl Strategy<Value = Rights> {
    any::<(bool, bool)>().prop_map(|(replicate, see_deleted)| Rights { replicate, see_deleted })
}

fn give(samba: &Samba, rights: Rights) {
    samba.let_replicate(rights.replicate);
    samba.let_see_deleted(rights.see_deleted);
}

fn imported(rights: Rights) -> Domain {
    let samba = Samba::start();
    samba.add(&org_units().iter().map(|place| unit(place)).collect::<Vec<_>>());
    samba.add(&group_places().iter().map(|place| group(place, SECURITY, [])).collect::<Vec<_>>());
    give(&samba, rights);
    let people = in_sight("(objectCategory=person)(objectClass=user)");
    let scene = Scene::of_domain(samba).agent(|agent| agent.sync_yaml("filter", &people));
    scene.imp();
    Domain(scene)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 8, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn delta_equals_full(rights in rights(), steps in steps::<Domain>(rights(), 20)) {
        play(imported(rights), &steps);
    }
}
