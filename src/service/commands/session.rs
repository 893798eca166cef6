//! The ids of sessions: each says whose it is, and nobody needs to remember it.
//!
//! They are no secret and grant nothing, for each step looks again at who asks: they tell a form
//! that was mixed up from one that fits.

use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::clock;
use crate::store::Owner;

/// The id of a session that begins now.
pub fn new(node: &str, asker: &Owner) -> String {
    let now = clock::wall().duration_since(UNIX_EPOCH);
    let unique = format!("{:x}", now.unwrap_or_default().as_nanos());
    format!("{unique}-{}", check(&unique, node, asker))
}

/// Whether this id was given to this asker for this command.
pub fn fits(session: &str, node: &str, asker: &Owner) -> bool {
    session
        .split_once('-')
        .is_some_and(|(unique, given)| given == check(unique, node, asker))
}

fn check(unique: &str, node: &str, asker: &Owner) -> String {
    // None of them holds a NUL.
    let all = format!("{unique}\0{node}\0{}", asker.as_str());
    let sum: [u8; 32] = Sha256::digest(all).into();
    let (short, _) = sum.split_at(8);
    hex::encode(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_its_asker_and_its_command_alone() {
        let [alice, bob] = ["alice@x", "bob@x"].map(|it| Owner::new(it).unwrap());
        let id = new("stored", &alice);
        assert!(fits(&id, "stored", &alice));
        assert!(!fits(&id, "stored", &bob));
        assert!(!fits(&id, "user", &alice));
        assert_ne!(id, new("stored", &alice));
        for made_up in ["", "-", "1-2", "1", &id[1..]] {
            assert!(!fits(made_up, "stored", &alice), "{made_up}");
        }
    }
}
