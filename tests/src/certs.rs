//! A certificate authority of the test's own, and server certificates good and bad.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// A certificate authority that nobody trusts but the test that made it.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// A server's certificate and its private key, or a client's.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PKCS #8 PEM.
    pub key_pem: String,
}

impl Authority {
    /// A new authority with a key of its own.
    #[allow(
        clippy::new_without_default,
        reason = "every call makes another authority; a default would hide that"
    )]
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a P-256 key can be made");
        let certificate = params.self_signed(&key).expect("the authority can sign itself");
        Self { certificate_pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// The authority's own certificate, PEM: what `ca_file` names.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Writes the authority's own certificate into a file.
    pub fn write(&self, path: &Path) {
        fs::write(path, &self.certificate_pem)
            .unwrap_or_else(|error| panic!("{} could not be written: {error}", path.display()));
    }

    /// A certificate for the host names and addresses given, valid for years. A name that the server does not
    /// have makes it the wrong host's certificate.
    pub fn issue<const N: usize>(&self, hosts: [&str; N]) -> ServerCertificate {
        self.sign(&params_for(&hosts))
    }

    /// A certificate by which a client of this name (`cn=`) proves who it is.
    pub fn issue_client(&self, name: &str) -> ServerCertificate {
        let mut params = CertificateParams::new([]).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// A certificate for the hosts given that was valid in the year 2020 only.
    pub fn issue_expired<const N: usize>(&self, hosts: [&str; N]) -> ServerCertificate {
        let mut params = params_for(&hosts);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    /// A certificate for the hosts given that says it is an authority's, as many self-signed ones do.
    pub fn issue_as_authority<const N: usize>(&self, hosts: [&str; N]) -> ServerCertificate {
        let mut params = params_for(&hosts);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> ServerCertificate {
        let key = KeyPair::generate().expect("a P-256 key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority can sign");
        ServerCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

fn params_for(hosts: &[&str]) -> CertificateParams {
    let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("host names are ASCII");
    params.distinguished_name.push(DnType::CommonName, hosts[0]);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    params
}
