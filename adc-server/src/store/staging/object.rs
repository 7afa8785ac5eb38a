//! An object that a run has sent: its record, and what the database must know of it.

use crate::store::{LeftOut, Whereabouts};
use adc_core::{
    dn::DnKey,
    plan::Absence,
    record::{Digest, Kind, Record},
    text,
};

/// An object on its way in: the record as JSON beside what the database must know of it.
#[derive(Debug, Clone)]
pub struct StagedObject {
    /// What it is.
    pub kind: Kind,
    /// Which it is.
    pub source_id: String,
    /// Found, or how its absence was proved.
    pub outcome: Outcome,
    /// Where the row comes from.
    pub origin: Origin,
    /// The record's digest.
    pub digest: Digest,
    /// Where it stands.
    pub dn: String,
    /// What references to it are joined with it by ([`Record::key`]).
    pub dn_key: DnKey,
    /// The user name it claims; `None` where it claims none: groups, org units, excluded people, records with a problem.
    pub name_key: Option<String>,
    /// Whether the directory marks it active, its expiry apart.
    pub active: bool,
    /// When the account expires.
    pub expires_at: Option<i64>,
    /// The record as JSON, a group's members apart; empty for what is absent.
    pub record: String,
    /// For what rules leave the person out, as JSON; `None` where none does.
    pub left_out_showing: Option<String>,
    /// Values of fields the policy calls unique.
    pub unique: Vec<(String, String)>,
}

/// Whether the object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Present,
    /// It is not, and this was proved.
    Absent(Absence),
}

impl Outcome {
    /// The word in the database.
    pub(in crate::store) fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent(Absence::Gone) => "gone",
            Self::Absent(Absence::OutOfScope) => "out-of-scope",
        }
    }

    /// Reads the word in the database.
    pub(in crate::store) fn from_word(word: &str) -> anyhow::Result<Self> {
        match word {
            "present" => Ok(Self::Present),
            "gone" => Ok(Self::Absent(Absence::Gone)),
            "out-of-scope" => Ok(Self::Absent(Absence::OutOfScope)),
            other => anyhow::bail!("\"{other}\" is no outcome of a look-up"),
        }
    }
}

/// Where a staged row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The agent read it.
    Read,
    /// The agent was asked to look it up.
    Confirm,
    /// It was not touched, but is planned again.
    Mirror,
}

impl Origin {
    pub(in crate::store) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Confirm => "confirm",
            Self::Mirror => "mirror",
        }
    }
}

impl StagedObject {
    /// What the database must know of a record. `json` is the record without members.
    pub fn present(record: &Record, digest: Digest, origin: Origin, json: String) -> Self {
        let claims_name =
            record.kind == Kind::User && record.problem.is_none() && record.excluded_by.is_none();
        Self {
            kind: record.kind,
            source_id: record.source_id.clone(),
            outcome: Outcome::Present,
            origin,
            digest,
            dn: record.dn.clone(),
            dn_key: record.key(),
            name_key: claims_name.then(|| text::key(&record.name).into_owned()),
            active: record.active,
            expires_at: record.expires_at,
            record: json,
            left_out_showing: match (&record.excluded_by, &record.shows) {
                (Some(_), Some(shows)) => Some(LeftOut::of(shows).to_text()),
                _ => None,
            },
            unique: if claims_name {
                record
                    .unique
                    .iter()
                    .map(|(field, value)| (field.clone(), text::key(value).into_owned()))
                    .collect()
            } else {
                Vec::new()
            },
        }
    }

    /// The same object where it was seen last: its record names no place, and who refers to it still does.
    #[must_use]
    pub fn left_at(self, place: Whereabouts) -> Self {
        let Whereabouts { dn, dn_key } = place;
        Self { dn, dn_key, ..self }
    }

    /// An object whose absence was proved, and where it was seen last, or is now, out of scope.
    pub fn absent(kind: Kind, source_id: String, absence: Absence, place: Whereabouts) -> Self {
        let Whereabouts { dn, dn_key } = place;
        Self {
            kind,
            source_id,
            outcome: Outcome::Absent(absence),
            origin: Origin::Confirm,
            digest: Digest::of(b""),
            dn,
            dn_key,
            name_key: None,
            active: false,
            expires_at: None,
            record: String::new(),
            left_out_showing: None,
            unique: Vec::new(),
        }
    }
}
