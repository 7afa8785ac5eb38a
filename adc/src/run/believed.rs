//! Which credentials the control plane has believed: those that a reload brought and that it refuses give way to them.

use std::sync::Arc;

use crate::config::Config;

/// The configuration with which the link stood last.
#[derive(Debug, Default)]
pub(super) struct Believed(Option<Arc<Config>>);

impl Believed {
    /// The control plane has welcomed this agent.
    pub(super) fn welcomed(&mut self, config: &Arc<Config>) {
        self.0 = Some(Arc::clone(config));
    }

    /// What to go back to where this configuration is refused for good. `None` where it signs in like the one that was believed, whose
    /// secret was revoked then, or where none ever was.
    pub(super) fn instead_of(&self, refused: &Config) -> Option<Arc<Config>> {
        self.0.as_ref().filter(|believed| !believed.server.signs_in_like(&refused.server)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spared::tests::config;

    /// An agent's configuration with this Application ID.
    fn signing_in_as(application_id: &str, bind_password: &str) -> Arc<Config> {
        let mut config = Arc::unwrap_or_clone(config(bind_password));
        application_id.clone_into(&mut config.server.application_id);
        Arc::new(config)
    }

    #[test]
    fn what_never_was_believed_gives_way_to_what_was() {
        let (old, mistyped) = (signing_in_as("app_1", "x"), signing_in_as("app_2", "x"));
        let mut believed = Believed::default();
        assert!(believed.instead_of(&mistyped).is_none(), "at a first start there is nothing to go back to");
        believed.welcomed(&old);
        let back = believed.instead_of(&mistyped).expect("there is one");
        assert!(Arc::ptr_eq(&back, &old), "a run that goes on with it is of the configuration in use");
        // The new one was mended, and taken.
        believed.welcomed(&mistyped);
        assert!(believed.instead_of(&mistyped).is_none());
    }

    #[test]
    fn what_was_believed_and_is_refused_now_is_refused_whatever_else_was_reloaded() {
        let mut believed = Believed::default();
        believed.welcomed(&signing_in_as("app_1", "old"));
        assert!(believed.instead_of(&signing_in_as("app_1", "new")).is_none());
    }

    #[test]
    fn another_control_plane_or_another_secret_is_another_word() {
        let old = signing_in_as("app_1", "x");
        let mut believed = Believed::default();
        believed.welcomed(&old);
        let mut elsewhere = Arc::unwrap_or_clone(Arc::clone(&old));
        elsewhere.server.url = "https://elsewhere".parse().expect("an address");
        assert!(believed.instead_of(&elsewhere).is_some());
        let mut mistyped = Arc::unwrap_or_clone(Arc::clone(&old));
        mistyped.server.secret_token = "mistyped".into();
        assert!(believed.instead_of(&mistyped).is_some());
    }
}
