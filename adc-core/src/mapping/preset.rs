//! What the two presets know: contract.md's table, the filters, and how a directory is recognized.

use super::primary_group;
use crate::{entry::Entry, filter::Filter, policy::Preset, record::Kind};

/// A directory's way of naming things: a [`Preset`] that is not `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// RFC 2798, as OpenLDAP, 389 DS and most others have it.
    InetOrgPerson,
    /// Active Directory.
    ActiveDirectory,
}

/// A preset's field and the attributes of which the first that has a value fills it.
pub(super) type PresetField = (&'static str, &'static [&'static str]);

const INETORGPERSON_USER: [PresetField; 12] = [
    ("username", &["mail", "uid"]),
    ("email", &["mail"]),
    ("given_name", &["givenName"]),
    ("family_name", &["sn"]),
    ("display_name", &["displayName", "cn"]),
    ("department", &["departmentNumber", "ou"]),
    ("title", &["title"]),
    ("phone", &["telephoneNumber"]),
    ("mobile", &["mobile"]),
    ("employee_id", &["employeeNumber"]),
    ("location", &["l"]),
    ("manager", &["manager"]),
];

const ACTIVE_DIRECTORY_USER: [PresetField; 12] = [
    ("username", &["userPrincipalName", "sAMAccountName"]),
    ("email", &["mail", "proxyAddresses"]),
    ("given_name", &["givenName"]),
    ("family_name", &["sn"]),
    ("display_name", &["displayName", "name"]),
    ("department", &["department"]),
    ("title", &["title"]),
    ("phone", &["telephoneNumber"]),
    ("mobile", &["mobile"]),
    ("employee_id", &["employeeID", "employeeNumber"]),
    ("location", &["physicalDeliveryOfficeName", "l"]),
    ("manager", &["manager"]),
];

const INETORGPERSON_GROUP: [PresetField; 3] =
    [("name", &["cn"]), ("email", &["mail"]), ("description", &["description"])];
const ACTIVE_DIRECTORY_GROUP: [PresetField; 3] =
    [("name", &["cn"]), ("email", &["mail", "proxyAddresses"]), ("description", &["description"])];

/// An org unit is called what its DN calls it: `ou` may have other values besides.
const ORG_UNIT: [PresetField; 1] = [("description", &["description"])];

impl Flavor {
    /// Both.
    pub const ALL: [Self; 2] = [Self::InetOrgPerson, Self::ActiveDirectory];

    /// The word of adc.yaml's `preset`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InetOrgPerson => "inetorgperson",
            Self::ActiveDirectory => "active-directory",
        }
    }

    pub(super) fn fields(self, kind: Kind) -> &'static [PresetField] {
        match (self, kind) {
            (Self::InetOrgPerson, Kind::User) => &INETORGPERSON_USER,
            (Self::ActiveDirectory, Kind::User) => &ACTIVE_DIRECTORY_USER,
            (Self::InetOrgPerson, Kind::Group) => &INETORGPERSON_GROUP,
            (Self::ActiveDirectory, Kind::Group) => &ACTIVE_DIRECTORY_GROUP,
            (_, Kind::OrgUnit) => &ORG_UNIT,
        }
    }

    /// What tells whether an account is locked or has an end, read by [`super::status`].
    pub(super) fn status_attributes(self) -> &'static [&'static str] {
        match self {
            Self::InetOrgPerson => &["nsAccountLock", "pwdAccountLockedTime", "loginDisabled"],
            Self::ActiveDirectory => &["userAccountControl", "accountExpires"],
        }
    }

    /// Where a group's members stand, as DNs. `memberUid` is not among them: it holds login names, which are neither
    /// unique in a directory nor a reference that follows a rename; that is why groups which have nothing else
    /// (`posixGroup`) are not read.
    pub(super) fn member_attributes(self) -> &'static [&'static str] {
        match self {
            Self::InetOrgPerson => &["member", "uniqueMember"],
            Self::ActiveDirectory => &["member"],
        }
    }

    /// What is read besides of objects of a kind, to know the members that their primary group does not list.
    pub(super) fn primary_group_attributes(self, kind: Kind) -> &'static [&'static str] {
        match (self, kind) {
            (Self::ActiveDirectory, Kind::User) => &primary_group::OF_PEOPLE,
            (Self::ActiveDirectory, Kind::Group) => &primary_group::OF_GROUPS,
            _ => &[],
        }
    }

    /// What tells security from distribution groups.
    pub(super) fn group_type_attribute(self) -> Option<&'static str> {
        match self {
            Self::InetOrgPerson => None,
            Self::ActiveDirectory => Some("groupType"),
        }
    }

    /// Whom a search for a kind of object finds.
    pub fn filter(self, kind: Kind) -> Filter {
        let text = match (self, kind) {
            (Self::InetOrgPerson, Kind::User) => "(objectClass=inetOrgPerson)",
            (Self::InetOrgPerson, Kind::Group) => {
                "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers))"
            }
            (Self::InetOrgPerson, Kind::OrgUnit) => "(objectClass=organizationalUnit)",
            // A computer and a managed service account are users by class, but not persons by category. A trust is both:
            // sAMAccountType tells it (SAM_TRUST_ACCOUNT, MS-SAMR 2.2.1.9), and most accounts of the system are critical.
            (Self::ActiveDirectory, Kind::User) => {
                "(&(objectCategory=person)(objectClass=user)(!(sAMAccountType=805306370))(!(isCriticalSystemObject=TRUE)))"
            }
            (Self::ActiveDirectory, Kind::Group) => "(&(objectClass=group)(!(isCriticalSystemObject=TRUE)))",
            (Self::ActiveDirectory, Kind::OrgUnit) => {
                "(&(objectClass=organizationalUnit)(!(isCriticalSystemObject=TRUE)))"
            }
        };
        text.parse().expect("the presets' filters are tested")
    }
}

