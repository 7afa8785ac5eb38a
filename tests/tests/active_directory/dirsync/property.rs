//! Delta equals full (invariant 7) on a real domain controller: random histories, after each of whose runs a full read finds
//! nothing more.

use adc_tests::{Samba, Scene};
use proptest::prelude::*;

use super::super::domain::{DISABLED, ENABLED, SECURITY, group, person, unit};
use super::Rights;
use crate::deltas::history::{GROUP, Stage, org_units, play, steps};

/// Samba takes its time; each case is a domain of its own.
const CASES: u32 = 3;

struct Domain(Scene<Samba>);

#[derive(Debug, Clone)]
enum Own {
    /// Somebody's account is disabled, or enabled.
    Lock { who: usize, locked: bool },
    /// The bind account is given rights, or they are taken from it.
    Rights(Rights),
}

impl Stage for Domain {
    type Directory = Samba;
    type Own = Own;
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

    fn happen(&mut self, own: &Own, people: &[Option<String>]) {
        match *own {
            Own::Lock { who, locked } => {
                if let Some(dn) = &people[who] {
                    let control = if locked { DISABLED } else { ENABLED };
                    self.0.directory.set(dn, "userAccountControl", [control]);
                }
            }
            Own::Rights(rights) => give(&self.0.directory, rights),
        }
    }
}

fn rights() -> impl Strategy<Value = Rights> {
    any::<(bool, bool)>().prop_map(|(replicate, see_deleted)| Rights { replicate, see_deleted })
}

fn own() -> impl Strategy<Value = Own> {
    let lock = (0..Domain::PEOPLE, any::<bool>()).prop_map(|(who, locked)| Own::Lock { who, locked });
    prop_oneof![lock, rights().prop_map(Own::Rights)]
}

fn give(samba: &Samba, rights: Rights) {
    samba.let_replicate(rights.replicate);
    samba.let_see_deleted(rights.see_deleted);
}

fn imported(rights: Rights) -> Domain {
    let samba = Samba::start();
    samba.add(&org_units().iter().map(|place| unit(place)).collect::<Vec<_>>());
    samba.add(&[group(GROUP, SECURITY, [])]);
    give(&samba, rights);
    let scene = Scene::of_domain(samba);
    scene.imp();
    Domain(scene)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 8, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn delta_equals_full(rights in rights(), steps in steps::<Domain>(own(), 20)) {
        play(imported(rights), &steps);
    }
}
