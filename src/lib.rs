//! Private XML storage for XMPP, as an external component.
pub mod component;
pub mod dispatch;
pub mod link;
pub mod service;
pub mod stanza;
pub mod store;
