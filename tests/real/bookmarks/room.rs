//! A room as clients see it, and its two forms: XEP-0048's in private storage, XEP-0402's in PEP.

use minidom::Element;

/// XEP-0048's namespace.
pub const OLD: &str = "storage:bookmarks";

/// XEP-0402's namespace, which is its node too.
pub const MODERN: &str = "urn:xmpp:bookmarks:1";

/// What both forms say of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Room {
    /// Where it is.
    pub jid: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// Whether clients join it by themselves.
    pub autojoin: bool,
    /// What the user is called there.
    pub nick: Option<String>,
    /// What is needed to get in.
    pub password: Option<String>,
}

/// A room that nothing but its address is known of.
pub fn room(local: &str) -> Room {
    Room {
        jid: format!("{local}@muc.localhost"),
        ..Room::default()
    }
}

/// So many rooms, with names.
pub fn rooms(local: &str, count: usize) -> Vec<Room> {
    (0..count)
        .map(|n| room(&format!("{local}{n:03}")).name(&format!("{local} {n}")))
        .collect()
}

/// In the order of their addresses, as clients here tell them.
pub fn sorted(rooms: impl IntoIterator<Item = Room>) -> Vec<Room> {
    let mut rooms: Vec<Room> = rooms.into_iter().collect();
    rooms.sort();
    rooms
}

impl Room {
    /// With this name.
    pub fn name(mut self, name: &str) -> Room {
        self.name = Some(name.to_owned());
        self
    }

    /// To be joined.
    pub fn autojoin(mut self) -> Room {
        self.autojoin = true;
        self
    }

    /// With this nick.
    pub fn nick(mut self, nick: &str) -> Room {
        self.nick = Some(nick.to_owned());
        self
    }

    /// With this password.
    pub fn password(mut self, password: &str) -> Room {
        self.password = Some(password.to_owned());
        self
    }

    /// As XEP-0048 has it.
    pub fn old(&self) -> String {
        let jid = escaped(&self.jid);
        format!("<conference jid='{jid}'{}</conference>", self.said())
    }

    /// As XEP-0402 has it, in its item.
    pub fn modern(&self) -> String {
        format!("<conference xmlns='{MODERN}'{}</conference>", self.said())
    }

    /// Of a `<conference/>` in private storage.
    pub fn of_old(conference: &Element) -> Room {
        let jid = conference.attr("jid").unwrap_or_default().to_owned();
        Room::of(jid, conference, OLD)
    }

    /// Of an item in PEP.
    pub fn of_modern(item: &Element) -> Room {
        let jid = item.attr("id").unwrap_or_default().to_owned();
        let conference = item.get_child("conference", MODERN);
        Room::of(jid, conference.expect("a conference"), MODERN)
    }

    fn of(jid: String, conference: &Element, namespace: &str) -> Room {
        let child = |name: &str| conference.get_child(name, namespace).map(Element::text);
        Room {
            jid,
            name: conference.attr("name").map(str::to_owned),
            autojoin: matches!(conference.attr("autojoin"), Some("true" | "1")),
            nick: child("nick"),
            password: child("password"),
        }
    }

    /// From the attributes after the address to the last child.
    fn said(&self) -> String {
        let attribute = |value: &String| format!(" name='{}'", escaped(value));
        let child = |name: &str, value: &Option<String>| {
            let element = |value| format!("<{name}>{}</{name}>", escaped(value));
            value
                .as_ref()
                .map(|value| element(value))
                .unwrap_or_default()
        };
        format!(
            "{}{}>{}{}",
            self.name.as_ref().map(attribute).unwrap_or_default(),
            if self.autojoin {
                " autojoin='true'"
            } else {
                ""
            },
            child("nick", &self.nick),
            child("password", &self.password),
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&apos;")
}
