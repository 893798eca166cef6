//! What the other crates stand on: the clock, randomness and threads, each of which enters the program
//! here alone, and what keeps a panic from costing more than one request.

pub mod clock;
pub mod panics;
pub mod random;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod threads;
