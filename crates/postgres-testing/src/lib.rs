//! Real PostgreSQL servers for tests, from the packages of the system (Debian: `postgresql`).
//!
//! A server lives in a folder of its own, listens on a free port of loopback, and lets everybody in. It ends with its
//! [`Server`], and also when the process of the test ends in any other way. As root it runs as the user `postgres`, as it
//! must not be root.
//!
//! ```no_run
//! use xps_postgres_testing::{Pair, Proxy};
//!
//! let mut pair = Pair::start();
//! let way = Proxy::to(pair.a.port());
//! // … a store over [("127.0.0.1", way.port()), ("127.0.0.1", pair.b.port())]
//! pair.a.kill();
//! pair.b.promote();
//! ```
//!
//! Everything here panics when it does not work.

#![expect(
    clippy::missing_panics_doc,
    reason = "a tool of tests, which says so once"
)]

mod pair;
mod ports;
mod processes;
mod programs;
mod proxy;
mod server;

pub use pair::Pair;
pub use processes::signal_all;
pub use programs::{give, path, program};
pub use proxy::{Proxy, Way};
pub use server::{DATABASE, Options, Server, USER};
