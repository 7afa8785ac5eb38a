//! Three hundred people, each with a manager, a telephone and a number.

use std::collections::BTreeSet;

use super::names::Name;
use super::units::{SITES, UNITS, Unit};
use super::{PASSWORD, add as add_entry};
use crate::directory::Directory;
use crate::entry::Attributes;
use crate::random::Random;

/// Somebody of the company, as far as groups need to know.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) dn: String,
    pub(super) unit: &'static Unit,
    pub(super) site: &'static str,
    pub(super) leads: bool,
}

/// People whom the constants of the sample name, with their unit.
const KNOWN: &[(&str, Name)] = &[
    ("Platform", Name::new("Zoë", "Müller")),
    ("Applications", Name::new("Łukasz", "Wójcik")),
    ("Asia Pacific", Name::family_first("李", "娜")),
    ("Contractors", Name::new("Jane", "Doe")),
    ("Finance", Name::new("Deniz", "Ağaoğlu")),
    ("Marketing", Name::new("Sinéad", "O'Brien")),
    ("First Level", Name::new("Seán", "O'Brien")),
    ("Warsaw", Name::new("Jan", "Kowalski")),
];

/// Adds everybody, unit by unit, managers before the people they lead.
pub(super) fn add(directory: &mut Directory, random: &mut Random) -> Vec<Person> {
    let mut staff: Vec<Person> = Vec::new();
    let mut user_names = BTreeSet::new();
    for unit in UNITS {
        let mut known = KNOWN.iter().filter(|(name, _)| *name == unit.name()).map(|(_, name)| *name);
        for position in 0..unit.size {
            let leads = position == 0;
            // Whoever leads a unit is nobody in particular: the known people stay comparable when one is
            // removed.
            let name = if leads { None } else { known.next() }.unwrap_or_else(|| Name::random(random));
            let user_name = distinct(&name.user_name(), &mut user_names);
            let (site, prefix) = site_of(unit, random);
            let dn = dn_of(unit, &name, &user_name);
            let mut attributes = describe(&name, &user_name);
            employ(&mut attributes, unit, leads, staff.len() + 1, random);
            reach(&mut attributes, site, prefix, staff.len() + 1, random);
            if let Some(manager) = manager_of(unit, leads, &staff) {
                attributes.add("manager", manager);
            }
            add_entry(directory, &dn, attributes);
            directory.set_password(&dn, PASSWORD).expect("the person was just added");
            staff.push(Person { dn, unit, site, leads });
        }
    }
    staff
}

/// A user name that nobody has yet: `anna.bauer`, `anna.bauer2`, …
fn distinct(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{wanted}{number}"));
    let free = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.expect("numbers do not run out");
    taken.insert(free.clone());
    free
}

fn site_of(unit: &Unit, random: &mut Random) -> (&'static str, &'static str) {
    let home = SITES.iter().find(|(name, _)| unit.site() == Some(name));
    *home.unwrap_or_else(|| random.pick(SITES))
}

fn dn_of(unit: &Unit, name: &Name, user_name: &str) -> String {
    if unit.is_external() {
        let number = user_name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let twin = if number.is_empty() { String::new() } else { format!(" {number}") };
        format!(r"cn={}\, {}{twin},{}", name.family, name.given, unit.dn())
    } else {
        format!("uid={user_name},{}", unit.dn())
    }
}

fn describe(name: &Name, user_name: &str) -> Attributes {
    let class = ["top", "person", "organizationalPerson", "inetOrgPerson"];
    class
        .iter()
        .fold(Attributes::new(), |attributes, class| attributes.with("objectClass", class))
        .with("uid", user_name)
        .with("cn", name.full())
        .with("displayName", name.full())
        .with("givenName", name.given)
        .with("sn", name.family)
        .with("mail", format!("{user_name}@example.com"))
}

fn employ(attributes: &mut Attributes, unit: &Unit, leads: bool, number: usize, random: &mut Random) {
    let title = if leads { unit.head } else { random.pick(unit.titles) };
    attributes.add("title", title);
    attributes.add("ou", unit.name());
    attributes.add("departmentNumber", unit.number);
    attributes.add("employeeNumber", format!("E{number:05}"));
    attributes.add("employeeType", if unit.is_external() { "Contractor" } else { "Employee" });
}

fn reach(attributes: &mut Attributes, site: &str, prefix: &str, number: usize, random: &mut Random) {
    attributes.add("l", site);
    attributes.add("telephoneNumber", format!("{prefix} {number:04}"));
    if random.below(3) > 0 {
        attributes.add("mobile", format!("+49 151 5550 {number:04}"));
    }
    attributes.add("roomNumber", format!("{}.{:02}", random.below(6), random.below(40) + 1));
}

/// The head of the unit; for a head, the head of the unit above or else whoever leads the company.
fn manager_of<'a>(unit: &Unit, leads: bool, staff: &'a [Person]) -> Option<&'a str> {
    let leads_unit = |path: &[&str]| staff.iter().find(|person| person.leads && person.unit.path == path);
    let manager = if leads { leads_unit(&unit.path[1..]).or(staff.first()) } else { leads_unit(unit.path) };
    manager.map(|person| person.dn.as_str())
}
