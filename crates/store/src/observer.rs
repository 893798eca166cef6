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

    /// A database answered a statement after so long.
    fn round_trip(&self, _took: Duration) {}

    /// A statement was sent again, because another was in its way, or the connection was lost.
    fn retried(&self) {}

    /// Another server is the primary of the database from now on, or the same one after a restart.
    fn failed_over(&self) {}

    /// So many changes are in doubt now: they were sent, and the connection was lost before an answer.
    fn in_doubt(&self, _changes: usize) {}

    /// There are so many connections to the database now; none while it cannot be reached.
    fn connected(&self, _connections: usize) {}
}
