//! A host that lets us work on its users' nodes of bookmarks: as such hosts are, or as none should be.

use arbitrary::Result;
use xmpp_private_storage::address;

use super::infoset::{self, Token};
use super::tree::{Node, Tree, Trees};

pub const NODE: &str = "urn:xmpp:bookmarks:1";
pub const LEGACY: &str = "storage:bookmarks";
const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const PRIVILEGE: &str = "urn:xmpp:privilege:2";

/// Addresses as they are written, some for one room, some for none.
pub const ADDRESSES: &[&str] = &[
    "tea@muc.example",
    "go@muc.example",
    "Tea@MUC.example/nick",
    "é@muc.example",
    "o'hara&co@muc.example",
    "muc.example",
    "not an address",
    "",
    "a@b@c",
    "current",
];
const CONDITIONS: &[&str] = &[
    "item-not-found",
    "conflict",
    "forbidden",
    "feature-not-implemented",
    "internal-server-error",
    "resource-constraint",
    "nonsense",
];

/// What a bookmark says of its room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Says {
    name: String,
    autojoin: bool,
    nick: String,
    password: String,
}

impl Says {
    /// Whether each thing that it says is said by one of these.
    pub fn is_of(&self, sources: &[Self]) -> bool {
        let any = |says: &dyn Fn(&Self) -> bool| sources.iter().any(says);
        any(&|it| it.name == self.name)
            && any(&|it| it.autojoin == self.autojoin)
            && any(&|it| it.nick == self.nick)
            && any(&|it| it.password == self.password)
    }

    /// What this `<conference/>` says, of either form.
    pub fn of(conference: &Tree) -> Self {
        let child = |name| {
            let mut all = conference.children();
            let first = all.find(|child| child.is(&conference.namespace, name));
            first.map(Tree::text).unwrap_or_default()
        };
        Self {
            name: conference.attribute("name").unwrap_or_default().to_owned(),
            autojoin: matches!(conference.attribute("autojoin"), Some("true" | "1")),
            nick: child("nick"),
            password: child("password"),
        }
    }
}

/// What a `<conference/>` has beside what it says of the room.
pub fn beside(conference: &Tree) -> Vec<Token> {
    let mut rest = Tree::new(&conference.namespace, &conference.name);
    rest.attributes.clone_from(&conference.attributes);
    rest.attributes.retain(|((namespace, name), _)| {
        !(namespace.is_empty() && matches!(&**name, "name" | "autojoin"))
    });
    let says = |tree: &Tree| {
        ["nick", "password"]
            .iter()
            .any(|name| tree.is(&conference.namespace, name))
    };
    let nodes = conference.nodes.iter();
    let kept = nodes.filter(|node| !matches!(node, Node::Tree(tree) if says(tree)));
    rest.nodes.extend(kept.cloned());
    rest.tokens()
}

/// The room that this is an old bookmark of, normalised.
pub fn room_in(child: &Tree) -> Option<String> {
    let jid = child.attribute("jid");
    address::room(jid.filter(|_| child.is(LEGACY, "conference"))?)
}

/// An item of a node.
#[derive(Debug, Clone)]
pub struct Item {
    pub id: String,
    pub payload: Tree,
}

impl Item {
    /// The room that it is about, normalised.
    pub fn room(&self) -> Option<String> {
        let is_one = self.payload.is(NODE, "conference");
        address::room(&self.id).filter(|_| is_one)
    }
}

/// What the component asks for.
#[derive(Debug)]
pub enum Asked {
    Fetch,
    /// One item, again, directly before it is changed.
    Reread(String),
    Publish(Item),
    Retract(String),
    Configure,
}

impl Asked {
    /// Reads the payload of an IQ.
    pub fn read(payload: &Tree, said: &str) -> Self {
        let verb = payload.children().next().expect(said);
        assert_eq!(verb.attribute("node"), Some(NODE), "{said}");
        if payload.is(OWNER, "pubsub") {
            assert!(verb.is(OWNER, "configure"), "{said}");
            return Self::Configure;
        }
        assert!(payload.is(PUBSUB, "pubsub"), "{said}");
        let items: Vec<&Tree> = verb.children().collect();
        let id = |item: &Tree| item.attribute("id").expect(said).to_owned();
        match (&*verb.name, &*items) {
            ("items", []) => Self::Fetch,
            ("items", [item]) => Self::Reread(id(item)),
            ("retract", [item]) => Self::Retract(id(item)),
            ("publish", [item]) => {
                let inside: Vec<&Tree> = item.children().collect();
                let [payload] = &*inside else {
                    panic!("one payload: {said}");
                };
                Self::Publish(Item {
                    id: id(item),
                    payload: (*payload).clone(),
                })
            }
            _ => panic!("none that we know: {said}"),
        }
    }
}

