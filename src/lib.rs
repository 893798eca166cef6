//! Private XML storage (XEP-0049) for XMPP, as an external component (XEP-0114).
//!
//! The program is [`cli::main`]; the rest is public for tests, fuzzers and benches. From the
//! bottom up:
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`stanza`] | the vocabulary: what was received, what is answered |
//! | [`metrics`] | what is counted |
//! | [`panics`] | what keeps a panic from costing more than one request |
//! | [`address`] | whose data: addresses, normalised |
//! | [`xml`] | XML of strangers: cut, read, brought into the form that is stored |
//! | [`formats`] | files in which users' private XML comes and goes |
//! | [`store`] | where elements are kept, durably |
//! | [`postgres`] | the same in a database that is replicated |
//! | [`config`] | one file and the environment → one checked `Config` |
//! | [`link`] | one connection to a server: bytes → stanzas, replies → bytes |
//! | [`service`] | what is done with a stanza: one file per extension |
//! | [`bookmarks`] | room bookmarks, kept in step with PEP |
//! | [`replies`] | what is answered, on its way to the link |
//! | [`requests`] | the open requests, each a task: order, fairness, bounds |
//! | [`component`] | connect, serve, lose the link, connect again |
//! | [`archive`] | owners as bytes: backups |
//! | [`owners`] | owners page by page, in this process or through the control socket |
//! | [`admin`] | what an administrator does beside the service |
//! | [`status`] | what the service is doing right now |
//! | [`http`], [`control`] | where it can be asked; how it is asked |
//! | [`run`] | the service from its first log line to its last |
//! | [`cli`] | arguments, exit codes |
//!
//! The path of one request: `link::inbound` reads bytes, `xml::frame` cuts them into stanzas,
//! `xml::reader` resolves names and normalises payloads; `component` hands each stanza to
//! `requests::accept`, which asks `service::plan` and serves what needs the store in a task of its own;
//! `store` reads, or writes in a group commit; the reply goes by `replies` to `link::outbound`.
//! `docs/internals/architecture.md` has the invariants.

// They panic where nobody can read what they print.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod admin;
pub mod archive;
pub mod bookmarks;
pub mod cli;
pub mod component;
pub mod config;
pub mod control;
pub mod exit;
pub mod http;
pub mod limits;
pub mod logs;
pub mod metrics;
pub mod owners;
pub mod replies;
pub mod requests;
pub mod run;
pub mod service;
pub mod start;
pub mod status;

pub use xmpp_component_link as link;
pub use xmpp_stanza::{address, stanza, xml};
pub use xps_base::{clock, panics, random, threads};
pub use xps_formats as formats;
pub use xps_postgres as postgres;
pub use xps_store as store;
