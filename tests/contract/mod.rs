//! The rows of the contract without a process around them: a stanza goes in, and its reply comes out. They
//! are the scenarios of `scripted`, which plays them through the socket, with the program on sled; `postgres`
//! does the same on PostgreSQL.

#![allow(clippy::duplicate_mod, reason = "the same rows, on another stage")]

mod postgres;
mod stage;

#[path = "../scripted/addresses.rs"]
mod addresses;
#[path = "../scripted/delegated.rs"]
mod delegated;
#[path = "../scripted/direct.rs"]
mod direct;
#[path = "../scripted/everything_else.rs"]
mod everything_else;
#[path = "../scripted/limits.rs"]
mod limits;
