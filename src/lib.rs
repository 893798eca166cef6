//! Private XML storage for XMPP, as an external component.

pub mod admin;
pub mod config;
