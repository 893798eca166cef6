//! Exit codes as in `sysexits.h`, which service managers and scripts know.

/// It was done, but for what was named.
pub const PARTLY: u8 = 1;
/// The arguments are wrong.
pub const USAGE: u8 = 64;
/// A running service or the router could not be reached.
pub const UNAVAILABLE: u8 = 69;
/// The store cannot be used.
pub const STORE: u8 = 74;
/// The configuration cannot be used.
pub const CONFIG: u8 = 78;