/// One user's node.
#[derive(Debug, Default)]
pub struct Pep {
    pub items: Vec<Item>,
    /// Whether there is a node at all, and whether its options are what they must be.
    pub is_made: bool,
    pub is_right: bool,
}

impl Pep {
    /// Carries this out, as a sound host does; the answer's type and payload.
    pub fn execute(&mut self, asked: &Asked) -> (&'static str, Tree) {
        let done = |what: Tree| ("result", Tree::new(PUBSUB, "pubsub").holding(what));
        match asked {
            Asked::Fetch | Asked::Reread(_) if !self.is_made => ("error", error("item-not-found")),
            Asked::Fetch | Asked::Reread(_) => {
                let mut items = Tree::new(PUBSUB, "items").with("node", NODE);
                let is_asked_for = |item: &&Item| match asked {
                    Asked::Reread(id) => item.id == *id,
                    _ => true,
                };
                for Item { id, payload } in self.items.iter().filter(is_asked_for) {
                    let item = Tree::new(PUBSUB, "item").with("id", id);
                    items = items.holding(item.holding(payload.clone()));
                }
                done(items)
            }
            Asked::Publish(_) if self.is_made && !self.is_right => {
                let why = Tree::new(&format!("{PUBSUB}#errors"), "precondition-not-met");
                ("error", error("conflict").holding(why))
            }
            Asked::Publish(item) => {
                if !self.is_made {
                    (self.is_made, self.is_right) = (true, true);
                }
                self.publish(item.clone());
                done(Tree::new(PUBSUB, "publish").with("node", NODE))
            }
            Asked::Retract(id) => {
                let before = self.items.len();
                self.items.retain(|item| item.id != *id);
                match before > self.items.len() {
                    true => done(Tree::new(PUBSUB, "retract").with("node", NODE)),
                    false => ("error", error("item-not-found")),
                }
            }
            Asked::Configure if !self.is_made => ("error", error("item-not-found")),
            Asked::Configure => {
                self.is_right = true;
                ("result", Tree::new(OWNER, "pubsub"))
            }
        }
    }

    /// Puts an item there, in the place of one with its id.
    pub fn publish(&mut self, item: Item) {
        match self.items.iter_mut().find(|its| its.id == item.id) {
            Some(its) => *its = item,
            None => self.items.push(item),
        }
    }
}

fn error(condition: &str) -> Tree {
    Tree::new("jabber:client", "error")
        .with("type", "cancel")
        .holding(Tree::new(ERRORS, condition))
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It comes, and says what is so.
    Sound,
    /// None comes, or one that is none: from another address, or with another id.
    Silent,
    WrongId,
    WrongFrom,
    /// It comes twice.
    Twice,
    /// An error of any kind, wrapped or not.
    Refused,
    Denied,
    /// Something is missing.
    Short,
    /// There is something else in its place.
    Odd,
    /// Anything stands between the items, and in them.
    Strewn,
    /// What is no well-formed XML by the rules of namespaces.
    Fault,
}

const MOODS: &[Mood] = &[
    Mood::Sound,
    Mood::Strewn,
    Mood::Refused,
    Mood::Denied,
    Mood::Short,
    Mood::Odd,
    Mood::Fault,
    Mood::Twice,
    Mood::WrongFrom,
    Mood::WrongId,
    Mood::Silent,
];

impl Mood {
    /// Any; a silent one is rare, because it costs time.
    pub fn any(trees: &mut Trees<'_, '_>) -> Result<Self> {
        let mood = MOODS[trees.choose(MOODS.len())?];
        let is_rare = matches!(mood, Self::WrongFrom | Self::WrongId | Self::Silent);
        Ok(if is_rare && !trees.one_in(12)? {
            Self::Sound
        } else {
            mood
        })
    }

    /// Whether what it answers goes on waiting.
    pub fn leaves_waiting(self) -> bool {
        matches!(self, Self::WrongFrom | Self::WrongId | Self::Silent)
    }

    /// Whether the answer says all that is there, so that it can be read.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Sound | Self::Strewn | Self::Twice)
    }
}

