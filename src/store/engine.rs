//! What the store needs of a database: ordered keys, and writes that survive.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::OpenError;

/// One key and its new value; `None` removes it.
pub(super) type Write = (Vec<u8>, Option<Vec<u8>>);

/// What is shown keys and values, in order, until it breaks.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// What went wrong below, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct EngineError(pub(super) String);

/// An ordered map of bytes. Only the writer thread writes; anybody reads.
pub(super) trait Engine: Send + Sync {
    /// Hands the value of `key` to `visit`, if there is one.
    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<(), EngineError>;

    /// Hands every key that begins with `prefix`, in order, to `visit`.
    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), EngineError>;

    /// Hands every key from this one on, in order, to `visit`.
    fn scan_from(&self, key: &[u8], visit: Visit<'_>) -> Result<(), EngineError>;

    /// Applies one write. After a crash it is there or not, and if it is, so are all before it.
    fn write_one(&self, write: Write) -> Result<(), EngineError>;

    /// Applies writes, the last per key winning. After a crash all of them are there, or none.
    fn write_all(&self, writes: Vec<Write>) -> Result<(), EngineError>;

    /// Returns when everything written is on disk, beyond the reach of a power loss.
    fn flush(&self) -> Result<(), EngineError>;

    /// Looks for trouble that the other calls may have swallowed; called about once a second
    /// while there are writes, and at the end.
    fn check(&self) -> Result<(), EngineError>;

    /// Whether there is space for more data.
    fn has_room(&self) -> bool;

    /// Called last of all, when nothing has failed: what is stored may be marked as whole.
    fn seal(&self);
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
