//! A change of one item: decided by comparing lists, and made over what the item is directly before.
//!
//! PEP cannot be told to publish or retract only if an item is still as it was. So the item is read once
//! more, and what somebody else has made of it since it was compared is newer than the change, and
//! stands. What is left is the one round trip between that reading and the change.

use super::baseline::Digest;
use super::node::{Item, Payload};
use super::room::Room;

/// A change of the item with this id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    id: String,
    /// The address of its room, normalised.
    key: String,
    wanted: Wanted,
}

/// What is to become of the item.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// There was none, and there is to be one that says this.
    New(Room),
    /// It said `was`, and is to say `wanted`.
    Saying { was: Room, wanted: Room },
    /// There is to be none any more. This it was like, and said of its room, if that could be read.
    Gone { was: Digest, said: Option<Digest> },
}

impl Change {
    /// There is no item for this room, and it is to get one that says this.
    pub fn add(key: &str, room: &Room) -> Self {
        Self {
            id: key.to_owned(),
            key: key.to_owned(),
            wanted: Wanted::New(room.clone()),
        }
    }

    /// This item, which says that of its room, is to say something else.
    pub fn edit(item: &Item, was: &Room, wanted: &Room) -> Self {
        Self {
            id: item.id.clone(),
            key: item.key.clone(),
            wanted: Wanted::Saying {
                was: was.clone(),
                wanted: wanted.clone(),
            },
        }
    }

    /// This item is to go.
    pub fn remove(item: &Item) -> Self {
        Self {
            id: item.id.clone(),
            key: item.key.clone(),
            wanted: Wanted::Gone {
                was: item.digest(),
                said: item.room.as_ref().map(Room::digest),
            },
        }
    }

    /// Whether the node gets an item more.
    pub fn is_addition(&self) -> bool {
        matches!(self.wanted, Wanted::New(_))
    }

    /// Whether the node gets an item less.
    pub fn is_removal(&self) -> bool {
        matches!(self.wanted, Wanted::Gone { .. })
    }

    /// What both sides have in common of the room as long as this is not made: nothing, or what the node says, so that it
    /// is made later.
    pub fn undone(&self) -> (&str, Option<Digest>) {
        let said = match &self.wanted {
            Wanted::Saying { was, .. } => Some(was.digest()),
            Wanted::New(_) | Wanted::Gone { .. } => None,
        };
        (&self.key, said)
    }

    /// What is to be retracted as long as this is not made: the room, by its address, that says this.
    pub fn undropped(&self) -> Option<(Digest, Digest)> {
        match self.wanted {
            Wanted::Gone { said, .. } => Some((Digest::of(&[&self.key]), said?)),
            Wanted::New(_) | Wanted::Saying { .. } => None,
        }
    }

    /// The payload that reads the item.
    pub fn fetch(&self) -> Payload {
        Payload::FetchItem(self.id.clone())
    }

    /// The payload that makes the change, where this is the item now among these; `None` if nothing is
    /// to be changed any more.
    pub fn over(&self, items: &[Item]) -> Option<Payload> {
        let now = items.iter().find(|item| item.id == self.id);
        match (&self.wanted, now) {
            (Wanted::New(room), None) => Some(Payload::publish(&self.id, room)),
            (Wanted::Saying { was, wanted }, Some(item)) => {
                let said = item.room.as_ref()?;
                let merged = wanted.merged(was, said);
                (merged != *said).then(|| item.publish(&merged))
            }
            (Wanted::Gone { was, .. }, Some(item)) => {
                (item.digest() == *was).then(|| Payload::retract(&self.id))
            }
            (Wanted::New(_), Some(_)) | (Wanted::Saying { .. } | Wanted::Gone { .. }, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bookmarks::node::Node;
    use crate::bookmarks::room::{Conference, reader_inside};

    fn item(xml: &str) -> Item {
        Node::with("a@m", xml).items.remove(0)
    }

    fn conference(attributes: &str, content: &str) -> String {
        format!("<conference xmlns='urn:xmpp:bookmarks:1'{attributes}>{content}</conference>")
    }

    fn room(attributes: &str, content: &str) -> Room {
        let xml = conference(attributes, content);
        let reader = reader_inside("").unwrap();
        Conference::read(&xml, &reader).unwrap().room()
    }

    /// An old client renamed a room; a modern one had set autojoin and an extension meanwhile, and both
    /// were undone.
    #[test]
    fn what_somebody_else_has_changed_meanwhile_stands_beside_what_is_changed() {
        let before = item(&conference(" name='a'", ""));
        let was = before.room.clone().unwrap();
        let edit = Change::edit(&before, &was, &room(" name='mine'", "<nick>n</nick>"));
        let extensions = "<extensions><x xmlns='urn:x'/></extensions>";
        let now = item(&conference(" name='a' autojoin='true'", extensions));
        let payload = edit.over(&[now]).unwrap().xml();
        for part in [
            "name='mine'",
            "autojoin='true'",
            "<nick>n</nick>",
            extensions,
        ] {
            assert!(payload.contains(part), "{payload}");
        }
        let theirs = item(&conference(" name='theirs'", ""));
        let payload = edit.over(&[theirs]).unwrap().xml();
        assert!(
            payload.contains("name='theirs'"),
            "theirs is newer: {payload}"
        );
        assert!(payload.contains("<nick>n</nick>"), "{payload}");
        let same = item(&conference(" name='mine'", "<nick>n</nick>"));
        assert_eq!(edit.over(&[same]), None);
    }

    /// An old client had dropped a room, which stayed: Prosody had written the attributes of its item in
    /// another order the second time, and that was taken for an edit.
    #[test]
    fn an_item_that_is_written_otherwise_is_the_same() {
        let extensions = "<extensions><x xmlns='urn:x' a='1' b='2'/></extensions>";
        let remove = Change::remove(&item(&conference(" name='a' autojoin='true'", extensions)));
        let extensions = "<extensions><x xmlns='urn:x' b='2' a='1'/></extensions>";
        let again = item(&conference(" autojoin='true' name='a'", extensions));
        assert!(remove.over(&[again]).is_some());
    }

    #[test]
    fn what_somebody_else_has_deleted_added_or_edited_meanwhile_stands() {
        let before = item(&conference(" name='a'", ""));
        let was = before.room.clone().unwrap();
        let edit = Change::edit(&before, &was, &room(" name='mine'", ""));
        assert_eq!(edit.over(&[]), None, "deleted");
        let add = Change::add("a@m", &room(" name='mine'", ""));
        assert!(add.over(&[]).is_some());
        assert_eq!(add.over(&[item(&conference("", ""))]), None, "added");
        let remove = Change::remove(&before);
        assert_eq!(remove.over(&[]), None);
        assert!(remove.over(&[before]).is_some());
        let edited = item(&conference(" name='a'", "<extensions/>"));
        assert_eq!(remove.over(&[edited]), None, "edited");
    }
}
