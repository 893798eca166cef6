//! The program beside a router that does what the test tells it.

mod addresses;
mod command_line;
mod delegated;
mod direct;
mod durable;
mod everything_else;
mod fairness;
mod half_dead;
mod health;
mod limits;
mod link;
mod login;
mod memory;
mod namespaces;
mod regressions;
mod service_manager;
pub mod stage;
