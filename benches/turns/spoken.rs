//! What attackers ask for, and keep.

/// Beside this much nothing fits into what a namespace may hold (393,216 bytes).
pub const SET: usize = 380 * 1024;

/// As many of these as there is space for.
pub fn filled(bytes: usize, unit: &str) -> String {
    unit.repeat(bytes / unit.len())
}

/// So many rooms of 30 KB each, a megabyte together: as items.
pub const ROOMS: usize = 34;

pub fn room(number: usize) -> (String, String) {
    let id = format!("room-{number:03}@rooms.example.org");
    let content = filled(30_000, "<a/>x");
    let conference = format!(
        "<conference xmlns='urn:xmpp:bookmarks:1' name='Room {number}'>\
         <extensions>{content}</extensions></conference>"
    );
    (id, conference)
}

/// Bookmarks with nothing but this.
pub fn storage(content: &str) -> String {
    format!("<storage xmlns='storage:bookmarks'>{content}</storage>")
}

/// The same of anything else.
pub fn other(content: &str) -> String {
    format!("<other xmlns='urn:other'>{content}</other>")
}
