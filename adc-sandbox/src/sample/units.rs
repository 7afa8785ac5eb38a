//! Departments and sites: the org units, and who works in them.

use super::BASE_DN;
use crate::directory::Directory;
use crate::entry::Attributes;

/// An org unit with people.
#[derive(Debug)]
pub(super) struct Unit {
    /// The names of the org units from this one up to the base.
    pub(super) path: &'static [&'static str],
    /// `departmentNumber` of its people.
    pub(super) number: &'static str,
    /// The title of whoever leads it.
    pub(super) head: &'static str,
    /// The titles of the others.
    pub(super) titles: &'static [&'static str],
    /// How many people it has, the head included.
    pub(super) size: usize,
}

impl Unit {
    /// Its own name: `Platform`.
    pub(super) fn name(&self) -> &'static str {
        self.path[0]
    }

    /// Its DN.
    pub(super) fn dn(&self) -> String {
        dn_of(self.path)
    }

    /// Where its people work, if that is decided by the unit.
    pub(super) fn site(&self) -> Option<&'static str> {
        (self.path.get(1) == Some(&"Sites")).then(|| self.name())
    }

    /// Contractors come from another system, which names them by `cn`, family name first.
    pub(super) fn is_external(&self) -> bool {
        self.name() == "Contractors"
    }
}

/// The five sites with the prefixes of their telephone numbers.
pub(super) const SITES: &[(&str, &str)] = &[
    ("Berlin", "+49 30 5550"),
    ("Warsaw", "+48 22 555"),
    ("Istanbul", "+90 212 555"),
    ("Shanghai", "+86 21 5555"),
    ("Dublin", "+353 1 555"),
];

/// All units with people, every one after the unit above it.
pub(super) const UNITS: &[Unit] = &[
    unit(&["Management", "People"], "1000", "Chief Executive Officer", MANAGEMENT, 8),
    unit(&["Engineering", "People"], "2000", "Vice President Engineering", &["Chief Architect"], 2),
    unit(&["Platform", "Engineering", "People"], "2100", "Head of Platform", ENGINEERS, 28),
    unit(&["Applications", "Engineering", "People"], "2200", "Head of Applications", ENGINEERS, 32),
    unit(&["Quality", "Engineering", "People"], "2300", "Head of Quality", TESTERS, 16),
    unit(&["Sales", "People"], "3000", "Vice President Sales", &[], 1),
    unit(&["Europe", "Sales", "People"], "3100", "Regional Director Europe", SELLERS, 26),
    unit(&["Americas", "Sales", "People"], "3200", "Regional Director Americas", SELLERS, 20),
    unit(&["Asia Pacific", "Sales", "People"], "3300", "Regional Director Asia Pacific", SELLERS, 14),
    unit(&["Marketing", "People"], "4000", "Head of Marketing", MARKETERS, 22),
    unit(&["Finance", "People"], "5000", "Head of Finance", ACCOUNTANTS, 18),
    unit(&["Human Resources", "People"], "6000", "Head of Human Resources", RECRUITERS, 12),
    unit(&["Legal", "People"], "7000", "General Counsel", &["Counsel", "Paralegal"], 8),
    unit(&["Support", "People"], "8000", "Head of Support", &[], 1),
    unit(&["First Level", "Support", "People"], "8100", "Team Lead First Level", SUPPORTERS, 26),
    unit(&["Second Level", "Support", "People"], "8200", "Team Lead Second Level", SUPPORTERS, 16),
    unit(&["IT", "People"], "9000", "Head of IT", ADMINISTRATORS, 18),
    unit(&["Contractors", "People"], "9900", "Contract Manager", &["Contractor", "Consultant"], 11),
    unit(&["Berlin", "Sites"], "9100", "Site Manager", SITE_STAFF, 5),
    unit(&["Warsaw", "Sites"], "9200", "Site Manager", SITE_STAFF, 4),
    unit(&["Istanbul", "Sites"], "9300", "Site Manager", SITE_STAFF, 4),
    unit(&["Shanghai", "Sites"], "9400", "Site Manager", SITE_STAFF, 4),
    unit(&["Dublin", "Sites"], "9500", "Site Manager", SITE_STAFF, 4),
];

const MANAGEMENT: &[&str] = &["Chief Financial Officer", "Chief Technology Officer", "Executive Assistant"];
const ENGINEERS: &[&str] =
    &["Software Engineer", "Senior Software Engineer", "Staff Engineer", "Working Student"];
const TESTERS: &[&str] = &["Test Engineer", "Senior Test Engineer", "Release Manager"];
const SELLERS: &[&str] = &["Account Manager", "Key Account Manager", "Sales Engineer", "Inside Sales"];
const MARKETERS: &[&str] = &["Content Manager", "Event Manager", "Product Marketing Manager", "Designer"];
const ACCOUNTANTS: &[&str] = &["Accountant", "Controller", "Payroll Specialist"];
const RECRUITERS: &[&str] = &["Recruiter", "People Partner", "Trainer"];
const SUPPORTERS: &[&str] = &["Support Engineer", "Senior Support Engineer", "Support Agent"];
const ADMINISTRATORS: &[&str] = &["System Administrator", "Network Engineer", "Security Analyst"];
const SITE_STAFF: &[&str] = &["Receptionist", "Facility Manager", "Caretaker"];

/// The org units that hold no people themselves.
const CONTAINERS: &[&[&str]] = &[
    &["People"],
    &["Sites"],
    &["Groups"],
    &["Teams", "Groups"],
    &["Mailing Lists", "Groups"],
    &["Roles", "Groups"],
];

pub(super) fn add(directory: &mut Directory) {
    for path in CONTAINERS.iter().copied().chain(UNITS.iter().map(|unit| unit.path)) {
        let attributes = Attributes::new()
            .with("objectClass", "top")
            .with("objectClass", "organizationalUnit")
            .with("ou", path[0]);
        super::add(directory, &dn_of(path), attributes);
    }
}

/// The DN of an org unit: its names from itself up to the base.
pub(super) fn dn_of(path: &[&str]) -> String {
    path.iter().rev().fold(BASE_DN.to_owned(), |above, name| format!("ou={name},{above}"))
}

const fn unit(
    path: &'static [&'static str],
    number: &'static str,
    head: &'static str,
    titles: &'static [&'static str],
    size: usize,
) -> Unit {
    Unit { path, number, head, titles, size }
}
