//! What a run against a script needs.

use adc::config::file::File;
use adc::config::{Config, Environment, Overrides, resolve};
use adc_core::policy::Policy;
use adc_core::protocol::{Mode, OpenedRun};
use adc_core::settings::{EffectiveSettings, Settings};
use adc_sandbox::{Sandbox, sample};

use crate::script::Script;

/// A configuration with more lines below `backend.ldap`.
pub(crate) fn config(script: &Script, sandbox: &Sandbox, more: &str) -> Config {
    let text = format!(
        "server: {{url: '{}', application_id: a, secret_token: t}}\nbackend:\n  ldap:\n    addr: {}\n    bind_dn: {}\n    bind_password: {}\n    base_dn: {}\n{more}",
        script.url(),
        sandbox.url(),
        sample::READONLY_DN,
        sample::READONLY_PASSWORD,
        sample::BASE_DN,
    );
    let file = File::parse("adc.yaml", &text).expect("parses");
    resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves")
}

/// What is answered to a run that may begin.
pub(crate) fn opened() -> String {
    let opened = OpenedRun {
        run_id: "run_1".to_owned(),
        mode: Mode::Full,
        full_because: None,
        settings: EffectiveSettings::merge(&Settings::default(), &Settings::default(), false),
        policy: Policy::default(),
        checkpoint: None,
        left: std::collections::BTreeSet::new(),
        others_were_read: false,
        mirror_empty: true,
    };
    serde_json::to_string(&opened).expect("prints")
}
