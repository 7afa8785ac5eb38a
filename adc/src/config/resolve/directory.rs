//! `backend.ldap:` of adc.yaml.

use adc_core::dn::Dn;
use adc_core::filter::Filter;
use adc_core::mapping::{Bounds, Mapping, MappingError, RootDse};
use adc_core::policy::{Policy, Preset};
use serde_json::Value;
use serde_yaml::Spanned;

use crate::config::file::{Authentication, Ldap, OneOrMany, Written};
use crate::config::resolver::{Found, Resolver, position};
use crate::config::show::Shown;
use crate::config::{Address, AuthenticationConfig, DirectoryConfig, Login, Reach, Referrals, Scope};

/// A page of 1,000 is what Active Directory gives at most, and big enough that pages cost nothing elsewhere.
pub(in crate::config) const DEFAULT_PAGE_SIZE: u32 = 1_000;
/// More than this in one page would only cost memory.
const MAX_PAGE_SIZE: u64 = 10_000;
/// Long enough for a busy link, short enough to be told before somebody wonders (seconds).
pub(in crate::config) const DEFAULT_CONNECT_TIMEOUT: u64 = 10;
/// The longest silence before a server counts as hung; sorting a large result may take a while (seconds).
pub(in crate::config) const DEFAULT_SEARCH_TIMEOUT: u64 = 60;
/// What contract and example say for a login (seconds).
pub(in crate::config) const DEFAULT_AUTHENTICATION_TIMEOUT: u64 = 5;

impl Resolver<'_> {
    pub(super) fn directory(&mut self, file: Ldap) -> Option<DirectoryConfig> {
        let addresses = self.addresses(file.addr);
        let start_tls = file.start_tls.as_ref().map(position);
        let wants_start_tls = self.with_default("backend.ldap.start_tls", file.start_tls, false);
        if wants_start_tls && !addresses.iter().all(|address| matches!(address, Address::Plain(_))) {
            self.problem_at(
                start_tls,
                "backend.ldap.start_tls: StartTLS upgrades a plain ldap:// connection; remove it, or use ldap://".to_owned(),
            );
        }
        let ca_file = self.ca_file("backend.ldap.ca_file", file.ca_file);
        let server_name = self.optional("backend.ldap.server_name", file.server_name);
        let client_certificate = self.client_certificate(file.client_cert_file, file.client_key_file);
        let account = match self.login(file.sasl) {
            Login::Password => self.account(file.bind_dn, file.bind_password, file.bind_password_file),
            Login::External => {
                Some(self.proved(&addresses, client_certificate.as_ref(), file.bind_dn.as_ref()))
            }
        };
        let base_dn = self.file(file.base_dn);
        let base_dn =
            self.required("backend.ldap.base_dn", base_dn, "the subtree to read, such as dc=lg,dc=local");
        let base_dn = self.base_dn(base_dn);
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
        self.warnings
            .extend(addresses.iter().filter_map(|address| address.clear_text_warning(wants_start_tls)));
        let mut addresses = addresses.into_iter();
        let (login, bind_dn, bind_password) = account?;
        Some(DirectoryConfig {
            address: addresses.next()?,
            fail_over: addresses.collect(),
            start_tls: wants_start_tls,
            ca_file,
            ca_pem: None,
            server_name,
            client_certificate,
            reach: Reach::default(),
            login,
            bind_dn,
            bind_password,
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

    fn base_dn(&mut self, found: Option<Found<String>>) -> Option<Found<Dn>> {
        const KEY: &str = "backend.ldap.base_dn";
        if let Some(domain) = &found
            && let Some(meant) = dn_of_domain(&domain.value)
        {
            self.problem(
                domain,
                format!("{KEY}: \"{}\" is the name of a domain, not a DN; write {meant}", domain.value),
            );
            self.show(KEY, Some(domain));
            return None;
        }
        self.parsed(KEY, found)
    }

    /// One address, or several of the same directory; none where something is wrong with one.
    fn addresses(&mut self, written: Written<OneOrMany>) -> Vec<Address> {
        const KEY: &str = "backend.ldap.addr";
        let (texts, origin, position) = match self.file(written) {
            Some(Found { value: OneOrMany::Many(texts), origin, position }) => (texts, origin, position),
            Some(Found { value: OneOrMany::One(value), origin, position }) => {
                let one: Option<Found<Address>> = self.parsed(KEY, Some(Found { value, origin, position }));
                return one.map(|found| found.value).into_iter().collect();
            }
            None => {
                let none = self.required(KEY, None, "the address of the directory");
                self.show::<Address>(KEY, none.as_ref());
                return Vec::new();
            }
        };
        let addresses: Result<Vec<Address>, _> = texts.iter().map(|text| text.parse()).collect();
        match addresses {
            Ok(addresses) if !addresses.is_empty() => {
                let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                self.shown.push(Shown { key: KEY, value: shown.into(), origin });
                addresses
            }
            Ok(_) => {
                self.problem_at(
                    position,
                    format!("{KEY} is an empty list; give the address of the directory"),
                );
                Vec::new()
            }
            Err(error) => {
                self.problem_at(position, format!("{KEY}: {error}"));
                Vec::new()
            }
        }
    }

    pub(super) fn authentication(
        &mut self,
        file: Authentication,
        allow_clear_text: bool,
    ) -> AuthenticationConfig {
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
            allow_clear_text,
        }
    }

    fn page_size(&mut self, written: Written<u64>) -> u32 {
        const KEY: &str = "backend.ldap.sync.page_size";
        let position = written.as_ref().map(position);
        let size = self.with_default(KEY, written, u64::from(DEFAULT_PAGE_SIZE));
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

/// The DN that a domain's name usually stands for (RFC 2247): `dc=acme,dc=test` for `acme.test`. `None` where it is no such name.
fn dn_of_domain(text: &str) -> Option<String> {
    let labels: Vec<&str> = text.trim().trim_end_matches('.').split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let dn = || labels.iter().map(|label| format!("dc={label}")).collect::<Vec<_>>().join(",");
    (labels.len() > 1 && labels.iter().all(is_label)).then(dn)
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

#[cfg(test)]
mod tests {
    use super::dn_of_domain;

    #[test]
    fn the_name_of_a_domain_was_called_a_syntax_error() {
        assert_eq!(dn_of_domain("acme.test").as_deref(), Some("dc=acme,dc=test"));
        assert_eq!(dn_of_domain("eu.acme-1.test.").as_deref(), Some("dc=eu,dc=acme-1,dc=test"));
        for other in ["dc=acme.test", "people", "cn=a,,dc=b", "a..b", ""] {
            assert_eq!(dn_of_domain(other), None, "{other}");
        }
    }
}
