//! Thirty groups: teams that nest as the units do, mailing lists of the sites, roles, and one cycle.

use super::add as add_entry;
use super::people::Person;
use super::units::{SITES, UNITS, dn_of};
use crate::directory::Directory;
use crate::entry::Attributes;
use crate::random::Random;

pub(super) fn add(directory: &mut Directory, staff: &[Person], random: &mut Random) {
    add_teams(directory, staff);
    add_mailing_lists(directory, staff);
    add_roles(directory, staff, random);
}

/// A team per department; the team of a unit above holds the teams below it.
fn add_teams(directory: &mut Directory, staff: &[Person]) {
    for unit in UNITS.iter().filter(|unit| unit.site().is_none()) {
        let people =
            staff.iter().filter(|person| person.unit.path == unit.path).map(|person| person.dn.clone());
        let below =
            UNITS.iter().filter(|other| other.path[1..] == *unit.path).map(|other| team_of(other.name()));
        let description = format!("Everybody of {}", unit.name());
        add_group(directory, &team_of(unit.name()), &description, people.chain(below));
    }
}

/// Who works where, and everybody: the list of all lists.
fn add_mailing_lists(directory: &mut Directory, staff: &[Person]) {
    for (site, _) in SITES {
        let people = staff.iter().filter(|person| person.site == *site).map(|person| person.dn.clone());
        add_group(directory, &mailing_list(site), &format!("Everybody in {site}"), people);
    }
    let lists = SITES.iter().map(|(site, _)| mailing_list(site));
    add_group(directory, &dn_of_group("all-staff", "Mailing Lists"), "The whole company", lists);
}

fn add_roles(directory: &mut Directory, staff: &[Person], random: &mut Random) {
    let role = |name: &str| dn_of_group(name, "Roles");
    let heads = || staff.iter().filter(|person| person.leads).map(|person| person.dn.clone());
    let mut some = |share: usize| -> Vec<String> {
        staff.iter().filter(|_| random.below(share) == 0).map(|person| person.dn.clone()).collect()
    };
    add_group(directory, &role("vpn-users"), "May work from outside", some(2));
    add_group(directory, &role("wiki-editors"), "May edit the wiki", some(6));
    add_group(directory, &role("administrators"), "May do anything", some(60));
    // Each of these two is a member of the other.
    let board = heads().take(1).chain([role("executives")]);
    add_group(directory, &role("board"), "The board, with the executives as guests", board);
    let executives = heads().chain([role("board")]);
    add_group(directory, &role("executives"), "Whoever leads a unit, and the board", executives);
    let on_call = Attributes::new()
        .with("objectClass", "top")
        .with("objectClass", "groupOfUniqueNames")
        .with("description", "Carries the pager");
    let on_call = some(30).iter().fold(on_call, |group, member| group.with("uniqueMember", member));
    add_entry(directory, &role("on-call"), on_call);
}

fn add_group(
    directory: &mut Directory,
    dn: &str,
    description: &str,
    members: impl IntoIterator<Item = String>,
) {
    let group = Attributes::new()
        .with("objectClass", "top")
        .with("objectClass", "groupOfNames")
        .with("description", description);
    let group = members.into_iter().fold(group, |group, member| group.with("member", member));
    add_entry(directory, dn, group);
}

fn team_of(unit: &str) -> String {
    dn_of_group(&format!("team-{}", unit.to_lowercase().replace(' ', "-")), "Teams")
}

fn mailing_list(site: &str) -> String {
    dn_of_group(&format!("site-{}", site.to_lowercase()), "Mailing Lists")
}

/// The DN of a group by its name and kind.
pub(super) fn dn_of_group(name: &str, kind: &str) -> String {
    format!("cn={name},{}", dn_of(&[kind, "Groups"]))
}
