//! A large company, the same in every run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use adc_tests::{Company, Entry};
use anyhow::Result;

/// The suffix of the company.
pub(crate) const SUFFIX: &str = "dc=bench,dc=example";

/// People share this many departments, each an org unit.
const DEPARTMENTS: usize = 50;

/// One person in this many has a photo.
const PERSONS_PER_PHOTO: usize = 10;

/// The size of a photo, in bytes.
const PHOTO_SIZE: usize = 4_000;

/// One group for this many people.
const PERSONS_PER_GROUP: usize = 100;

/// The largest groups have this many members, where the company has twice as many people.
const LARGEST_GROUP: usize = 5_000;

/// How many of the largest there are.
const LARGEST_GROUPS: usize = 5;

const GIVEN_NAMES: [&str; 12] = [
    "Jane", "Max", "Zoë", "Łukasz", "Aylin", "Björn", "Chloé", "Dmitri", "Emeka", "Fatima", "Gábor", "Hiroko",
];

const FAMILY_NAMES: [&str; 11] = [
    "Meyer",
    "Novák",
    "O'Brien",
    "Öztürk",
    "García",
    "Kowalski",
    "van den Berg",
    "Sørensen",
    "Tanaka",
    "Nguyễn",
    "Smith",
];

const TITLES: [&str; 7] = [
    "Engineer",
    "Senior engineer",
    "Accountant",
    "Head of department",
    "Assistant",
    "Technician",
    "Consultant",
];

const TOWNS: [&str; 5] = ["Berlin", "Kraków", "Lyon", "Porto", "Malmö"];

/// The DN of a person by number, from 0.
pub(crate) fn person_dn(number: usize) -> String {
    format!("uid=user{number:06},ou=department {:02},ou=people,{SUFFIX}", number % DEPARTMENTS)
}

/// Writes everything but the suffix and the bind account.
pub(crate) fn write(users: usize, file: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(file)?);
    for name in ["people", "groups"] {
        write!(file, "{}", unit(name, SUFFIX).ldif())?;
    }
    for department in 0..DEPARTMENTS {
        let unit = unit(&format!("department {department:02}"), &format!("ou=people,{SUFFIX}"));
        write!(file, "{}", unit.ldif())?;
    }
    for number in 0..users {
        write!(file, "{}", person(number).ldif())?;
    }
    for number in 0..(users / PERSONS_PER_GROUP).max(1) {
        write!(file, "{}", group(number, users).ldif())?;
    }
    file.flush()?;
    Ok(())
}

/// The suffix and the bind account.
pub(crate) fn company() -> Company {
    Company::new(SUFFIX)
}

fn unit(name: &str, parent: &str) -> Entry {
    Entry::new(&format!("ou={name},{parent}")).with("objectClass", "organizationalUnit").with("ou", name)
}

/// A person with fifteen attributes, and perhaps a photo.
fn person(number: usize) -> Entry {
    let given_name = GIVEN_NAMES[number % GIVEN_NAMES.len()];
    let family_name = FAMILY_NAMES[number % FAMILY_NAMES.len()];
    let uid = format!("user{number:06}");
    let person = Entry::new(&person_dn(number))
        .with("objectClass", "inetOrgPerson")
        .with("uid", &uid)
        .with("cn", format!("{given_name} {family_name} {number}"))
        .with("sn", family_name)
        .with("givenName", given_name)
        .with("displayName", format!("{given_name} {family_name}"))
        .with("mail", format!("{uid}@bench.example"))
        .with("employeeNumber", format!("{number}"))
        .with("departmentNumber", format!("{:02}", number % DEPARTMENTS))
        .with("title", TITLES[number % TITLES.len()])
        .with("telephoneNumber", format!("+49 30 {number:07}"))
        .with("mobile", format!("+49 170 {number:07}"))
        .with("l", TOWNS[number % TOWNS.len()])
        .with("manager", person_dn(number / 10))
        .with("description", "Made for a benchmark; nobody asks for this, but every directory has it.");
    if number.is_multiple_of(PERSONS_PER_PHOTO) { person.with("jpegPhoto", photo(number)) } else { person }
}

/// The first groups are the largest; the others have between 10 and 100 members, spread over the company.
fn group(number: usize, users: usize) -> Entry {
    let size =
        if number < LARGEST_GROUPS { LARGEST_GROUP.min(users / 2) } else { (10 + number % 91).min(users) };
    let name = format!("group {number:05}");
    let group = Entry::new(&format!("cn={name},ou=groups,{SUFFIX}"))
        .with("objectClass", "groupOfNames")
        .with("cn", &name)
        .with("description", format!("Members: {size}"));
    // A step of one spreads nobody twice: the numbers are neighbours, from a start of the group's own.
    let first = number * 37;
    (0..size).fold(group, |group, member| group.with("member", person_dn((first + member) % users)))
}

/// Bytes that look like a JPEG to whoever reads the first of them, and compress as badly.
fn photo(number: usize) -> Vec<u8> {
    let mut photo = vec![0xff, 0xd8, 0xff, 0xe0];
    // Multiplier and increment of Knuth's MMIX; its high bytes are random enough.
    let mut state = number as u64;
    photo.resize_with(PHOTO_SIZE, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    photo
}
