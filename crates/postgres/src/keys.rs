//! What names become in keys.
//!
//! Names may be longer than an index takes, so keys have digests. The names stand beside them, and decide on the order.

use sha2::{Digest, Sha256};
use xps_store::Owner;

/// A digest that stands for a namespace or a name.
pub(crate) type Key = [u8; 32];

/// The longest address of an owner: that of a JID without its resource. An index takes 2,704 bytes, and two digests
/// stand beside it.
const MAX_OWNER_BYTES: usize = 2047 + 1;

/// The longest that names may be together with the owner, as in every store.
const MAX_NAMES_BYTES: usize = 16 * 1024;

pub(crate) fn key(name: &str) -> Key {
    Sha256::digest(name.as_bytes()).into()
}

/// What stands for an owner where that is a number. Two may have the same.
pub(crate) fn number(owner: &Owner) -> i64 {
    let digest = key(owner.as_str());
    digest
        .first_chunk()
        .map_or(0, |first| i64::from_be_bytes(*first))
}

/// Whether rows can be made of these.
pub(crate) fn storable(owner: &Owner, namespace: &str, name: &str) -> bool {
    let parts = [owner.as_str(), namespace, name];
    keepable(owner)
        && parts.iter().map(|part| part.len() + 1).sum::<usize>() <= MAX_NAMES_BYTES
        && !parts.iter().any(|part| part.contains('\0'))
}

/// Whether there can be a row of this owner.
pub(crate) fn keepable(owner: &Owner) -> bool {
    owner.as_str().len() <= MAX_OWNER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_row_can_hold_is_not_storable() {
        let owner = |length: usize| Owner::new(&"j".repeat(length)).unwrap();
        assert!(storable(&owner(2048), &"n".repeat(14_000), "name"));
        assert!(
            !storable(&owner(2049), "n", "name"),
            "no JID, and no index takes it"
        );
        assert!(!storable(&owner(4), &"n".repeat(20_000), "name"));
        assert!(!storable(&owner(4), "n", "na\0me"));
    }
}
