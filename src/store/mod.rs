//! Where users' private XML is kept, so that what was acknowledged survives a power loss.

pub mod durable;
