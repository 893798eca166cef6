//! The simulator alone, and what it takes of the other tests, as tests/main.rs has them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]
#![allow(dead_code, reason = "the other tests use the rest")]

mod chaos {
    pub mod dice;
    pub mod model;
    pub mod request;
    pub mod wish;
}
mod simulation;
mod support {
    pub mod answers;
    pub mod cutter;
    pub mod place;
    pub mod ports;
    pub mod process;
    pub mod server;
}
