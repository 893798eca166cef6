//! A client of long ago: it keeps its bookmarks in private storage, all in one element, and writes
//! them all whenever it changes one.

use std::time::Duration;

use minidom::Element;

use super::room::{OLD, Room, sorted};
use crate::support::answers::{stored, succeeded, text};
use crate::support::client::{RawClient, private};
use crate::support::server::Server;

const ASKED: &str = "<storage xmlns='storage:bookmarks'/>";

/// Logged in.
pub struct Old {
    client: RawClient,
    to: &'static str,
}

impl Old {
    /// Asks its own account, as clients do.
    pub fn login(server: &Server, jid: &str) -> Old {
        Old::asking(server, jid, "")
    }

    /// Asks this address.
    pub fn asking(server: &Server, jid: &str, to: &'static str) -> Old {
        let client = RawClient::login(server, jid);
        Old { client, to }
    }

    /// Comes to this host as nobody in particular.
    pub fn anonymous(server: &Server, host: &str) -> Old {
        let client = RawClient::login_anonymously(server, host);
        Old { client, to: "" }
    }

    /// The same user once more, on a connection of its own.
    pub fn again(&self, server: &Server) -> Old {
        let jid = self.client.jid().split('/').next().expect("a bare JID");
        Old::asking(server, jid, self.to)
    }

    /// What it is shown, as it came.
    #[track_caller]
    pub fn storage(&mut self) -> Element {
        let answer = self.client.get(self.to, ASKED);
        let found = stored(&answer);
        let [storage] = found.as_slice() else {
            panic!("not one element: {}", text(&answer));
        };
        assert!(storage.is("storage", OLD), "{}", text(&answer));
        storage.clone()
    }

    /// The rooms that it is shown.
    #[track_caller]
    pub fn rooms(&mut self) -> Vec<Room> {
        rooms_of(&self.storage())
    }

    /// The same; none if no result comes in so short a time.
    pub fn try_rooms(&mut self, patience: Duration) -> Option<Vec<Room>> {
        let request = private("get", self.to, ASKED);
        let answer = self.client.try_request(&request, patience)?;
        (answer.attr("type") == Some("result")).then(|| rooms_of(&stored(&answer)[0]))
    }

    /// Keeps these, and no others.
    #[track_caller]
    pub fn set<'r>(&mut self, rooms: impl IntoIterator<Item = &'r Room>) {
        let rooms: String = rooms.into_iter().map(Room::old).collect();
        self.set_xml(&rooms);
    }

    /// The same, as it is to be written.
    #[track_caller]
    pub fn set_xml(&mut self, content: &str) {
        succeeded(&self.try_set_xml(content));
    }

    /// The same, with whatever answer.
    #[track_caller]
    pub fn try_set_xml(&mut self, content: &str) -> Element {
        self.client.set(self.to, &storage(content))
    }

    /// To say anything else.
    pub fn client(&mut self) -> &mut RawClient {
        &mut self.client
    }
}

/// The element that bookmarks are in.
pub fn storage(content: &str) -> String {
    format!("<storage xmlns='{OLD}'>{content}</storage>")
}

/// The rooms in it.
pub fn rooms_of(storage: &Element) -> Vec<Room> {
    let conferences = storage
        .children()
        .filter(|child| child.is("conference", OLD));
    sorted(conferences.map(Room::of_old))
}
