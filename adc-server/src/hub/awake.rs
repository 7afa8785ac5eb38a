//! Whether an agent is there: who is asked what nobody may be asked twice shall not have been frozen for a minute.

use super::Hub;
use crate::runs::AgentIdentity;
use adc_core::protocol::link::ServerMessage;
use std::time::Duration;
use tokio::time::timeout;

/// Whoever said something no longer ago than this is there: on a busy morning agents answer more often, and need no ping between two
/// people. Who is frozen within it has the password, and nobody else may be asked.
const A_MOMENT: Duration = Duration::from_millis(100);

impl Hub {
    /// Whether the agent of this process has said something a moment ago, or does so when it is pinged, `within` a time: it answers a
    /// ping at once, whatever else it does. That a link is broken, or a process stopped, would be seen only after two pings.
    pub async fn is_awake(&self, synchronization: &AgentIdentity, instance: &str, within: Duration) -> bool {
        let links = self.links_of(synchronization);
        let Some(link) = links.iter().find(|link| link.instance() == instance) else { return false };
        if link.was_silent_for(self.0.clock.steady()) <= A_MOMENT {
            return true;
        }
        let spoke = link.spoke.notified();
        tokio::pin!(spoke);
        // What is said between the ping and the wait counts.
        spoke.as_mut().enable();
        link.tell(ServerMessage::Ping);
        timeout(within, spoke).await.is_ok()
    }

    /// For how long the agent of this process has said nothing; for ever where it is gone.
    pub fn silence(&self, synchronization: &AgentIdentity, instance: &str) -> Duration {
        let links = self.links_of(synchronization);
        let link = links.iter().find(|link| link.instance() == instance);
        link.map_or(Duration::MAX, |link| link.was_silent_for(self.0.clock.steady()))
    }
}
