//! The store over real PostgreSQL servers, and what happens when those fail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails is to say so"
)]

mod contents;
mod doubt;
mod failover;
mod load;
mod network;
mod shared;
mod suite;
mod support;
mod synchronous;
mod tls;
mod turns;
