//! What an administrator does beside the running service.

pub mod check;
pub mod data;
pub mod healthcheck;
pub mod print_config;
pub mod report;
pub mod user;
