//! What messages call the settings that say where the directory is and who reads it.

use super::Reach;

/// What advice calls each setting, so that whoever reads it finds them: an agent of its own has an adc.yaml, and a hosted connector the
/// connection of its synchronization.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingNames {
    /// Where all of them are.
    pub place: &'static str,
    /// Where the directory is.
    pub address: &'static str,
    /// The account that reads.
    pub account: &'static str,
    /// Its password.
    pub password: &'static str,
    /// The subtree that bounds everything.
    pub base_dn: &'static str,
    /// What to do where the directory wants a safe connection.
    pub safer: &'static str,
    /// What has the account tried at once, once it was mended.
    pub tried_again: &'static str,
    /// What says whether it is right, as an end of a sentence.
    pub checked: &'static str,
    /// What says why no changes can be followed.
    pub feed_explained: &'static str,
}

/// Those of adc.yaml.
const OF_ADC_YAML: SettingNames = SettingNames {
    place: "adc.yaml",
    address: "backend.ldap.addr",
    account: "backend.ldap.bind_dn",
    password: "backend.ldap.bind_password",
    base_dn: "backend.ldap.base_dn",
    safer: "use ldaps:// in backend.ldap.addr, or set backend.ldap.start_tls: true",
    tried_again: "reload this agent (SIGHUP), or have it make a run or a test of the connection",
    checked: "; `adc check` says whether it is right",
    feed_explained: "adc check says why",
};

/// Those of a synchronization whose connector the control plane runs itself: what was set there takes effect at once.
const OF_A_CONNECTION: SettingNames = SettingNames {
    place: "the synchronization's connection",
    address: "the synchronization's connection",
    account: "the user of the synchronization's connection",
    password: "the password of the synchronization's connection",
    base_dn: "the base_dn of the synchronization's connection",
    safer: "set tls of the synchronization's connection to ldaps or start_tls",
    tried_again: "have the connector make a run or a test of the connection",
    checked: "",
    feed_explained: "a test of the connection says why",
};

impl SettingNames {
    /// As whoever set them knows them.
    pub fn of(reach: &Reach) -> &'static Self {
        // Nobody judges where an agent of its own may connect to.
        if reach.is_judged() { &OF_A_CONNECTION } else { &OF_ADC_YAML }
    }
}
