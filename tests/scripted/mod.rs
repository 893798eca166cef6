//! The program beside a router that does what the test tells it.

mod delegated;
mod direct;
mod durable;
mod everything_else;
mod half_dead;
mod limits;
mod link;
mod memory;
mod namespaces;
pub mod stage;
