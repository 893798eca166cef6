//! Private XML storage for XMPP, as an external component.
pub mod admin;
pub mod cli;
pub mod component;
pub mod config;
pub mod dispatch;
pub mod exit;
pub mod link;
pub mod service;
pub mod stanza;
pub mod start;
pub mod store;
