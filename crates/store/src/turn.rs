//! The turn of an owner, where several instances write to a store: what one of them does in it no other does meanwhile.
//!
//! It may be lost, as whoever gives it out may lose what they know, or whom they gave it to. So what may be written by
//! nobody else in between is written only over what was read, in a turn or not.

use std::fmt::Debug;

use super::error::ReadError;
use super::shared::Told;

/// A turn that was taken. It is given back when this is dropped.
pub trait Hold: Debug + Send + Sync {
    /// Whether it is known to be had still.
    fn is_held(&self) -> bool;
}

/// A turn that was taken.
#[derive(Debug)]
pub struct Taken {
    pub hold: Box<dyn Hold>,
    /// What was noted about the owner then.
    pub note: Result<Option<String>, ReadError>,
}

/// Whom to tell whether it was taken: `None` where somebody else has it.
pub type Take = Told<Result<Option<Taken>, ReadError>>;
