//! The seven switches of adc.yaml, and how the control plane's and the agent's are merged.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The switches as one side wrote them; what is `None` there is left to the other side, then to the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Preview only: nothing is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Leave existing users, groups and org units as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_update: Option<bool>,
    /// Add nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_create: Option<bool>,
    /// Remove nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_delete: Option<bool>,
    /// A removal disables the user instead of deleting it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_disables: Option<bool>,
    /// Leave alone a user of the same name that another provider owns, instead of adopting it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_update_provider_mismatch: Option<bool>,
    /// Create users disabled; an administrator enables them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_as_disabled: Option<bool>,
}

/// Which side decided a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The control plane's settings of the synchronization.
    Server,
    /// The agent's adc.yaml (or its `--dry-run`).
    Client,
    /// Neither side said anything.
    Default,
}

/// A switch as it is in force, and who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Switch {
    /// Whether the switch is on.
    pub value: bool,
    /// The side that decided it.
    pub origin: Origin,
}

/// The settings in force for one run, computed by the control plane; the agent is told them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EffectiveSettings {
    /// See [`Settings::dry_run`].
    pub dry_run: Switch,
    /// See [`Settings::no_update`].
    pub no_update: Switch,
    /// See [`Settings::no_create`].
    pub no_create: Switch,
    /// See [`Settings::no_delete`].
    pub no_delete: Switch,
    /// See [`Settings::delete_disables`].
    pub delete_disables: Switch,
    /// See [`Settings::no_update_provider_mismatch`].
    pub no_update_provider_mismatch: Switch,
    /// See [`Settings::create_as_disabled`].
    pub create_as_disabled: Switch,
}

impl EffectiveSettings {
    /// Merges both sides: the server's value, else the client's, else the default.
    ///
    /// `dry_run_flag` is `adc imp --dry-run`. It can only narrow: it is honoured whatever either side's settings
    /// say (invariant 3).
    pub fn merge(server: &Settings, client: &Settings, dry_run_flag: bool) -> Self {
        let dry_run = if dry_run_flag && server.dry_run != Some(true) {
            Switch { value: true, origin: Origin::Client }
        } else {
            decide(server.dry_run, client.dry_run, false)
        };
        Self {
            dry_run,
            no_update: decide(server.no_update, client.no_update, false),
            no_create: decide(server.no_create, client.no_create, false),
            no_delete: decide(server.no_delete, client.no_delete, false),
            delete_disables: decide(server.delete_disables, client.delete_disables, false),
            no_update_provider_mismatch: decide(
                server.no_update_provider_mismatch,
                client.no_update_provider_mismatch,
                true,
            ),
            create_as_disabled: decide(server.create_as_disabled, client.create_as_disabled, false),
        }
    }

    /// The values alone, dry-run left out: what a plan depends on. Two runs that agree here decide alike.
    pub fn deciding_values(&self) -> [bool; 6] {
        [
            self.no_update.value,
            self.no_create.value,
            self.no_delete.value,
            self.delete_disables.value,
            self.no_update_provider_mismatch.value,
            self.create_as_disabled.value,
        ]
    }
}

fn decide(server: Option<bool>, client: Option<bool>, default: bool) -> Switch {
    match (server, client) {
        (Some(value), _) => Switch { value, origin: Origin::Server },
        (None, Some(value)) => Switch { value, origin: Origin::Client },
        (None, None) => Switch { value: default, origin: Origin::Default },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field = (fn(&mut Settings, Option<bool>), fn(&EffectiveSettings) -> Switch, bool);

    /// How to set a switch, how to read it, and its default.
    const SWITCHES: [Field; 7] = [
        (|s, v| s.dry_run = v, |e| e.dry_run, false),
        (|s, v| s.no_update = v, |e| e.no_update, false),
        (|s, v| s.no_create = v, |e| e.no_create, false),
        (|s, v| s.no_delete = v, |e| e.no_delete, false),
        (|s, v| s.delete_disables = v, |e| e.delete_disables, false),
        (|s, v| s.no_update_provider_mismatch = v, |e| e.no_update_provider_mismatch, true),
        (|s, v| s.create_as_disabled = v, |e| e.create_as_disabled, false),
    ];
    const SIDES: [Option<bool>; 3] = [None, Some(false), Some(true)];

    #[test]
    fn every_switch_merges_server_then_client_then_default() {
        for (set, get, default) in SWITCHES {
            for server in SIDES {
                for client in SIDES {
                    let mut theirs = Settings::default();
                    let mut ours = Settings::default();
                    set(&mut theirs, server);
                    set(&mut ours, client);
                    let merged = EffectiveSettings::merge(&theirs, &ours, false);
                    let expected = match (server, client) {
                        (Some(value), _) => Switch { value, origin: Origin::Server },
                        (None, Some(value)) => Switch { value, origin: Origin::Client },
                        (None, None) => Switch { value: default, origin: Origin::Default },
                    };
                    assert_eq!(get(&merged), expected);

                    // The others do not care.
                    let untouched =
                        EffectiveSettings::merge(&Settings::default(), &Settings::default(), false);
                    let moved = SWITCHES.iter().filter(|(_, get, _)| get(&merged) != get(&untouched)).count();
                    assert_eq!(moved, usize::from(expected.origin != Origin::Default));
                }
            }
        }
    }

    #[test]
    fn the_dry_run_flag_narrows_whatever_the_settings_say() {
        for server in SIDES {
            for client in SIDES {
                let theirs = Settings { dry_run: server, ..Settings::default() };
                let ours = Settings { dry_run: client, ..Settings::default() };
                assert!(EffectiveSettings::merge(&theirs, &ours, true).dry_run.value);
            }
        }
    }

    #[test]
    fn switches_are_written_as_adc_yaml_writes_them() {
        let text = r#"{"dry-run":true,"no-update-provider-mismatch":false}"#;
        let settings: Settings = serde_json::from_str(text).expect("parses");
        assert_eq!(serde_json::to_string(&settings).expect("prints"), text);
        assert!(serde_json::from_str::<Settings>(r#"{"dry_run":true}"#).is_err());
    }
}
