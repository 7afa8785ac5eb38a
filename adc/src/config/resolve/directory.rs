//! `backend.ldap:` of adc.yaml.

use adc_core::dn::Dn;
use adc_core::filter::Filter;
use adc_core::mapping::{Bounds, Mapping, MappingError, RootDse};
use adc_core::policy::{Policy, Preset};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use serde_yaml::Spanned;

use crate::config::file::{Authentication, Ldap, Written};
use crate::config::resolver::{Found, Resolver, position};
use crate::config::show::Shown;
use crate::config::{Address, AuthenticationConfig, DirectoryConfig, Referrals, Scope};

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
impl Resolver<'_> {
    pub(super) fn directory(&mut self, file: Ldap) -> Option<DirectoryConfig> {
        let addr = self.file(file.addr);
        let addr = self.required("backend.ldap.addr", addr, "the address of the directory");
        let addr: Option<Found<Address>> = self.parsed("backend.ldap.addr", addr);
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
        let base_dn =
            self.required("backend.ldap.base_dn", base_dn, "the subtree to read, such as dc=lg,dc=local");
        let base_dn: Option<Found<Dn>> = self.parsed("backend.ldap.base_dn", base_dn);
        let scope = self.word("backend.ldap.scope", file.scope, &SCOPES, Scope::Sub, Scope::as_str);
        let connect_timeout =
            self.seconds("backend.ldap.connect_timeout", file.connect_timeout, DEFAULT_CONNECT_TIMEOUT);
        let search_timeout =
            self.seconds("backend.ldap.search_timeout", file.search_timeout, DEFAULT_SEARCH_TIMEOUT);
        let referrals = self.word(
            "backend.ldap.referrals",
            file.referrals,
            &REFERRALS,
            Referrals::Report,
            Referrals::as_str,
        );
        let preset = self.word("backend.ldap.preset", file.preset, &PRESETS, Preset::Auto, preset_word);
        let id_attribute = self.id_attribute(file.id_attribute);
        let attributes = self.attributes(file.attributes);
        let page_size = self.page_size(file.sync.page_size);
        let people_filter = self.filter("backend.ldap.sync.filter", file.sync.filter);
        let groups_filter = self.filter("backend.ldap.sync.groups.filter", file.sync.groups.filter);
        let org_units_filter = self.filter("backend.ldap.sync.org_units.filter", file.sync.org_units.filter);
        let addr = addr.map(|found| found.value);
        self.warnings.extend(addr.as_ref().and_then(|addr| addr.clear_text_warning(wants_start_tls)));
        Some(DirectoryConfig {
            address: addr?,
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
            referrals,
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
        written: Written<SecretString>,
        file: Written<String>,
    ) -> Option<SecretString> {
        const KEY: &str = "backend.ldap.bind_password";
        let found = match (written, file) {
            (Some(_), Some(path)) => {
                self.twice(KEY, &path);
                return None;
            }
            (Some(secret), None) => Some(self.located(secret)),
            (None, Some(path)) => self.secret_file("backend.ldap.bind_password_file", Some(path)),
            (None, None) => self.credential(KEY, "adc-bind-password"),
        };
        if let Some(found) = &found
            && found.value.expose_secret().is_empty()
        {
            self.problem(
                found,
                format!("{KEY} is empty: LDAP would answer an anonymous bind with success and show nobody; give the account's password"),
            );
        }
        let found = self.required(
            KEY,
            found,
            "the password of bind_dn, also bind_password_file or the systemd credential adc-bind-password",
        );
        self.show_secret(KEY, found.as_ref());
        found.map(|found| found.value)
    }

    pub(super) fn authentication(&mut self, file: Authentication) -> AuthenticationConfig {
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
        let Some(written) = written else {
            let origin = "default: the preset's filter".to_owned();
            self.shown.push(Shown { key, value: Value::Null, origin });
            return None;
        };
        let found = self.located(written);
        let found: Option<Found<Filter>> = self.parsed(key, Some(found));
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
            let origin = "default: the preset's attributes".to_owned();
            self.shown.push(Shown { key: KEY, value: Value::Null, origin });
            return None;
        };
        let origin = self.origin(position(&written));
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
        self.shown.push(Shown { key: KEY, value: names.clone().into(), origin });
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
const REFERRALS: [Referrals; 2] = [Referrals::Report, Referrals::Ignore];
const PRESETS: [Preset; 3] = [Preset::Auto, Preset::InetOrgPerson, Preset::ActiveDirectory];

fn preset_word(preset: Preset) -> &'static str {
    match preset {
        Preset::Auto => "auto",
        Preset::InetOrgPerson => "inetorgperson",
        Preset::ActiveDirectory => "active-directory",
    }
}
