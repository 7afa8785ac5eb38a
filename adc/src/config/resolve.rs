//! Flags, environment, file and defaults become the one [`Config`], once.

use std::path::PathBuf;
use std::{fs, io};

use adc_core::dn::Dn;
use adc_core::filter::Filter;
use adc_core::mapping::{Bounds, Mapping, MappingError, RootDse};
use adc_core::policy::{Policy, Preset};
use adc_core::settings::Settings;
use secrecy::{ExposeSecret, SecretString};
use serde_yaml::Spanned;

use super::error::ConfigError;
use super::file::{Authentication, File, Ldap, Server, Written};
use super::resolver::{Found, Resolver, flag, position};
use super::show::Shown;
use super::{
    Address, AuthenticationConfig, Config, DirectoryConfig, Environment, Scope, ServerConfig, ServerUrl,
    secrets,
};

/// Where adc.yaml is looked for when nobody says so, in order.
const USUAL_PATHS: [&str; 2] = ["./adc.yaml", "/etc/adc/adc.yaml"];

/// A page of 1,000 is what Active Directory gives at most, and big enough that pages cost nothing elsewhere.
const DEFAULT_PAGE_SIZE: u64 = 1_000;
/// More than this in one page would only cost memory.
const MAX_PAGE_SIZE: u64 = 10_000;
/// Long enough for a busy link, short enough to be told before somebody wonders (seconds).
const DEFAULT_CONNECT_TIMEOUT: u64 = 10;
/// The longest silence before a server counts as hung; sorting a large result may take a while (seconds).
const DEFAULT_SEARCH_TIMEOUT: u64 = 60;
/// What contract and example say for a login (seconds).
const DEFAULT_AUTHENTICATION_TIMEOUT: u64 = 5;

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

