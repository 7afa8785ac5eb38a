//! The demo's own folder, with the agent's configuration in it.

use super::setup::Setup;
use crate::clock::random;
use adc::config::{self, Config, Environment, Overrides};
use adc_sandbox::sample;
use anyhow::{Context, anyhow};
use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A folder for its owner only; removed with everything in it when dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> anyhow::Result<Self> {
        let name = format!("adc-demo-{:016x}", u64::from_be_bytes(random()));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o700)))
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes adc.yaml and the secrets it points to, and reads it as the agent does.
    pub(super) fn write_configuration(
        &self,
        server: &str,
        directory: &str,
        setup: &Setup,
    ) -> anyhow::Result<Config> {
        let (secret, password) = (self.path("secret"), self.path("bind-password"));
        let yaml = format!(
            "server:\n  url: {server}\n  application_id: {}\n  secret_token_file: {}\n\
             backend:\n  ldap:\n    addr: {directory}\n    bind_dn: {}\n    bind_password_file: {}\n    base_dn: {}\n",
            setup.application_id,
            secret.display(),
            sample::READONLY_DN,
            password.display(),
            sample::BASE_DN
        );
        let path = self.path("adc.yaml");
        write_private(&secret, &setup.secret_token)?;
        write_private(&password, sample::READONLY_PASSWORD)?;
        write_private(&path, &yaml)?;
        let overrides = Overrides { path: Some(path), ..Overrides::default() };
        // Not the environment of this process: ADC_SERVER_URL would lead elsewhere.
        config::load(&overrides, &Environment::default()).map_err(|error| anyhow!("{error}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("cannot remove the demo's folder {}: {error}", self.0.display());
        }
    }
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
