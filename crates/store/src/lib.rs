//! Where users' private XML is kept, so that what was acknowledged survives a power loss.
//!
//! The interface speaks of owners, elements and sets of changes, never of trees, keys or pages:
//!
//! ```
//! use xps_store::{Change, ChangeSet, Quota, Owner, Store, Value};
//!
//! let store = Store::in_memory();
//! let owner = Owner::new("juliet@capulet.lit").ok_or("not an owner")?;
//! let value = Value { text: "<prefs xmlns='app'>dark</prefs>".into(), elements: 1 };
//! let change = Change { namespace: "app".into(), name: "prefs".into(), value: Some(value) };
//! let quota = Quota { max_namespace_bytes: 100, max_user_bytes: 100, max_user_elements: 10 };
//!
//! let (done, answer) = std::sync::mpsc::channel();
//! let set = ChangeSet { owner: owner.clone(), quota, changes: vec![change] };
//! store.submit(set, move |result| drop(done.send(result)));
//! answer.recv()??; // it is on disk now, or would be, were this not a store in memory
//!
//! let mut text = String::new();
//! assert_eq!(store.read(&owner, "app", Some("prefs"), &mut text)?, 1);
//! assert_eq!(text, "<prefs xmlns='app'>dark</prefs>");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Store`] is over a [`Backend`]. `local` is the one with an engine of its own; others are crates of their own. In it, a
//! set goes `commit` (the writer thread groups what waits) → `plan` (limits, and which records
//! change; `usage` knows what the owner has) → `record` (how a record looks) → an `engine`: `disk`,
//! which is sled, or `memory`. A read goes straight to the engine and through `read`.
//! When the engine breaks, `revive` opens it again; when it holds much garbage, `compact` has a copy
//! of what lives take its place. docs/internals/storage.md says what sled is trusted with,
//! and what not.
//!
//! `census` counts what is stored altogether, for whoever measures it; `totals` does for whoever asks once.
//!
//! Architecture invariants: this crate knows no XMPP and no async runtime. One thread writes. A
//! read sees every set wholly or not at all, but it may see one that is not durable yet: the
//! caller keeps reads of an owner back while that owner's sets are under way.

mod backend;
mod census;
mod change;
mod commit;
mod compact;
mod disk;
pub mod durable;
mod engine;
mod error;
mod format;
mod local;
mod memory;
mod observer;
mod plan;
mod quota;
mod read;
mod recent;
mod record;
mod request;
mod revive;
mod shared;
#[cfg(feature = "simulation")]
pub mod simulation;
mod space;
mod storage;
mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
#[cfg(any(test, feature = "suite", feature = "simulation"))]
mod table;
mod totals;
mod turn;
mod usage;
mod whole;

pub use backend::{Asked, Backend, Work};
pub use change::{Change, ChangeSet, Existing, Owner, Quota, Value};
pub use compact::Compacted;
pub use disk::FolderLock;
pub use error::{CompactError, OpenError, ReadError, SetError, unless_damaged};
pub use format::FORMAT;
pub use observer::Observer;
pub use quota::Growth;
pub use recent::{Recent, Weigh};
pub use shared::{Done, Told};
pub use space::Scarce;
pub use storage::{Elements, Held, Query, Storage, Turn, Under};
pub use store::{Options, Store};
pub use totals::Totals;
pub use turn::{Hold, Take, Taken};
pub use whole::{Amount, Entry, NamespaceUsage, OwnerData};
