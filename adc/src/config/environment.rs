//! The process environment, read once and passed on: tests hand in their own.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Environment variables.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. Variables that are not UTF-8 are none of ours and left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; an empty one counts as unset, as systemd's `EnvironmentFile` leaves them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same without these variables.
    #[must_use]
    pub fn without<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Self {
        let mut left = self.clone();
        for name in names {
            left.0.remove(name);
        }
        left
    }

    /// The same with these variables, which win.
    #[must_use]
    pub fn with(mut self, variables: BTreeMap<String, String>) -> Self {
        self.0.extend(variables);
        self
    }

    /// The file that holds the systemd credential `name` (systemd.exec(5), `LoadCredential=`), if there is one.
    pub fn credential(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.get("CREDENTIALS_DIRECTORY")?).join(name);
        path.exists().then_some(path)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}
