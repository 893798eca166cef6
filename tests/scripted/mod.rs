//! The program beside a router that does what the test tells it.

mod addresses;
mod bookmarks;
mod check;
mod command_line;
mod commands;
mod delegated;
mod direct;
mod durable;
mod encrypted;
mod everything_else;
mod fairness;
mod forget;
mod half_dead;
mod health;
mod limits;
mod link;
mod login;
mod logs;
mod memory;
mod metrics;
mod moving;
mod namespaces;
mod regressions;
mod reload;
mod removal;
mod service_manager;
pub mod stage;
