//! The configuration that a test starts the program with.

use std::net::SocketAddr;

use super::super::server::{COMPONENT, HOST, OTHER_HOST, SECRET};

/// How the program is to be configured.
pub struct Options {
    /// Where the server listens for it, as the configuration has it.
    pub server: String,
    /// What it is called.
    pub jid: String,
    /// What it says to prove that.
    pub secret: String,
    /// Whose users it serves.
    pub domains: Vec<String>,
    /// Further lines of the section `[component]`.
    pub component: String,
    /// Further lines of the section `[access]`.
    pub access: String,
    /// Further lines of the section `[storage]`, and the sections below it; none with sled.
    pub storage: String,
    /// Further sections of the configuration file.
    pub extra: String,
    /// A program, with its arguments, that runs the component in its turn: none, or a tracer.
    pub under: Vec<String>,
}

impl Options {
    /// A component that fits the servers of `support::server` and serves both their hosts.
    pub fn at(server: SocketAddr) -> Options {
        Options {
            server: server.to_string(),
            jid: COMPONENT.to_owned(),
            secret: SECRET.to_owned(),
            domains: vec![HOST.to_owned(), OTHER_HOST.to_owned()],
            component: String::new(),
            access: String::new(),
            storage: String::new(),
            extra: String::new(),
            under: Vec::new(),
        }
    }

    /// The configuration file.
    pub fn toml(&self) -> String {
        let Options {
            server,
            jid,
            secret,
            domains,
            component,
            access,
            storage,
            extra,
            under: _,
        } = self;
        format!(
            "[component]\njid = \"{jid}\"\nserver = \"{server}\"\nsecret = \"{secret}\"\n{component}\n\n\
             [access]\ndomains = {domains:?}\n{access}\n\n\
             [storage]\npath = \"data\"\n{storage}\n{extra}"
        )
    }
}
