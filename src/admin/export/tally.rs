//! What an export has come to: whose data, what was left out and why.

use std::fmt::Display;
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use crate::admin::format::count;
use crate::admin::report::tell;
use crate::archive::Document;
use crate::bookmarks;
use crate::logs;
use crate::owners::sound::Sound;
use crate::service;

#[derive(Default)]
pub struct Tally {
    pub users: u64,
    pub elements: u64,
    pub problems: u64,
    gone: Gone,
    /// Elements of the server's own that are written without content.
    pub emptied: u64,
}

/// Rooms that are stored, and that their users have left with clients that keep them in PEP.
#[derive(Default)]
struct Gone {
    rooms: u64,
    users: u64,
    /// When that was noted first and last.
    at: Option<(SystemTime, SystemTime)>,
}

impl Tally {
    /// Counts a user; what of theirs is to be written, if anything is. Text that is not sound could
    /// end the file's elements, and add to it what nobody has stored.
    pub fn take(&mut self, document: Document) -> Option<Document> {
        let (sound, bad) = Sound::of(document);
        for bad in bad {
            self.problems += 1;
            logs::error(format_args!("left out: {bad}"));
        }
        let mut document = sound?.into_document();
        self.leave_out_gone(&mut document);
        let owner_data = &document.owner_data;
        for (namespace, name) in &owner_data.damaged {
            self.problems += 1;
            logs::error(format_args!(
                "{}: {name:?} in {namespace:?} is damaged and cannot be read",
                document.owner.as_str()
            ));
        }
        let elements = owner_data.entries.iter().map(|entry| entry.value.elements);
        self.elements += elements.map(u64::from).sum::<u64>();
        self.users += u64::from(!owner_data.entries.is_empty());
        (!owner_data.entries.is_empty()).then_some(document)
    }

    /// Nobody is to join a room again that they have left, wherever they move, and its password is nobody
    /// else's business.
    fn leave_out_gone(&mut self, document: &mut Document) {
        let Some(note) = &document.note else {
            return;
        };
        for entry in &mut document.owner_data.entries {
            let is_bookmarks = (&*entry.namespace, &*entry.name) == service::BOOKMARKS;
            let left = is_bookmarks.then(|| bookmarks::without_gone(note, &entry.value.text));
            if let Some(left) = left.flatten() {
                // One element is left, however many there were.
                (entry.value.text, entry.value.elements) = (left.text, 1);
                self.gone.rooms += left.gone as u64;
                self.gone.users += 1;
                let (first, last) = self.gone.at.unwrap_or((left.at, left.at));
                self.gone.at = Some((first.min(left.at), last.max(left.at)));
            }
        }
    }

    /// Prints it.
    pub fn tell(&self) {
        tell(format_args!(
            "exported {}, {}",
            count(self.users, "user", "users"),
            count(self.elements, "element", "elements")
        ));
        self.tell_what_is_gone();
        self.tell_what_is_emptied();
    }

    fn tell_what_is_gone(&self) {
        let Some((first, last)) = self.gone.at else {
            return;
        };
        let told = |at: SystemTime| DateTime::<Utc>::from(at).format("%Y-%m-%d %H:%M:%S UTC");
        let when = match first == last {
            true => format!("as of {}", told(last)),
            false => format!("as of {} to {}", told(first), told(last)),
        };
        tell(format_args!(
            "left out {} that {} had left with clients that keep rooms in PEP, {when}; what was \
             left since then is not known here",
            count(self.gone.rooms, "room", "rooms"),
            count(self.gone.users, "user", "users"),
        ));
    }

    fn tell_what_is_emptied(&self) {
        if self.emptied > 0 {
            tell(format_args!(
                "wrote {} of the server's own without content: no longer stored here",
                count(self.emptied, "element", "elements")
            ));
        }
    }

    /// Counts this, and prints it.
    pub fn problem(&mut self, problem: impl Display) {
        self.problems += 1;
        logs::error(problem);
    }

    /// Counts and names a document that no account in the export can have.
    pub fn no_account(&mut self, document: &Document) {
        self.problems += 1;
        logs::error(format_args!(
            "{}: left out: not a user's address",
            document.owner.as_str()
        ));
    }
}
