//! How much one stanza, one namespace and one user may hold, and what may be under way at once: as
//! configured, and as it is handed down.

use crate::store::Quota;

/// The limits. All are inclusive; bytes, unless something else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The longest stanza that is read, as received.
    pub max_stanza_bytes: usize,
    /// What one owner may keep in one namespace, in the stored form: what one answer can carry. Never over
    /// `max_user_bytes`.
    pub max_namespace_bytes: u64,
    /// What one owner may keep altogether, in the stored form.
    pub max_user_bytes: u64,
    /// How many elements one owner may keep altogether.
    pub max_user_elements: u64,
    /// How deep a stored element may nest, itself being level 1.
    pub max_depth: usize,
    /// Requests that have no reply yet. Where there are more, nothing is read from the server, and TCP
    /// makes it wait.
    pub max_open_bytes: usize,
    /// Those of one owner. What comes beyond is refused; one request is always taken.
    pub max_user_open_bytes: usize,
    /// Replies that the server has not taken. Where there are more, nothing is read from it.
    pub max_unsent_bytes: usize,
}

impl Limits {
    /// What one owner may keep.
    pub fn quota(&self) -> Quota {
        Quota {
            max_namespace_bytes: self.max_namespace_bytes,
            max_user_bytes: self.max_user_bytes,
            max_user_elements: self.max_user_elements,
        }
    }
}
