//! A client of today: it keeps its bookmarks in PEP, each in an item of its own (XEP-0402).

use minidom::Element;

use super::room::{MODERN, Room, sorted};
use crate::support::answers::{refusal, succeeded, text};
use crate::support::client::RawClient;
use crate::support::server::Server;

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const FORM: &str = "jabber:x:data";

/// Logged in.
pub struct Modern {
    client: RawClient,
    requests: u32,
}

impl Modern {
    /// Logs in.
    pub fn login(server: &Server, jid: &str) -> Modern {
        let client = RawClient::login(server, jid);
        Modern {
            client,
            requests: 0,
        }
    }

    /// The items of its node, as they came.
    #[track_caller]
    pub fn items(&mut self) -> Vec<Element> {
        let content = format!("<pubsub xmlns='{PUBSUB}'><items node='{MODERN}'/></pubsub>");
        let answer = self.ask("get", &content);
        if answer.attr("type") == Some("error") {
            // Nothing was ever published.
            assert_eq!(
                refusal(&answer),
                "cancel item-not-found",
                "{}",
                text(&answer)
            );
            return Vec::new();
        }
        let pubsub = answer.get_child("pubsub", PUBSUB).expect("pubsub");
        let items = pubsub.get_child("items", PUBSUB).expect("items");
        items.children().cloned().collect()
    }

    /// What the server answers to a fetch of its node.
    #[track_caller]
    pub fn fetch(&mut self) -> String {
        let content = format!("<pubsub xmlns='{PUBSUB}'><items node='{MODERN}'/></pubsub>");
        let answer = self.ask("get", &content);
        answer.children().map(text).collect()
    }

    /// Deletes its node.
    #[track_caller]
    pub fn delete(&mut self) {
        let content = format!("<pubsub xmlns='{OWNER}'><delete node='{MODERN}'/></pubsub>");
        succeeded(&self.ask("set", &content));
    }

    /// One of them.
    #[track_caller]
    pub fn item(&mut self, id: &str) -> Element {
        let items = self.items();
        let item = items.iter().find(|item| item.attr("id") == Some(id));
        item.unwrap_or_else(|| panic!("no item {id}")).clone()
    }

    /// The rooms in them.
    #[track_caller]
    pub fn rooms(&mut self) -> Vec<Room> {
        sorted(self.items().iter().map(Room::of_modern))
    }

    /// Adds a room, or changes one.
    #[track_caller]
    pub fn publish(&mut self, room: &Room) {
        self.publish_xml(&room.jid, &room.modern());
    }

    /// The same, as it is to be written.
    #[track_caller]
    pub fn publish_xml(&mut self, id: &str, conference: &str) {
        self.publish_with("whitelist", id, conference);
    }

    /// The same, to a node that is open to whom `access` says.
    #[track_caller]
    pub fn publish_with(&mut self, access: &str, id: &str, conference: &str) {
        let options = [
            field("FORM_TYPE", &format!("{PUBSUB}#publish-options")),
            field("pubsub#persist_items", "true"),
            field("pubsub#max_items", "max"),
            field("pubsub#send_last_published_item", "never"),
            field("pubsub#access_model", access),
        ];
        let answer = self.ask(
            "set",
            &format!(
                "<pubsub xmlns='{PUBSUB}'><publish node='{MODERN}'><item id='{id}'>{conference}\
                 </item></publish><publish-options><x xmlns='{FORM}' type='submit'>{}</x>\
                 </publish-options></pubsub>",
                options.concat()
            ),
        );
        succeeded(&answer);
    }

    /// Removes a room.
    #[track_caller]
    pub fn retract(&mut self, room: &Room) {
        succeeded(&self.try_retract(&room.jid));
    }

    /// The same, with whatever answer.
    #[track_caller]
    pub fn try_retract(&mut self, id: &str) -> Element {
        self.ask(
            "set",
            &format!(
                "<pubsub xmlns='{PUBSUB}'><retract node='{MODERN}' notify='1'><item id='{id}'/>\
                 </retract></pubsub>"
            ),
        )
    }

    /// What its node's configuration says under this name.
    #[track_caller]
    pub fn option(&mut self, name: &str) -> String {
        let content = format!("<pubsub xmlns='{OWNER}'><configure node='{MODERN}'/></pubsub>");
        let answer = self.ask("get", &content);
        succeeded(&answer);
        let pubsub = answer.get_child("pubsub", OWNER).expect("pubsub");
        let configure = pubsub.get_child("configure", OWNER).expect("configure");
        let form = configure.get_child("x", FORM).expect("a form");
        let field = form
            .children()
            .find(|field| field.attr("var") == Some(name));
        let value = field.and_then(|field| field.get_child("value", FORM));
        value.map(Element::text).unwrap_or_default()
    }

    /// Has its node's configuration say this.
    #[track_caller]
    pub fn configure(&mut self, name: &str, value: &str) {
        let form = [
            field("FORM_TYPE", &format!("{PUBSUB}#node_config")),
            field(name, value),
        ];
        let answer = self.ask(
            "set",
            &format!(
                "<pubsub xmlns='{OWNER}'><configure node='{MODERN}'>\
                 <x xmlns='{FORM}' type='submit'>{}</x></configure></pubsub>",
                form.concat()
            ),
        );
        succeeded(&answer);
    }

    #[track_caller]
    fn ask(&mut self, kind: &str, content: &str) -> Element {
        self.requests += 1;
        let id = self.requests;
        self.client
            .request(&format!("<iq type='{kind}' id='m{id}'>{content}</iq>"))
    }
}

fn field(name: &str, value: &str) -> String {
    format!("<field var='{name}'><value>{value}</value></field>")
}
