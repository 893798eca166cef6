//! Exit codes as in `sysexits.h`, which service managers and scripts know.

/// It was done, but for parts that were named.
pub const INCOMPLETE: u8 = 1;
/// The arguments are wrong.
pub const USAGE: u8 = 64;
/// A file that is to be read cannot be, or is not what it should be.
pub const INPUT: u8 = 65;
/// Nobody of that address has anything stored.
pub const NO_USER: u8 = 67;
/// A running service or the server could not be reached.
pub const UNAVAILABLE: u8 = 69;
/// A file cannot be written, or is there already.
pub const OUTPUT: u8 = 73;
/// The store cannot be used.
pub const STORE: u8 = 74;
/// The configuration cannot be used.
pub const CONFIG: u8 = 78;
