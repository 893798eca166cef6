//! What an administrator does beside the running service.

pub mod backup;
pub mod check;
pub mod compact;
pub mod data;
pub mod delete;
pub mod export;
pub mod format;
pub mod healthcheck;
pub mod import;
pub mod migrate;
pub mod print_config;
mod progress;
pub mod prune;
pub mod removal;
pub mod report;
pub mod stats;
pub mod status;
pub mod user;