/// Finds adc.yaml, reads it and resolves it.
///
/// # Errors
/// Everything that is wrong with it, each with file, line and column; or that there is no file.
pub fn load(overrides: &Overrides, environment: &Environment) -> Result<Config, ConfigError> {
    let path = find(overrides, environment)?;
    let name = path.display().to_string();
    let text = fs::read_to_string(&path).map_err(|error| {
        let sentence = match error.kind() {
            io::ErrorKind::InvalidData => {
                "is not UTF-8; save it as UTF-8 (in Latin-1, umlauts are what it trips over)".to_owned()
            }
            _ => format!("cannot be read: {error}; check the path and the file's permissions"),
        };
        ConfigError::of(name.clone(), sentence)
    })?;
    let file = File::parse(&name, &text)?;
    let holds_secret = file.server.secret_token.is_some() || file.backend.ldap.bind_password.is_some();
    let mut config = resolve(&name, file, overrides, environment)?;
    if holds_secret {
        config.warnings.extend(secrets::warn_if_others_can_read(&path));
    }
    config.path = Some(path);
    Ok(config)
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
    let mut resolver = Resolver::new(name, environment);
    let server = resolver.server(file.server, overrides);
    resolver.settings(file.settings);
    let Ldap { authentication, .. } = &file.backend.ldap;
    let authentication = authentication.clone();
    let directory = resolver.directory(file.backend.ldap);
    let authentication = resolver.authentication(authentication);
    let Resolver { shown, mut problems, warnings, .. } = resolver;
    problems.sort_by_key(|problem| problem.position.unwrap_or((u64::MAX, 0)));
    match (server, directory) {
        (Some(server), Some(directory)) if problems.is_empty() => Ok(Config {
            server,
            settings: file.settings,
            directory,
            authentication,
            origins: shown,
            warnings,
            path: None,
        }),
        _ => Err(ConfigError { problems }),
    }
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

impl Resolver<'_> {
    fn server(&mut self, file: Server, overrides: &Overrides) -> Option<ServerConfig> {
        let url = flag("--server-url", overrides.server_url.as_ref())
            .or_else(|| self.variable("ADC_SERVER_URL"))
            .or_else(|| self.file(file.url));
        let url: Option<Found<ServerUrl>> = self
            .required("server.url", url, "the address of the control plane, also ADC_SERVER_URL")
            .and_then(|url| self.parse("server.url", url));
        self.show("server.url", url.as_ref());
        let id = flag("--application-id", overrides.application_id.as_ref())
            .or_else(|| self.variable("ADC_APPLICATION_ID"))
            .or_else(|| self.file(file.application_id));
        let id = self.required(
            "server.application_id",
            id,
            "the Application ID of the synchronization, also ADC_APPLICATION_ID",
        );
        self.show("server.application_id", id.as_ref());
        let written = match (file.secret_token, file.secret_token_file) {
            (Some(_), Some(path)) => {
                self.twice("server.secret_token", &path);
                None
            }
            (Some(secret), None) => {
                Some(Found { value: secret, origin: self.name.to_owned(), position: None })
            }
            (None, path) => self.secret_file("server.secret_token_file", path),
        };
        let secret = self
            .variable("ADC_SECRET_TOKEN")
            .map(|found| Found {
                value: SecretString::from(found.value),
                origin: found.origin,
                position: None,
            })
            .or(written)
            .or_else(|| self.credential("server.secret_token", "adc-secret-token"));
        let secret = self.required(
            "server.secret_token",
            secret,
            "the Secret Token that was shown once, also secret_token_file, ADC_SECRET_TOKEN or the systemd credential adc-secret-token",
        );
        self.show_secret("server.secret_token", secret.as_ref());
        let ca_file = self.ca_file("server.ca_file", file.ca_file);
        let allow_insecure = self.with_default("server.allow_insecure", file.allow_insecure, false);
        if let Some(url) = url.as_ref()
            && !url.value.tls
            && !url.value.at.is_loopback()
        {
            let at = &url.value;
            if allow_insecure {
                self.warnings.push(format!(
                    "server.allow_insecure: {at} sends the Secret Token and everything read in clear; use https://"
                ));
            } else {
                self.problem(
                    url,
                    format!(
                        "server.url: {at} would send the Secret Token in clear; use https://, or set server.allow_insecure: true if the way there is protected otherwise"
                    ),
                );
            }
        }
        Some(ServerConfig {
            url: url?.value,
            application_id: id?.value,
            secret_token: secret?.value,
            ca_file,
        })
    }

    fn settings(&mut self, settings: Settings) {
        for (key, value) in [
            ("settings.dry-run", settings.dry_run),
            ("settings.no-update", settings.no_update),
            ("settings.no-create", settings.no_create),
            ("settings.no-delete", settings.no_delete),
            ("settings.delete-disables", settings.delete_disables),
            ("settings.no-update-provider-mismatch", settings.no_update_provider_mismatch),
            ("settings.create-as-disabled", settings.create_as_disabled),
        ] {
            let origin =
                if value.is_some() { self.name } else { "not set: the server decides, then the default" };
            self.shown.push(Shown {
                key,
                value: value.map(|value| value.to_string()),
                origin: origin.to_owned(),
            });
        }
    }

    fn directory(&mut self, file: Ldap) -> Option<DirectoryConfig> {
        let addr = self.file(file.addr);
        let addr: Option<Found<Address>> = self
            .required("backend.ldap.addr", addr, "the address of the directory")
            .and_then(|addr| self.parse("backend.ldap.addr", addr));
        self.show("backend.ldap.addr", addr.as_ref());
        let start_tls = file.start_tls.as_ref().map(position);
        let wants_start_tls = self.with_default("backend.ldap.start_tls", file.start_tls, false);
        if wants_start_tls
            && !matches!(addr.as_ref().map(|found| &found.value), None | Some(Address::Plain(_)))
        {
            self.problem_at(
                start_tls,
                "backend.ldap.start_tls: StartTLS upgrades a plain ldap:// connection; remove it, or use ldap://".to_owned(),
            );
        }
        let ca_file = self.ca_file("backend.ldap.ca_file", file.ca_file);
        let server_name = self.optional("backend.ldap.server_name", file.server_name);
        let bind_dn = self.file(file.bind_dn);
        let bind_dn = self.required("backend.ldap.bind_dn", bind_dn, "the account that reads the directory");
        if let Some(bind_dn) = &bind_dn
            && bind_dn.value.trim().is_empty()
        {
            self.problem(
                bind_dn,
                "backend.ldap.bind_dn is empty: LDAP would take the bind for an anonymous one; give the account that reads the directory".to_owned(),
            );
        }
        self.show("backend.ldap.bind_dn", bind_dn.as_ref());
        let bind_password = self.bind_password(file.bind_password, file.bind_password_file);
        let base_dn = self.file(file.base_dn);
        let base_dn: Option<Found<Dn>> = self
            .required("backend.ldap.base_dn", base_dn, "the subtree to read, such as dc=lg,dc=local")
            .and_then(|base_dn| self.parse("backend.ldap.base_dn", base_dn));
        self.show("backend.ldap.base_dn", base_dn.as_ref());
        let scope = self.word("backend.ldap.scope", file.scope, &SCOPES, Scope::Sub, Scope::as_str);
        let connect_timeout =
            self.seconds("backend.ldap.connect_timeout", file.connect_timeout, DEFAULT_CONNECT_TIMEOUT);
        let search_timeout =
            self.seconds("backend.ldap.search_timeout", file.search_timeout, DEFAULT_SEARCH_TIMEOUT);
        let preset = self.word("backend.ldap.preset", file.preset, &PRESETS, Preset::Auto, preset_word);
        let id_attribute = self.id_attribute(file.id_attribute);
        let attributes = self.attributes(file.attributes);
        let page_size = self.page_size(file.sync.page_size);
        let people_filter = self.filter("backend.ldap.sync.filter", file.sync.filter);
        let groups_filter = self.filter("backend.ldap.sync.groups.filter", file.sync.groups.filter);
        let org_units_filter = self.filter("backend.ldap.sync.org_units.filter", file.sync.org_units.filter);
        if let Some(Address::Plain(at)) = addr.as_ref().map(|found| &found.value)
            && !wants_start_tls
        {
            self.warnings.push(format!(
                "backend.ldap.addr: ldap://{at} sends the bind password and everything read in clear; use ldaps://, or set start_tls: true"
            ));
        }
        Some(DirectoryConfig {
            address: addr?.value,
            start_tls: wants_start_tls,
            ca_file,
            server_name,
            bind_dn: bind_dn?.value,
            bind_password: bind_password?,
            base_dn: base_dn?.value,
            scope,
            connect_timeout,
            search_timeout,
            page_size,
            preset,
            id_attribute,
            attributes,
            people_filter,
            groups_filter,
            org_units_filter,
        })
    }

    fn bind_password(
        &mut self,
        written: Option<SecretString>,
        file: Written<String>,
    ) -> Option<SecretString> {
        const KEY: &str = "backend.ldap.bind_password";
        let found = match (written, file) {
            (Some(_), Some(path)) => {
                self.twice(KEY, &path);
                return None;
            }
            (Some(secret), None) => {
                Some(Found { value: secret, origin: self.name.to_owned(), position: None })
            }
            (None, Some(path)) => self.secret_file("backend.ldap.bind_password_file", Some(path)),
            (None, None) => self.credential(KEY, "adc-bind-password"),
        };
        if found.as_ref().is_some_and(|found| found.value.expose_secret().is_empty()) {
            self.problem_at(
                None,
                format!("{KEY} is empty: LDAP would answer an anonymous bind with success and show nobody; give the account's password"),
            );
            return None;
        }
        let found = self.required(
            KEY,
            found,
            "the password of bind_dn, also bind_password_file or the systemd credential adc-bind-password",
        );
        self.show_secret(KEY, found.as_ref());
        found.map(|found| found.value)
    }

    fn authentication(&mut self, file: Authentication) -> AuthenticationConfig {
        const TEMPLATE: &str = "backend.ldap.authentication.username_filter_template";
        let username_attribute =
            self.optional("backend.ldap.authentication.username_attribute", file.username_attribute);
        let template = file.username_filter_template.map(|written| self.located(written));
        if let Some(template) = &template {
            if !template.value.contains("%s") {
                self.problem(template, format!("{TEMPLATE} lacks %s, which stands for the user name"));
            } else if let Err(error) = template.value.replace("%s", "x").parse::<Filter>() {
                self.problem(template, format!("{TEMPLATE}: {error}"));
            }
        }
        self.show(TEMPLATE, template.as_ref());
        let timeout =
            self.seconds("backend.ldap.authentication.timeout", file.timeout, DEFAULT_AUTHENTICATION_TIMEOUT);
        AuthenticationConfig {
            username_attribute,
            username_filter_template: template.map(|template| template.value),
            timeout,
        }
    }

    fn page_size(&mut self, written: Written<u64>) -> u32 {
        const KEY: &str = "backend.ldap.sync.page_size";
        let position = written.as_ref().map(position);
        let size = self.with_default(KEY, written, DEFAULT_PAGE_SIZE);
        if size == 0 || size > MAX_PAGE_SIZE {
            self.problem_at(
                position,
                format!("{KEY} is {size}; a page holds from 1 to {MAX_PAGE_SIZE} entries"),
            );
        }
        u32::try_from(size.min(MAX_PAGE_SIZE)).expect("the largest page fits")
    }

    fn filter(&mut self, key: &'static str, written: Written<String>) -> Option<Filter> {
        let found: Option<Found<Filter>> =
            written.map(|written| self.located(written)).and_then(|found| self.parse(key, found));
        match &found {
            Some(found) => self.show(key, Some(found)),
            None => {
                self.shown.push(Shown {
                    key,
                    value: None,
                    origin: "default: the preset's filter".to_owned(),
                });
            }
        }
        if let Some(found) = &found {
            for error in found.value.attributes().iter().filter_map(|attribute| secret(key, attribute)) {
                self.problem(found, error.to_string());
            }
        }
        found.map(|found| found.value)
    }

    fn id_attribute(&mut self, written: Written<String>) -> Option<String> {
        const KEY: &str = "backend.ldap.id_attribute";
        let position = written.as_ref().map(position);
        let name = self.optional(KEY, written)?;
        if let Some(error) = secret(KEY, &name) {
            self.problem_at(position, error.to_string());
        }
        Some(name)
    }

    fn attributes(&mut self, written: Written<Vec<Spanned<String>>>) -> Option<Vec<String>> {
        const KEY: &str = "backend.ldap.attributes";
        let Some(written) = written else {
            self.shown.push(Shown {
                key: KEY,
                value: None,
                origin: "default: the preset's attributes".to_owned(),
            });
            return None;
        };
        if written.value.is_empty() {
            self.problem_at(
                Some(position(&written)),
                format!("{KEY} is empty: nobody would have so much as a name; list what may leave the network, or remove the key"),
            );
        }
        let written = written.value;
        for attribute in &written {
            let name = &attribute.value;
            if name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b';' | b'.'))
            {
                let position = position(attribute);
                self.problem_at(
                    Some(position),
                    format!("{KEY}: \"{name}\" is no attribute name; write one name a line, such as mail"),
                );
            } else if let Some(error) = secret(KEY, name) {
                self.problem_at(Some(position(attribute)), error.to_string());
            }
        }
        let names: Vec<String> = written.into_iter().map(|attribute| attribute.value).collect();
        self.shown.push(Shown { key: KEY, value: Some(names.join(", ")), origin: self.name.to_owned() });
        Some(names)
    }
}

/// Why an attribute is never read, whoever asks.
fn secret(key: &str, attribute: &str) -> Option<MappingError> {
    let mapping = Mapping::compile(&Policy::default(), &Bounds::default(), &RootDse::default())
        .expect("the presets name no secrets");
    let error = mapping.allowed().check(key, attribute).err()?;
    matches!(error, MappingError::Secret { .. }).then_some(error)
}

const SCOPES: [Scope; 3] = [Scope::Base, Scope::One, Scope::Sub];
const PRESETS: [Preset; 3] = [Preset::Auto, Preset::InetOrgPerson, Preset::ActiveDirectory];

fn preset_word(preset: Preset) -> &'static str {
    match preset {
        Preset::Auto => "auto",
        Preset::InetOrgPerson => "inetorgperson",
        Preset::ActiveDirectory => "active-directory",
    }
}
