//! How the agent proves to the directory who it is.

use secrecy::{ExposeSecret, SecretString};
use serde_yaml::Spanned;

use crate::config::file::Written;
use crate::config::resolver::{Resolver, position};
use crate::config::{Address, ClientCertificate, Login, secrets};
use crate::tls;

/// The one way of SASL that is spoken.
const EXTERNAL: &str = "external";

/// How an account signs in, what messages call it, and its password.
type Account = (Login, String, SecretString);

impl Resolver<'_> {
    pub(super) fn login(&mut self, written: Written<String>) -> Login {
        const KEY: &str = "backend.ldap.sasl";
        let Some(written) = written else {
            self.show::<String>(KEY, None);
            return Login::Password;
        };
        let found = self.located(written);
        self.show(KEY, Some(&found));
        if found.value != EXTERNAL {
            self.problem(
                &found,
                format!(
                    "{KEY}: \"{}\" is none of {EXTERNAL}; remove the key to sign in by bind_dn",
                    found.value
                ),
            );
        }
        Login::External
    }

    pub(super) fn client_certificate(
        &mut self,
        certificate: Written<String>,
        key: Written<String>,
    ) -> Option<ClientCertificate> {
        let certificate = self.named_file(certificate);
        let key = self.named_file(key);
        self.show("backend.ldap.client_cert_file", certificate.as_ref());
        self.show("backend.ldap.client_key_file", key.as_ref());
        match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                let identity = ClientCertificate {
                    certificate_file: certificate.value.clone().into(),
                    key_file: key.value.into(),
                };
                if let Err(error) = tls::credentials(&identity) {
                    self.problem(&certificate, format!("backend.ldap.client_cert_file: {error}"));
                }
                self.warnings.extend(secrets::warn_if_others_can_read(&identity.key_file));
                Some(identity)
            }
            (Some(lonely), None) | (None, Some(lonely)) => {
                self.problem(
                    &lonely,
                    "backend.ldap.client_cert_file and client_key_file belong together; give both".to_owned(),
                );
                None
            }
        }
    }

    /// The account that signs in by DN and password.
    pub(super) fn account(
        &mut self,
        bind_dn: Written<String>,
        bind_password: Written<SecretString>,
        bind_password_file: Written<String>,
    ) -> Option<Account> {
        let bind_dn = self.file(bind_dn);
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
        let bind_password = self.bind_password(bind_password, bind_password_file);
        Some((Login::Password, bind_dn?.value, bind_password?))
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

    /// The account that the connection itself proves: by a certificate, or on a socket by the account of this process.
    pub(super) fn proved(
        &mut self,
        addresses: &[Address],
        certificate: Option<&ClientCertificate>,
        bind_dn: Option<&Spanned<String>>,
    ) -> Account {
        if certificate.is_none() && !addresses.iter().all(|address| matches!(address, Address::Socket(_))) {
            self.problem_at(
                None,
                "backend.ldap.sasl: external means that the connection proves who is calling; give client_cert_file and client_key_file, or an ldapi:// address".to_owned(),
            );
        }
        if let Some(bind_dn) = bind_dn {
            self.problem_at(
                Some(position(bind_dn)),
                "backend.ldap.bind_dn is given, and sasl: external says that the connection proves who is calling; keep one of them".to_owned(),
            );
        }
        let name = certificate.map_or_else(
            || "the account of this process".to_owned(),
            |certificate| format!("the certificate {}", certificate.certificate_file.display()),
        );
        (Login::External, name, SecretString::default())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use crate::config::file::File;
    use crate::config::{ConfigError, DirectoryConfig, Environment, Login, Overrides, resolve};

    fn resolved(ldap: &str) -> Result<DirectoryConfig, ConfigError> {
        let text = format!(
            "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend:\n  ldap:\n    base_dn: dc=lg\n{ldap}"
        );
        let file = File::parse("adc.yaml", &text)?;
        let config = resolve("adc.yaml", file, &Overrides::default(), &Environment::default())?;
        Ok(config.directory)
    }

    fn refused(ldap: &str) -> String {
        resolved(ldap).expect_err(ldap).to_string()
    }

    const BY_PASSWORD: &str = "    bind_dn: cn=a\n    bind_password: p\n";

    #[test]
    fn a_list_of_addresses_is_a_directory_and_where_else_it_is() {
        let config = resolved(&format!("    addr: [ldaps://dc1, 'ldaps://dc2:1636']\n{BY_PASSWORD}"))
            .expect("resolves");
        assert_eq!(config.address.to_string(), "ldaps://dc1:636");
        assert_eq!(
            config.fail_over.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["ldaps://dc2:1636"]
        );
        assert_eq!(config.at(&config.fail_over[0]).fail_over, []);
        for (addr, why) in [
            ("[]", "is an empty list"),
            ("[ldaps://dc1, dc2]", "\"dc2\" is no address"),
            ("[ldap://dc1, ldaps://dc2]\n    start_tls: true", "StartTLS upgrades a plain"),
        ] {
            let error = refused(&format!("    addr: {addr}\n{BY_PASSWORD}"));
            assert!(error.contains(why), "{addr}: {error}");
        }
    }

    #[test]
    fn who_the_connection_proves_needs_no_password() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let key = KeyPair::generate().expect("a key can be made");
        let certificate =
            CertificateParams::new([]).and_then(|params| params.self_signed(&key)).expect("signs itself");
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("a.pem"), certificate.pem()).expect("can be written");
        std::fs::write(path("a.key"), key.serialize_pem()).expect("can be written");
        let files = |one: &str, other: &str| {
            format!("    client_cert_file: {}\n    client_key_file: {}\n", path(one), path(other))
        };

        let config =
            resolved("    addr: ldapi:///run/ldapi\n    sasl: external\n").expect("a socket proves it");
        assert_eq!((config.login, config.bind_dn.as_str()), (Login::External, "the account of this process"));
        let config =
            resolved(&format!("    addr: ldaps://dc1\n    sasl: external\n{}", files("a.pem", "a.key")));
        let config = config.expect("a certificate proves it");
        assert!(config.client_certificate.is_some() && config.bind_dn.contains("a.pem"));

        for (ldap, why) in [
            ("    addr: ldaps://dc1\n    sasl: external\n".to_owned(), "give client_cert_file"),
            ("    addr: ldapi:///a\n    sasl: gssapi\n".to_owned(), "\"gssapi\" is none of external"),
            (format!("    addr: ldapi:///a\n    sasl: external\n{BY_PASSWORD}"), "keep one of them"),
            (
                format!("    addr: ldaps://a\n    client_key_file: {}\n{BY_PASSWORD}", path("a.key")),
                "belong together",
            ),
            (
                format!("    addr: ldaps://a\n{}{BY_PASSWORD}", files("a.key", "a.key")),
                "holds no certificate",
            ),
            (
                format!("    addr: ldaps://a\n{}{BY_PASSWORD}", files("a.pem", "a.pem")),
                "holds no private key",
            ),
            (format!("    addr: ldaps://a\n{}{BY_PASSWORD}", files("a.pem", "b.key")), "b.key"),
        ] {
            let error = refused(&ldap);
            assert!(error.contains(why), "{ldap}: {error}");
        }
    }
}
