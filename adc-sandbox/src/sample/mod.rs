//! The sample company: Example, five sites, three hundred people, and the small disorders that real
//! directories have.
//!
//! It is the same on every machine and in every run. Everybody's password is [`PASSWORD`]; an agent binds as
//! [`READONLY_DN`]. The constants name the entries that tests and the demo talk about.

mod groups;
mod names;
mod people;
mod quirks;
mod units;

use jiff::Timestamp;

use crate::directory::Directory;
use crate::entry::Attributes;
use crate::random::Random;

/// The base of the naming context.
pub const BASE_DN: &str = "dc=example,dc=com";
/// The bind account of an agent, which may read everything.
pub const READONLY_DN: &str = "cn=readonly,dc=example,dc=com";
/// Its password.
pub const READONLY_PASSWORD: &str = "readonly";
/// The password of every person.
pub const PASSWORD: &str = "welcome";
/// How many people there are (`inetOrgPerson`), contractors and the disabled one included.
pub const PEOPLE: usize = 300;
/// How many groups there are.
pub const GROUPS: usize = 30;
/// How many org units there are.
pub const ORG_UNITS: usize = 29;

/// An engineer with an umlaut; the group `administrators` spells her DN another way.
pub const ZOE: &str = "uid=zoe.mueller,ou=Platform,ou=Engineering,ou=People,dc=example,dc=com";
/// A user name that hardly transliterates.
pub const LUKASZ: &str = "uid=lukasz.wojcik,ou=Applications,ou=Engineering,ou=People,dc=example,dc=com";
/// A name without Latin letters.
pub const LI_NA: &str = "uid=na.li,ou=Asia Pacific,ou=Sales,ou=People,dc=example,dc=com";
/// A contractor whose RDN holds a comma.
pub const JANE_DOE: &str = r"cn=Doe\, Jane,ou=Contractors,ou=People,dc=example,dc=com";
/// Disabled for good: `pwdAccountLockedTime: 000001010000Z`.
pub const DISABLED: &str = "uid=deniz.agaoglu,ou=Finance,ou=People,dc=example,dc=com";
/// Claims the mail address of [`SAME_MAIL_TOO`], or the other way round.
pub const SAME_MAIL: &str = "uid=sinead.obrien,ou=Marketing,ou=People,dc=example,dc=com";
/// See [`SAME_MAIL`].
pub const SAME_MAIL_TOO: &str = "uid=sean.obrien,ou=First Level,ou=Support,ou=People,dc=example,dc=com";
/// Has no mail address, only a `uid`.
pub const WITHOUT_MAIL: &str = "uid=jan.kowalski,ou=Warsaw,ou=Sites,dc=example,dc=com";
/// Left long ago, but is still a member of `wiki-editors`: there is no such entry.
pub const GHOST: &str = "uid=ghost.writer,ou=Marketing,ou=People,dc=example,dc=com";

/// Decides every random choice below; another seed is another company.
const SEED: u64 = 0x0061_6463_2d73_616d;

/// When the company's entries were made: 2026-01-01 00:00 UTC.
const FOUNDED: i64 = 1_767_225_600;

pub(crate) fn company() -> Directory {
    let founded = Timestamp::from_second(FOUNDED).expect("2026 is a year");
    let organization = Attributes::new()
        .with("objectClass", "top")
        .with("objectClass", "dcObject")
        .with("objectClass", "organization")
        .with("o", "Example");
    let mut directory = Directory::new(BASE_DN, organization, SEED, founded).expect("the base is a DN");
    let mut random = Random::new(SEED);

    add_bind_account(&mut directory);
    units::add(&mut directory);
    let staff = people::add(&mut directory, &mut random);
    groups::add(&mut directory, &staff, &mut random);
    quirks::add(&mut directory);
    directory
}

fn add_bind_account(directory: &mut Directory) {
    let account = Attributes::new()
        .with("objectClass", "top")
        .with("objectClass", "organizationalRole")
        .with("objectClass", "simpleSecurityObject")
        .with("description", "Reads the directory for adc");
    add(directory, READONLY_DN, account);
    directory.set_password(READONLY_DN, READONLY_PASSWORD).expect("the account was just added");
}

/// Adds an entry of the sample, whose DNs are distinct and in order: a mistake is one of this module.
fn add(directory: &mut Directory, dn: &str, attributes: Attributes) {
    directory.add(dn, attributes).unwrap_or_else(|error| panic!("the sample is broken: {error}"));
}

#[cfg(test)]
mod tests;
