//! What is counted of links to the server.

use prometheus::{IntCounter, Registry};

use super::counter;

#[derive(Debug, Clone)]
pub struct Link {
    /// The server has let us in. All but the first are reconnects.
    pub logins: IntCounter,
    /// A link that was up was lost.
    pub losses: IntCounter,
    /// An attempt to log in failed.
    pub failures: IntCounter,
}

impl Link {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            logins: counter(
                registry,
                "logins_total",
                "Logins to the server; all but the first are reconnects.",
            )?,
            losses: counter(
                registry,
                "link_losses_total",
                "Links to the server that were lost.",
            )?,
            failures: counter(
                registry,
                "login_failures_total",
                "Attempts to log in to the server that failed.",
            )?,
        })
    }
}
