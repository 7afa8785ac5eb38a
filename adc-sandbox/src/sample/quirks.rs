//! What is wrong with the sample's data, as something is with everybody's.

use super::groups::dn_of_group;
use super::{DISABLED, GHOST, SAME_MAIL, SAME_MAIL_TOO, WITHOUT_MAIL};
use crate::directory::{Directory, DirectoryError};

/// The DN of Zoë as somebody once typed it into a group: the same name in other letters.
const ZOE_AS_TYPED: &str = "UID=Zoe.Mueller, OU=Platform, OU=Engineering, OU=People, DC=Example, DC=Com";

pub(super) fn add(directory: &mut Directory) {
    disturb(directory).unwrap_or_else(|error| panic!("the sample is broken: {error}"));
}

fn disturb(directory: &mut Directory) -> Result<(), DirectoryError> {
    // The value that the password policy of OpenLDAP reserves for accounts locked by hand, for good.
    directory.set(DISABLED, "pwdAccountLockedTime", ["000001010000Z"])?;

    for person in [SAME_MAIL, SAME_MAIL_TOO] {
        directory.set(person, "mail", ["s.obrien@example.com"])?;
    }

    directory.modify(WITHOUT_MAIL, |attributes| attributes.remove("mail"))?;

    directory.modify(&dn_of_group("wiki-editors", "Roles"), |group| group.add("member", GHOST))?;

    directory.modify(&dn_of_group("administrators", "Roles"), |group| group.add("member", ZOE_AS_TYPED))
}
