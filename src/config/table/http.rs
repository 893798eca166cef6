//! `[http]`: where the service can be asked how it is.

use std::net::SocketAddr;

use super::{Setting, Value};

pub(super) const SETTINGS: &[Setting] = &[setting!(
    http.listen,
    Value::Sample("\"127.0.0.1:9547\""),
    at a start,
    "The address and port at which a page for browsers, /livez, /readyz and /metrics (for \
     Prometheus) are answered, to anybody who can reach it: keep it on one machine or one \
     private network. Without this, there is none.",
    |given| {
        let expected = "address:port, such as \"127.0.0.1:9547\" or \"[::1]:9547\"";
        Some(given.text(expected, address)?)
    }
)];

/// An address and not a name: which of a name's addresses would be meant?
fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().filter(|it: &SocketAddr| it.port() != 0)
}
