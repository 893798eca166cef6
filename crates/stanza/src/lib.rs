//! XMPP stanzas of strangers: cut out of a stream, read without building a tree, brought into one form, and
//! written.
//!
//! - [`xml`] cuts and reads;
//! - [`stanza`] is the vocabulary: what was received, what is answered;
//! - [`address`] says whose an address is.

pub mod address;
pub mod stanza;
pub mod xml;
