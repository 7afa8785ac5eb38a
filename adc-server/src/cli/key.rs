//! `adc-server key`

use super::{Global, output};
use crate::hosted::Key;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the file for serve --key-file; keep a copy of it apart from the database's backup
    Create {
        /// Where; a file that is there is never overwritten
        path: PathBuf,
    },
}

impl Command {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Create { path } = self;
        let key = Key::create(&path)?;
        let text = format!("wrote the key {} to {}", key.id(), path.display());
        output::show(global.output, &text, &json!({ "key_id": key.id(), "path": path }))
    }
}
