//! Files in which users' private XML comes and goes: what other servers write and read.
//!
//! | format | read | written |
//! | --- | --- | --- |
//! | XEP-0227, as ejabberd's `export_piefxis` and Prosody's `xep0227` storage write it | [`Import`] | [`Export`] |
//! | the folder of Prosody's internal storage | [`Import`] | |
//!
//! A command on top of it, in full:
//!
//! ```no_run
//! use xps_formats::{Import, Item, Limits, Stale};
//!
//! let limits = Limits { bytes: 10 << 20, elements: 1000, depth: 256, name_bytes: 1024 };
//! let mut import = Import::of(["/var/lib/prosody".into()], limits, Stale::LeaveOut);
//! let progress = import.progress(); // another thread may look at it meanwhile
//! for item in import {
//!     match item {
//!         Item::User(user) => {
//!             // Whether `user.domain` is served, whether the user has data already, whether an
//!             // entry's namespace is accepted: that is for the caller to decide, for each user
//!             // at once. An entry is what the store takes for (namespace, name).
//!             println!("{}: {} entries", user.jid, user.entries.len());
//!             for problem in &user.problems {
//!                 eprintln!("{problem}");
//!             }
//!         }
//!         Item::Problem(problem) => eprintln!("{problem}"),
//!     }
//!     eprint!("\r{} of {} bytes", progress.done(), progress.total());
//! }
//! ```
//!
//! Elements come out byte for byte as if a client had set them: [`xmpp_stanza::xml::reader`] reads them
//! here as it does there. What a set would refuse for its shape is a problem with its place; what
//! only the configuration refuses (reserved namespaces, quotas) is handed over.
//!
//! Architecture invariants: this crate knows neither store nor network. It holds one user's private
//! data at a time, up to [`Limits`], however large the files are. It opens nothing outside of the
//! folders it was given, and runs nothing it reads.

mod confined;
mod cut;
mod decode;
mod export;
mod import;
mod input;
mod lua;
mod problem;
mod progress;
mod prosody;
#[cfg(test)]
mod tests;
mod user;
mod walk;
mod xep0227;

pub use export::{Export, file_name};
pub use import::{Import, Item};
pub use problem::{Place, Problem, Reason};
pub use progress::Progress;
pub use prosody::prosody_user;
pub use user::{Entry, Limits, User};
pub use walk::Stale;
