//! Exit codes as in `sysexits.h`, which service managers and scripts know.

/// The arguments are wrong.
pub const USAGE: u8 = 64;
/// A list of accounts is not one that can be gone by.
pub const LIST: u8 = 65;
/// Nobody of that address has anything stored.
pub const NO_USER: u8 = 67;
/// A running service or the router could not be reached.
pub const UNAVAILABLE: u8 = 69;
/// The store cannot be used.
pub const STORE: u8 = 74;
/// The configuration cannot be used.
pub const CONFIG: u8 = 78;
