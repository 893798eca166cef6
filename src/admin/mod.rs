//! What an administrator does beside the running service.

pub mod print_config;
