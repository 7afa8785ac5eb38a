//! Filters as text (RFC 4515).

use super::Filter;
use std::fmt::{self, Write};

/// A value escaped for a filter: `*`, `(`, `)`, `\`, control characters and what is not UTF-8, as `\xx` each.
///
/// Whoever puts a name or a password into a filter uses this; otherwise `*` as a user name finds everybody.
pub fn escape_value(value: &[u8]) -> String {
    Escaped(value).to_string()
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        match self {
            Self::And(filters) => list(f, '&', filters)?,
            Self::Or(filters) => list(f, '|', filters)?,
            Self::Not(filter) => write!(f, "!{filter}")?,
            Self::Equality { attribute, value } => write!(f, "{attribute}={}", Escaped(value))?,
            Self::GreaterOrEqual { attribute, value } => write!(f, "{attribute}>={}", Escaped(value))?,
            Self::LessOrEqual { attribute, value } => write!(f, "{attribute}<={}", Escaped(value))?,
            Self::Approx { attribute, value } => write!(f, "{attribute}~={}", Escaped(value))?,
            Self::Present { attribute } => write!(f, "{attribute}=*")?,
            Self::Substrings { attribute, initial, any, last } => {
                write!(f, "{attribute}={}*", Escaped(initial.as_deref().unwrap_or_default()))?;
                any.iter().try_for_each(|part| write!(f, "{}*", Escaped(part)))?;
                write!(f, "{}", Escaped(last.as_deref().unwrap_or_default()))?;
            }
            Self::Extensible { attribute, dn_attributes, rule, value } => {
                f.write_str(attribute.as_deref().unwrap_or_default())?;
                if *dn_attributes {
                    f.write_str(":dn")?;
                }
                if let Some(rule) = rule {
                    write!(f, ":{rule}")?;
                }
                write!(f, ":={}", Escaped(value))?;
            }
        }
        f.write_char(')')
    }
}

fn list(f: &mut fmt::Formatter<'_>, operator: char, filters: &[Filter]) -> fmt::Result {
    f.write_char(operator)?;
    filters.iter().try_for_each(|filter| write!(f, "{filter}"))
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '*' | '(' | ')' | '\\' => write!(f, "\\{:02x}", u32::from(c))?,
                    c if c.is_ascii_control() => write!(f, "\\{:02x}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
            chunk.invalid().iter().try_for_each(|octet| write!(f, "\\{octet:02x}"))?;
        }
        Ok(())
    }
}
