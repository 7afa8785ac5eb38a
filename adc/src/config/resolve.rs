//! Flags, environment, file and defaults become the one [`Config`], once.

mod directory;
mod login;
mod server;

pub(super) use directory::{
    DEFAULT_AUTHENTICATION_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PAGE_SIZE, DEFAULT_SEARCH_TIMEOUT,
};

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error::ConfigError;
use super::file::{File, Ldap};
use super::resolver::Resolver;
use super::show::Shown;
use super::{Config, Environment, secrets};

/// Where adc.yaml is looked for when nobody says so, in order.
const USUAL_PATHS: [&str; 2] = ["./adc.yaml", "/etc/adc/adc.yaml"];

/// What the command line says; it wins over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`
    pub path: Option<PathBuf>,
    /// `--server-url`
    pub server_url: Option<String>,
    /// `--application-id`
    pub application_id: Option<String>,
}

/// What became of a configuration, fit for use or not.
#[derive(Debug)]
pub struct Resolution {
    /// The file that was read, if there was one.
    pub path: Option<PathBuf>,
    /// Where each value came from, in the order of adc.yaml; secrets redacted. Empty where the file cannot be read at all.
    pub origins: Vec<Shown>,
    /// What works but should not stay so: one sentence each.
    pub warnings: Vec<String>,
    /// The configuration, or everything that is wrong with it.
    pub config: Result<Config, ConfigError>,
}

/// Finds adc.yaml, reads it and resolves it.
///
/// # Errors
/// Everything that is wrong with it, each with file, line and column; or that there is no file.
pub fn load(overrides: &Overrides, environment: &Environment) -> Result<Config, ConfigError> {
    inspect(overrides, environment).config
}

/// As [`load`], and tells what can be told of a configuration that is not fit for use.
pub fn inspect(overrides: &Overrides, environment: &Environment) -> Resolution {
    match find(overrides, environment).and_then(|path| Ok((read(&path)?, path))) {
        Ok((file, path)) => resolution(&path.display().to_string(), Some(path), file, overrides, environment),
        Err(error) => {
            Resolution { path: None, origins: Vec::new(), warnings: Vec::new(), config: Err(error) }
        }
    }
}

/// Resolves a file that was read already, called `name` in messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn resolve(
    name: &str,
    file: File,
    overrides: &Overrides,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    resolution(name, None, file, overrides, environment).config
}

pub(super) fn resolution(
    name: &str,
    path: Option<PathBuf>,
    file: File,
    overrides: &Overrides,
    environment: &Environment,
) -> Resolution {
    let holds_secret = file.server.secret_token.is_some() || file.backend.ldap.bind_password.is_some();
    let mut resolver = Resolver::new(name, path.as_deref(), environment);
    let allow_insecure = file.server.allow_insecure.as_ref().is_some_and(|written| written.value);
    let server = resolver.server(file.server, overrides);
    let settings = resolver.settings(file.settings);
    let Ldap { authentication, .. } = &file.backend.ldap;
    let authentication = authentication.clone();
    let directory = resolver.directory(file.backend.ldap);
    let authentication = resolver.authentication(authentication, allow_insecure);
    let Resolver { shown: origins, mut problems, mut warnings, .. } = resolver;
    problems.extend(file.oddities);
    if holds_secret {
        warnings.extend(path.as_deref().and_then(secrets::warn_if_others_can_read));
    }
    problems.sort_by_key(|problem| problem.position.unwrap_or((u64::MAX, 0)));
    let config = match (server, directory) {
        (Some(server), Some(directory)) if problems.is_empty() => Ok(Config {
            host: machine_name(),
            server,
            settings,
            directory,
            authentication,
            warnings: warnings.clone(),
            path: path.clone(),
            signs_in_by: signs_in_by(&origins),
        }),
        _ => Err(ConfigError { problems }),
    };
    Resolution { path, origins, warnings, config }
}

/// Where the address of the control plane and the credentials stand.
fn signs_in_by(origins: &[Shown]) -> String {
    let keys = [server::URL, server::APPLICATION_ID, server::SECRET_TOKEN];
    let found = keys.iter().filter_map(|key| origins.iter().find(|shown| shown.key == *key));
    found.map(|shown| format!("{} ({})", shown.key, shown.origin)).collect::<Vec<_>>().join(", ")
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        let sentence = match error.kind() {
            io::ErrorKind::InvalidData => {
                "is not UTF-8; save it as UTF-8 (in Latin-1, umlauts are what it trips over)".to_owned()
            }
            _ => format!("cannot be read: {error}; check the path and the file's permissions"),
        };
        ConfigError::of(name.clone(), sentence)
    })?;
    File::parse(&name, &text)
}

/// The machine's name, as run reports show it.
fn machine_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn find(overrides: &Overrides, environment: &Environment) -> Result<PathBuf, ConfigError> {
    if let Some(path) = &overrides.path {
        return Ok(path.clone());
    }
    if let Some(path) = environment.get("ADC_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    USUAL_PATHS.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
        ConfigError::of(
            "",
            format!(
                "there is no configuration: neither {} exists; write one with `adc config example > adc.yaml`, or name it with --config",
                USUAL_PATHS.join(" nor ")
            ),
        )
    })
}