/// What the rootDSE tells of a directory's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootDse {
    flavor: Flavor,
    id_attribute: &'static str,
}

impl RootDse {
    /// The attributes to ask the rootDSE for.
    pub const ATTRIBUTES: [&'static str; 3] = ["supportedCapabilities", "vendorName", "vendorVersion"];

    /// Reads the rootDSE. One that says nothing is taken for OpenLDAP's.
    pub fn read(entry: &Entry) -> Self {
        if entry.texts("supportedCapabilities").any(|oid| ACTIVE_DIRECTORY_CAPABILITIES.contains(&oid)) {
            return Self { flavor: Flavor::ActiveDirectory, id_attribute: "objectGUID" };
        }
        let vendor = |names: &[&str]| {
            ["vendorName", "vendorVersion"]
                .into_iter()
                .flat_map(|attribute| entry.texts(attribute))
                .any(|text| names.iter().any(|name| text.starts_with(name)))
        };
        let id_attribute = if vendor(&["389", "Oracle", "Sun Microsystems", "Netscape"]) {
            "nsUniqueId"
        } else if vendor(&["NetIQ", "Novell", "Micro Focus", "OpenText"]) {
            "GUID"
        } else {
            "entryUUID"
        };
        Self { flavor: Flavor::InetOrgPerson, id_attribute }
    }

    /// What a configured preset comes to.
    pub fn flavor(self, preset: Preset) -> Flavor {
        match preset {
            Preset::Auto => self.flavor,
            Preset::InetOrgPerson => Flavor::InetOrgPerson,
            Preset::ActiveDirectory => Flavor::ActiveDirectory,
        }
    }

    /// Where this directory keeps an object's identity.
    pub(super) fn id_attribute(self, flavor: Flavor) -> &'static str {
        match flavor {
            Flavor::ActiveDirectory => "objectGUID",
            Flavor::InetOrgPerson => self.id_attribute,
        }
    }
}

impl Default for RootDse {
    /// A rootDSE that says nothing.
    fn default() -> Self {
        Self::read(&Entry::default())
    }
}

/// `LDAP_CAP_ACTIVE_DIRECTORY_OID` and `LDAP_CAP_ACTIVE_DIRECTORY_ADAM_OID`: Active Directory, and its little sister
/// AD LDS.
const ACTIVE_DIRECTORY_CAPABILITIES: [&str; 2] = ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1851"];
