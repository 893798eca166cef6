//! What an administrator does beside the running service.

pub mod check;
pub mod data;
pub mod delete;
pub mod healthcheck;
pub mod print_config;
pub mod prune;
pub mod removal;
pub mod report;
pub mod user;
