//! Whether a set stays within what its owner may have.

use super::change::Quota;
use super::error::SetError;
use super::whole::Amount;

/// What a set changes in one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth<'a> {
    pub namespace: &'a str,
    /// The bytes that are in it before.
    pub had: u64,
    /// What is taken away.
    pub old: Amount,
    /// What is put in its place.
    pub new: Amount,
}

impl Quota {
    /// Whether an owner who had so much may make these changes together: no namespace twice.
    ///
    /// A total over its limit is refused only where it grew: limits may have been lowered since, and then the way
    /// back under them must stay open.
    ///
    /// # Errors
    ///
    /// The first limit that is in the way: of a namespace, then of bytes, then of elements.
    pub fn check(&self, had: Amount, growth: &[Growth<'_>]) -> Result<(), SetError> {
        let excess = |limit: u64, was: u64, old: u64, new: u64| {
            let would_be = was.saturating_sub(old).saturating_add(new);
            (would_be > limit && would_be > was).then_some(would_be)
        };
        let limit = self.max_namespace_bytes;
        for it in growth {
            if let Some(would_be) = excess(limit, it.had, it.old.bytes, it.new.bytes) {
                return Err(SetError::NamespaceBytes {
                    namespace: it.namespace.to_owned(),
                    limit,
                    would_be,
                });
            }
        }
        let sum = |of: fn(&Growth<'_>) -> u64| growth.iter().map(of).sum();
        let limit = self.max_user_bytes;
        let (old, new) = (sum(|it| it.old.bytes), sum(|it| it.new.bytes));
        if let Some(would_be) = excess(limit, had.bytes, old, new) {
            return Err(SetError::UserBytes { limit, would_be });
        }
        let limit = self.max_user_elements;
        let (old, new) = (sum(|it| it.old.elements), sum(|it| it.new.elements));
        if let Some(would_be) = excess(limit, had.elements, old, new) {
            return Err(SetError::UserElements { limit, would_be });
        }
        Ok(())
    }
}
