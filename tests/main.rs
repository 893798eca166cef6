//! Tests of the whole program, seen from outside.
//!
//! `real` runs it beside a real Prosody and a real ejabberd; `scripts/test` installs what that
//! takes.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

mod chaos;
mod commands;
mod contract;
mod corpus;
mod failover;
mod fidelity;
mod packaging;
mod real;
mod rooms;
mod scripted;
mod simulation;
mod store;
mod support;
mod verdicts;