/// The stanzas by which a request with this id, in this user's name, is answered.
pub fn answer(
    (kind, mut payload): (&str, Tree),
    mood: Mood,
    (id, user): (&str, &str),
    trees: &mut Trees<'_, '_>,
) -> Result<String> {
    let (mut kind, mut from, mut outer_id) = (kind, user.to_owned(), id.to_owned());
    let mut inside = true;
    match mood {
        Mood::Sound | Mood::Twice | Mood::Fault | Mood::Short => {}
        Mood::Silent => return Ok(String::new()),
        Mood::WrongId => outer_id.push_str(["0", "x"][trees.choose(2)?]),
        Mood::WrongFrom => {
            from = ["example.org", "mallory@example.org", "private.example.org"]
                [trees.choose(3)?]
            .to_owned();
            if trees.one_in(4)? {
                from = format!("{user}/resource");
            }
        }
        Mood::Refused | Mood::Denied => {
            (kind, payload) = ("error", error(CONDITIONS[trees.choose(CONDITIONS.len())?]));
            inside = mood == Mood::Refused;
        }
        Mood::Odd => {
            let any = trees.any(12)?;
            match trees.choose(3)? {
                0 => payload = any,
                1 => payload = Tree::new(PUBSUB, "pubsub").holding(any),
                _ => {
                    kind = ["get", "set", "odd"][trees.choose(3)?];
                }
            }
        }
        Mood::Strewn => strew(&mut payload, trees)?,
    }
    let iq = |namespace: &str, kind: &str, id: &str| {
        let iq = Tree::new(namespace, "iq").with("type", kind).with("id", id);
        iq.with("from", &*from).with("to", "private.example.org")
    };
    let mut tree = if inside {
        let iq = iq("jabber:client", kind, id).holding(payload);
        let forwarded = Tree::new("urn:xmpp:forward:0", "forwarded").holding(iq);
        Tree::new(PRIVILEGE, "privilege").holding(forwarded)
    } else {
        let mut error = payload;
        error.namespace = "jabber:component:accept".to_owned();
        error
    };
    if mood == Mood::Short {
        // What is in the privilege, the forwarded, the iq or the pubsub.
        cut(&mut tree, trees.choose(4)?);
    }
    let outer = if inside { "result" } else { kind };
    let mut xml =
        format!("<iq type='{outer}' id='{outer_id}' from='{from}' to='private.example.org'>");
    trees.write(&tree, "jabber:component:accept", &mut xml)?;
    if mood == Mood::Fault {
        xml.push_str(["<z:z/>", "<a b='1' b='2'/>", "<a xmlns:p=''/>"][trees.choose(3)?]);
    }
    xml.push_str("</iq>");
    if mood == Mood::Twice {
        xml = xml.repeat(2);
    }
    Ok(xml)
}

fn cut(tree: &mut Tree, level: usize) {
    match tree.nodes.first_mut() {
        Some(Node::Tree(first)) if level > 0 => cut(first, level - 1),
        _ => tree.nodes.clear(),
    }
}

/// Puts anything between the items of an answer, and beside what is in them.
fn strew(pubsub: &mut Tree, trees: &mut Trees<'_, '_>) -> Result<()> {
    let Some(Node::Tree(items)) = pubsub.nodes.first_mut() else {
        return Ok(());
    };
    let mut nodes = Vec::new();
    for node in std::mem::take(&mut items.nodes) {
        match trees.choose(5)? {
            0 => {
                let mut any = trees.any(6)?;
                any.name = "other".to_owned();
                nodes.push(Node::Tree(any));
            }
            1 => nodes.push(Node::Tree(
                Tree::new(PUBSUB, "item").with("id", "empty@muc.example"),
            )),
            2 => {
                let no_id = Tree::new(NODE, "conference");
                nodes.push(Node::Tree(Tree::new(PUBSUB, "item").holding(no_id)));
            }
            3 => nodes.push(Node::Text(trees.text()?)),
            _ => {}
        }
        nodes.push(node);
    }
    items.nodes = nodes;
    trees.dress(items)
}

/// What stands in a stanza, as two parsers find it.
pub fn tree_of(xml: &str) -> Tree {
    let stream = infoset::of(format!("{}{xml}{}", super::HEADER, super::END).as_bytes());
    let children = infoset::children(&stream);
    assert_eq!(children.len(), 1, "{xml}");
    Tree::of(children[0])
}
