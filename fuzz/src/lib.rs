//! What is fuzzed, and what is held against it. Each target is a plain function, so that the
//! ordinary tests can replay the corpus without a fuzzer (`tests/corpus.rs` includes this file).
//!
//! Input that begins with `<` is taken as XML, so that a hazard can be written down by hand;
//! any other is a source of choices for [`generate`].

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

mod archive;
mod bookmarks;
mod formats;
mod frames;
mod generate;
mod infoset;
mod model;
mod pep;
mod reader;
mod request;
mod service;
mod tokens;
mod tree;

pub use archive::archive;
pub use bookmarks::bookmarks;
pub use formats::{prosody, xep0227};
pub use frames::frames;
pub use reader::reader;
pub use service::service;
pub use tokens::tokens;

/// A stream's header as servers send it.
const HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
     xmlns:stream='http://etherx.jabber.org/streams' id='it' from='private.example.org'>";

/// What ends it.
const END: &str = "</stream:stream>";

/// Whether the input is XML written by hand, or else choices.
fn is_xml(input: &[u8]) -> bool {
    input.starts_with(b"<")
}
