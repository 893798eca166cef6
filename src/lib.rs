//! Private XML storage for XMPP, as an external component.

pub mod config;
