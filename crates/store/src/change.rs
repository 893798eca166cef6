//! What a caller asks the store to change, and on whose behalf.

use std::sync::Arc;

/// Whose data it is: a normalised bare JID, or the address as the server vouched for it.
///
/// Never empty and never with a NUL, because both delimit keys; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The longest owner taken: more than any JID without its resource (2,047 bytes).
    pub const MAX_BYTES: usize = 4096;

    /// The owner with this address; `None` if it is empty, holds a NUL or is longer than any JID.
    #[must_use]
    pub fn new(address: &str) -> Option<Self> {
        let fits = !address.is_empty() && address.len() <= Self::MAX_BYTES;
        (fits && !address.contains('\0')).then(|| Self(address.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What one owner may keep. Inclusive; bytes of the stored text, unless something else is said.
///
/// They travel with each set, so they may change while the store runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// All text of one namespace of the owner.
    pub max_namespace_bytes: u64,
    /// All text of the owner.
    pub max_user_bytes: u64,
    /// All elements of the owner.
    pub max_user_elements: u64,
}

impl Quota {
    /// None at all.
    pub const NONE: Self = Self {
        max_namespace_bytes: u64::MAX,
        max_user_bytes: u64::MAX,
        max_user_elements: u64::MAX,
    };
}

/// What becomes of that which is stored already where a set has something for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It makes way, as users expect.
    Replace,
    /// It stays, and that part of the set is left out.
    Keep,
}

/// Changes of one owner that take effect together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    pub owner: Owner,
    /// What the state after the whole set is held to.
    pub quota: Quota,
    /// The changes; of several for one (namespace, name), the last counts.
    pub changes: Vec<Change>,
}

/// A new value for everything stored under one (namespace, name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The namespace of the elements.
    pub namespace: String,
    /// The local name of the elements.
    pub name: String,
    /// What is stored from now on; `None` deletes.
    pub value: Option<Value>,
}

/// The elements stored under one (namespace, name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Their self-contained XML, one after another.
    pub text: String,
    pub elements: u32,
}

#[cfg(test)]
mod tests {
    use super::Owner;

    #[test]
    fn an_owner_is_never_what_a_key_cannot_hold() {
        assert_eq!(
            Owner::new("juliet@capulet.lit").map(|o| o.as_str().to_owned()),
            Some("juliet@capulet.lit".into())
        );
        assert_eq!(Owner::new(""), None);
        assert_eq!(Owner::new("juliet\0@capulet.lit"), None);
        assert_eq!(Owner::new(&"j".repeat(Owner::MAX_BYTES + 1)), None);
    }
}
