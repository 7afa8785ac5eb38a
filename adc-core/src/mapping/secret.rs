//! What is never read from a directory, whoever asks.

/// An attribute that holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    /// The attribute's name; one that ends in `*` stands for all that begin so.
    pub name: &'static str,
    /// Its OID, by which it could be asked for as well; empty where names are not tied to one.
    pub oid: &'static str,
    /// What it holds.
    pub what: &'static str,
}

/// Attributes that no mapping, filter, sample or adc.yaml may name (invariant 5).
///
/// Directories hide most of them from ordinary accounts. But bind accounts are often given more rights than they
/// need, and a filter on a secret finds it out letter by letter even where its value is not returned.
pub const SECRETS: [Secret; 49] = [
    secret("userPassword", "2.5.4.35", PASSWORD),
    secret("authPassword", "1.3.6.1.4.1.4203.1.3.4", PASSWORD),
    secret("pwdHistory", "1.3.6.1.4.1.42.2.27.8.1.20", OLD_PASSWORDS),
    secret("passwordHistory", "2.16.840.1.113730.3.1.96", OLD_PASSWORDS),
    secret("olcRootPW", "1.3.6.1.4.1.4203.1.12.2.3.2.0.13", PASSWORD),
    secret("olcDbRootPW", "", PASSWORD),
    secret("nsslapd-rootpw", "", PASSWORD),
    secret("nsDS5ReplicaCredentials", "", PASSWORD),
    secret("nsDS5ReplicaBootstrapCredentials", "", PASSWORD),
    secret("nsMultiplexorCredentials", "", PASSWORD),
    secret("nsSymmetricKey", "", KEY),
    // Active Directory
    secret("unicodePwd", "1.2.840.113556.1.4.90", PASSWORD),
    secret("dBCSPwd", "1.2.840.113556.1.4.55", PASSWORD),
    secret("ntPwdHistory", "1.2.840.113556.1.4.94", OLD_PASSWORDS),
    secret("lmPwdHistory", "1.2.840.113556.1.4.160", OLD_PASSWORDS),
    secret("supplementalCredentials", "1.2.840.113556.1.4.125", PASSWORD),
    secret("unixUserPassword", "1.2.840.113556.1.4.1910", PASSWORD),
    secret("msSFU30Password", "", PASSWORD),
    secret("ms-Mcs-AdmPwd*", "", "a computer's administrator password (LAPS)"),
    secret("msLAPS-*", "", "a computer's administrator password (Windows LAPS)"),
    secret("msDS-ManagedPassword*", "", "a service account's password"),
    secret("msFVE-*", "", "a disk's recovery key (BitLocker)"),
    secret("msTPM-OwnerInformation*", "", "a security chip's owner password"),
    secret("msPKI-CredentialRoamingTokens", "", KEY),
    secret("msPKIAccountCredentials", "", KEY),
    secret("msPKIDPAPIMasterKeys", "", KEY),
    secret("msKds-*", "", "a key from which service accounts' passwords are made"),
    secret("pekList", "", KEY),
    secret("currentValue", "1.2.840.113556.1.4.27", "a secret of the domain"),
    secret("priorValue", "1.2.840.113556.1.4.100", "a secret of the domain"),
    secret("trustAuthIncoming", "1.2.840.113556.1.4.129", "the key of a trust between domains"),
    secret("trustAuthOutgoing", "1.2.840.113556.1.4.135", "the key of a trust between domains"),
    secret("initialAuthIncoming", "", "the key of a trust between domains"),
    secret("initialAuthOutgoing", "", "the key of a trust between domains"),
    // Samba, Kerberos and FreeIPA
    secret("sambaNTPassword", "1.3.6.1.4.1.7165.2.1.25", PASSWORD),
    secret("sambaLMPassword", "1.3.6.1.4.1.7165.2.1.24", PASSWORD),
    secret("sambaPasswordHistory", "1.3.6.1.4.1.7165.2.1.54", OLD_PASSWORDS),
    secret("sambaClearTextPassword", "1.3.6.1.4.1.7165.2.1.68", PASSWORD),
    secret("sambaPreviousClearTextPassword", "1.3.6.1.4.1.7165.2.1.69", PASSWORD),
    secret("krbPrincipalKey", "2.16.840.1.113719.1.301.4.39.1", KERBEROS_KEY),
    secret("krbMKey", "", KERBEROS_KEY),
    secret("krb5Key", "1.3.6.1.4.1.5322.10.1.10", KERBEROS_KEY),
    secret("krbPwdHistory", "", OLD_PASSWORDS),
    secret("ipaNTHash", "", PASSWORD),
    secret("ipatokenOTPkey", "", "a one-time password token's key"),
    // eDirectory, certificates, tokens
    secret("nspmPassword*", "", PASSWORD),
    secret("nspmDistributionPassword", "", PASSWORD),
    secret("userPKCS12", "2.16.840.1.113730.3.1.216", KEY),
    secret("oathSecret*", "", "a one-time password token's key"),
];

const PASSWORD: &str = "a password or its hash";
const OLD_PASSWORDS: &str = "former passwords or their hashes";
const KEY: &str = "a private key";
const KERBEROS_KEY: &str = "a Kerberos key";

const fn secret(name: &'static str, oid: &'static str, what: &'static str) -> Secret {
    Secret { name, oid, what }
}

/// What makes an attribute type secret, if anything.
pub(super) fn find(attribute_type: &str) -> Option<&'static Secret> {
    SECRETS.iter().find(|secret| secret.covers(attribute_type))
}

impl Secret {
    fn covers(&self, attribute_type: &str) -> bool {
        if !self.oid.is_empty() && self.oid == attribute_type {
            return true;
        }
        match self.name.strip_suffix('*') {
            Some(prefix) => {
                attribute_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            }
            None => self.name.eq_ignore_ascii_case(attribute_type),
        }
    }
}
