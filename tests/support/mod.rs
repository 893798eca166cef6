//! What the tests stand on: real servers, the program itself, and clients.
//!
//! Everything here is synchronous, listens on 127.0.0.1 only, keeps its files in folders of its
//! own, and is gone when the tests are, however they end.

pub mod answers;
pub mod certificates;
pub mod client;
pub mod clock;
pub mod component;
pub mod cutter;
pub mod database;
pub mod ejabberd;
pub mod front;
pub mod library;
pub mod memory;
pub mod place;
pub mod ports;
pub mod process;
pub mod prosody;
pub mod relay;
pub mod router;
pub mod server;
pub mod web;
