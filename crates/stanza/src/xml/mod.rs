//! XML of strangers: how a stream of it is cut, read and brought into normal form.
//!
//! [`scan`] finds markup, [`frame`] cuts a stream into stanzas, [`reader`] reads one of them: it is taken
//! apart (`tokens`), names are resolved (`namespaces`), payloads are written in the one form in which they are stored
//! (`fragment`). What comes over a link and what comes out of a file goes through the same code,
//! so that the same element is the same bytes, wherever it came from.

pub mod fragment;
pub mod frame;
mod names;
mod namespaces;
pub mod normal;
pub mod reader;
pub mod scan;
pub mod tokens;

pub use scan::NotXml;
