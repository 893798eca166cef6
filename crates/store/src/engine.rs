//! What the store needs of a database: ordered keys, and writes that survive.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::{CompactError, Displaced, EngineError, OpenError};

/// One key and its new value; `None` removes it.
pub(super) type Write = (Vec<u8>, Option<Vec<u8>>);

/// What is shown keys and values, in order, until it breaks.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// An ordered map of bytes. Only the writer thread writes; anybody reads.
pub(super) trait Engine: Send + Sync {
    /// Hands the value of `key` to `visit`, if there is one.
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), EngineError>;

    /// Hands every key that begins with `prefix`, in order, to `visit`.
    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), EngineError>;

    /// Hands every key from this one on, in order, to `visit`.
    fn scan_from(&self, key: &[u8], visit: Visit<'_>) -> Result<(), EngineError>;

    /// Whether this key can be removed: whether all can be read that is touched then, at once or by whoever comes past next.
    fn can_remove(&self, _key: &[u8]) -> Result<(), EngineError> {
        Ok(())
    }

    /// Applies one write. After a crash it is there or not, and if it is, so are all before it.
    fn write_one(&self, write: Write) -> Result<(), EngineError>;

    /// Applies writes, the last per key winning. After a crash all of them are there, or none.
    fn write_all(&self, writes: Vec<Write>) -> Result<(), EngineError>;

    /// Returns when everything written is on disk, beyond the reach of a power loss.
    fn flush(&self) -> Result<(), EngineError>;

    /// Whether what lies where the store is to lie is what is open.
    fn in_place(&self) -> Result<(), Displaced> {
        Ok(())
    }

    /// Looks for trouble that the other calls may have swallowed; called about once a second
    /// while there are writes, and at the end.
    fn check(&self) -> Result<(), EngineError>;

    /// Whether there is space for more data.
    fn has_room(&self) -> bool;

    /// How many bytes its log takes, with all that is in there and not needed any more.
    fn size(&self) -> u64;

    /// Begins an empty engine that may take the place of this one, if there is space for so many
    /// bytes. There is never more than one.
    fn begin_successor(&self, bytes: u64) -> Result<Box<dyn Successor>, CompactError>;

    /// Called last of all, when nothing has failed: what is stored may be marked as whole.
    fn seal(&self);
}

/// An engine in the making, beside the one whose place it may take. Unless it does, nothing of it
/// is ever seen.
pub(super) trait Successor: Send {
    fn write(&self, write: Write) -> Result<(), EngineError>;

    /// Returns when everything written is on disk. It comes every so often, so that little is left
    /// to be done at the end.
    fn flush(&self) -> Result<(), EngineError>;

    /// Makes everything ready that can be undone.
    fn prepare(&self) -> Result<(), EngineError>;

    /// Takes the place, for good, and at one moment: whenever a crash comes, either the old engine
    /// is found, whole, or the new one. After an error nobody knows which.
    fn take_over(self: Box<Self>) -> Result<Arc<dyn Engine>, EngineError>;

    /// Leaves nothing behind. Merely dropped, it leaves what the next open clears away.
    fn give_up(self: Box<Self>);
}

/// Where to get the engine from again when it broke.
pub(super) trait Source: Send + Sync {
    /// Opens what was open before; never makes anything new.
    fn reopen(&self) -> Result<Arc<dyn Engine>, OpenError>;

    /// Whether there is space enough to try.
    fn has_space(&self) -> bool;

    /// What is wrong if there is not.
    fn no_space(&self) -> OpenError;
}
