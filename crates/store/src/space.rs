//! Whether the disk has space left, as of the last look.

use std::time::Duration;

use super::engine::Engine;

use xps_base::clock::Instant;

/// How long a look counts, unless much is written in the meantime.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_AFTER_BYTES: usize = 8 * 1024 * 1024;

/// Too little space on the disk of a store: users can only delete data, or replace it with less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scarce {
    /// The bytes there are.
    pub free: u64,
    /// The bytes that must be free for users to store more.
    pub needed: u64,
}

#[derive(Default)]
pub(super) struct FreeSpace {
    last: Option<Look>,
}

struct Look {
    at: Instant,
    has_room: bool,
    taken: usize,
}

impl FreeSpace {
    /// Whether there was space a moment ago.
    pub(super) fn has_some(&mut self, engine: &dyn Engine) -> bool {
        if let Some(last) = &self.last
            && last.at.elapsed() < LOOK_EVERY
            && last.taken < LOOK_AFTER_BYTES
        {
            return last.has_room;
        }
        let has_room = engine.has_room();
        let had_room = self.last.as_ref().is_none_or(|last| last.has_room);
        match (had_room, has_room) {
            (true, false) => tracing::error!(
                "the disk of the store is nearly full: until there is space again, users can only \
                 delete data or replace it with less"
            ),
            (false, true) => tracing::info!("the disk of the store has space again"),
            _ => {}
        }
        let at = Instant::now();
        self.last = Some(Look {
            at,
            has_room,
            taken: 0,
        });
        has_room
    }

    /// Takes note of what was written since.
    pub(super) fn taken(&mut self, bytes: usize) {
        if let Some(last) = &mut self.last {
            last.taken = last.taken.saturating_add(bytes);
        }
    }
}
