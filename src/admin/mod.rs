//! What an administrator does beside the running service.

mod bar;
pub mod check;
pub mod data;
pub mod export;
pub mod healthcheck;
pub mod import;
pub mod print_config;
pub mod report;
pub mod user;
