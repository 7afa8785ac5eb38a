//! `server:` and `settings:` of adc.yaml.

use adc_core::settings::Settings;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Overrides;
use crate::config::file::{Server, Switches, Written};
use crate::config::resolver::{Found, Resolver, flag};
use crate::config::show::Shown;
use crate::config::{Proxy, ServerConfig, ServerUrl, proxy};

impl Resolver<'_> {
    pub(super) fn server(&mut self, file: Server, overrides: &Overrides) -> Option<ServerConfig> {
        let url = flag("--server-url", overrides.server_url.as_ref())
            .or_else(|| self.variable("ADC_SERVER_URL"))
            .or_else(|| self.file(file.url));
        let url = self.required(URL, url, "the address of the control plane, also ADC_SERVER_URL");
        let url: Option<Found<ServerUrl>> = self.parsed(URL, url);
        let id = flag("--application-id", overrides.application_id.as_ref())
            .or_else(|| self.variable("ADC_APPLICATION_ID"))
            .or_else(|| self.file(file.application_id));
        let id = self.required(
            APPLICATION_ID,
            id,
            "the Application ID of the synchronization, also ADC_APPLICATION_ID",
        );
        self.show(APPLICATION_ID, id.as_ref());
        if let Some(id) = &id
            && let Some(clause) = not_one_word(&id.value)
        {
            self.problem(id, format!("{APPLICATION_ID} \"{}\" {clause}", id.value));
        }
        let secret = self.secret_token(file.secret_token, file.secret_token_file);
        let ca_file = self.ca_file("server.ca_file", file.ca_file);
        let proxy = self.proxy(file.proxy, url.as_ref());
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
            proxy,
        })
    }

    /// The proxy that adc.yaml names for this very way; else the one that the environment names for all programs, unless it
    /// leaves this host out. This very machine is reached through none but what adc.yaml names.
    fn proxy(&mut self, written: Written<String>, url: Option<&Found<ServerUrl>>) -> Option<Proxy> {
        let of_environment = url.map(|url| &url.value).filter(|url| !url.at.is_loopback()).and_then(|url| {
            let no_proxy = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| self.variable(name));
            let direct = no_proxy.is_some_and(|found| proxy::is_direct(&found.value, &url.at.host));
            let named = proxy::variables(url).iter().find_map(|name| self.variable(name));
            named.filter(|_| !direct)
        });
        let found = self.file(written).or(of_environment);
        self.parsed("server.proxy", found).map(|found: Found<Proxy>| found.value)
    }

    fn secret_token(
        &mut self,
        written: Written<SecretString>,
        file: Written<String>,
    ) -> Option<Found<SecretString>> {
        let variable = self.variable("ADC_SECRET_TOKEN").map(|found| Found {
            value: SecretString::from(found.value),
            origin: found.origin,
            position: None,
        });
        let in_file = match (written, file) {
            (Some(_), Some(path)) => {
                self.twice(SECRET_TOKEN, &path);
                None
            }
            (Some(secret), None) => Some(self.located(secret)),
            (None, path) => self.secret_file("server.secret_token_file", path),
        };
        let secret = variable.or(in_file).or_else(|| self.credential(SECRET_TOKEN, "adc-secret-token"));
        let secret = self.required(
            SECRET_TOKEN,
            secret,
            "the Secret Token that was shown once, also secret_token_file, ADC_SECRET_TOKEN or the systemd credential adc-secret-token",
        );
        self.show_secret(SECRET_TOKEN, secret.as_ref());
        if let Some(secret) = &secret
            && let Some(clause) = not_one_word(secret.value.expose_secret())
        {
            self.problem(secret, format!("{SECRET_TOKEN} {clause}"));
        }
        secret
    }

    /// Shows the switches, and gives them as the control plane wants to know them.
    pub(super) fn settings(&mut self, switches: Switches) -> Settings {
        let mut of = |key: &'static str, written: Written<bool>| {
            let found = self.file(written);
            self.shown.push(Shown {
                key,
                value: found.as_ref().map_or(Value::Null, |found| found.value.into()),
                origin: found.as_ref().map_or_else(
                    || "not set: the server decides, then the default".to_owned(),
                    |found| found.origin.clone(),
                ),
            });
            found.map(|found| found.value)
        };
        Settings {
            dry_run: of("settings.dry-run", switches.dry_run),
            no_update: of("settings.no-update", switches.no_update),
            no_create: of("settings.no-create", switches.no_create),
            no_delete: of("settings.no-delete", switches.no_delete),
            delete_disables: of("settings.delete-disables", switches.delete_disables),
            no_update_provider_mismatch: of(
                "settings.no-update-provider-mismatch",
                switches.no_update_provider_mismatch,
            ),
            create_as_disabled: of("settings.create-as-disabled", switches.create_as_disabled),
        }
    }
}

pub(super) const URL: &str = "server.url";
pub(super) const APPLICATION_ID: &str = "server.application_id";
pub(super) const SECRET_TOKEN: &str = "server.secret_token";

/// Why a text cannot be what the control plane gave out: both its id and its token are one word of plain letters, digits,
/// `_` and `-`. A colon would end the id in the header that carries both (RFC 7617 section 2). Never quotes the text.
fn not_one_word(text: &str) -> Option<String> {
    let what = match text.char_indices().find(|(_, c)| !c.is_ascii_graphic() || *c == ':') {
        None if text.is_empty() => "is empty".to_owned(),
        None => return None,
        Some((at, c)) => {
            let what = match c {
                '\n' | '\r' => "a line break",
                c if c.is_whitespace() => "a blank",
                ':' => "a colon",
                _ => "a character that is no plain letter, digit or sign",
            };
            format!("holds {what}, at character {}", text[..at].chars().count() + 1)
        }
    };
    Some(format!("{what}; copy it again as the control plane showed it, in one word"))
}
