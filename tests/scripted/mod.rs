//! The program beside a router that does what the test tells it.

mod delegated;
mod direct;
mod everything_else;
mod hunt;
mod limits;
mod link;
mod namespaces;
pub mod stage;
