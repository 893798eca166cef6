//! What the store tells whoever measures it.

use std::fmt::Debug;
use std::time::Duration;

/// Whoever measures a store. It is told by the writer thread, and must not hold that up.
pub trait Observer: Debug + Send + Sync {
    /// A group of so many sets was carried out.
    fn group(&self, sets: usize);

    /// A sync took so long.
    fn synced(&self, took: Duration);

    fn failed(&self);

    /// How many bytes are stored, and by how many owners, once that is known, and while it is.
    fn stored(&self, bytes_and_owners: Option<(u64, u64)>);
}
