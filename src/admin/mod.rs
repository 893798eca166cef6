//! What an administrator does beside the running service.

pub mod check;
pub mod healthcheck;
pub mod print_config;
