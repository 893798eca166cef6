//! Requests out of a fuzzer's choices: what users and servers send, and what forgers try.

use arbitrary::{Result, Unstructured};
use xmpp_private_storage::stanza::{escape_attribute, escape_text};

use super::infoset::Token;

/// Who an address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// This user of a served domain.
    User(&'static str, Domain),
    /// A user of a domain that is not served.
    Stranger,
    /// A domain.
    Host(Domain),
    /// A domain that is not served.
    ForeignHost,
    /// No address.
    Malformed,
    /// Somebody; nothing is predicted.
    Unknown,
}

/// The served domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// example.org
    First,
    /// second.example
    Second,
}

use Domain::{First, Second};

const ADDRESSES: &[(&str, Who)] = &[
    ("alice@example.org", Who::User("alice", First)),
    ("ALICE@Example.Org/phone", Who::User("alice", First)),
    ("alice@example.org/😀 /x", Who::User("alice", First)),
    ("bob@example.org/a@b", Who::User("bob", First)),
    ("strasse@example.org", Who::User("strasse", First)),
    ("Straße@example.org", Who::User("strasse", First)),
    ("😀@example.org", Who::User("😀", First)),
    ("ȡ@example.org", Who::User("ȡ", First)),
    ("alice@second.example", Who::User("alice2", Second)),
    ("alice@evil.example", Who::Stranger),
    ("example.org", Who::Host(First)),
    ("Second.Example", Who::Host(Second)),
    ("example.org/resource", Who::Host(First)),
    ("evil.example", Who::ForeignHost),
    ("a b@example.org", Who::Malformed),
    ("@example.org", Who::Malformed),
    ("alice@example.org@evil.example", Who::Malformed),
    ("alice@", Who::Malformed),
];
/// How many of them, the first, are users who are served; and where their hosts are.
const USERS: usize = 9;
const FIRST_HOST: usize = 10;
const SECOND_HOST: usize = 11;
const OURS: &[&str] = &["private.example.org", "Private.Example.ORG"];
const NOT_QUITE_OURS: &[&str] = &["x@private.example.org", "private.example.org/x"];
const TYPES: &[&str] = &["set", "get", "result", "error", "bogus"];
const NAMESPACES: &[&str] = &[
    "urn:x",
    "urn:y&'\"",
    "storage:bookmarks",
    "urn:xmpp:forward:0",
    "",
    "jabber:iq:private",
    "jabber:iq:roster",
    "http://jabber.org/x",
    "vcard-temp",
];
const NAMES: &[&str] = &["a", "b", "storage", "iq"];
const OTHERS: &[&str] = &[
    "<ping xmlns='urn:xmpp:ping'/>",
    "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:xmpp:delegation:2::jabber:iq:private'/>",
    "<query xmlns='http://jabber.org/protocol/disco#items' node='x&quot;'/>",
    "<query xmlns='jabber:iq:version'/>",
    "<query xmlns='jabber:iq:last'/>",
    "<time xmlns='urn:xmpp:time'/>",
    "<query xmlns='urn:x'><storage xmlns='urn:x'/></query>",
    "<iq/>",
];
const FAULTS: &[&str] = &[
    "<z:foo z:k='v'/>",
    "<xml:foo/>",
    "<foo a='1' a='2'/>",
    "<foo xmlns:p='u' xmlns:q='u' p:a='1' q:a='2'/>",
    "<foo xmlns:p=''/>",
    "<?pi?>",
    "<a:b:c/>",
];

/// One address, and who it is.
#[derive(Debug, Clone)]
pub struct Address {
    pub text: String,
    pub who: Who,
}

/// An IQ, as far as it decides anything.
#[derive(Debug, Clone)]
pub struct Iq {
    pub kind: Option<String>,
    pub from: Option<Address>,
    pub to: Option<Address>,
    pub id: Option<String>,
    pub payloads: Vec<Payload>,
}

/// What an IQ holds.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Private storage.
    Query(Vec<Child>),
    /// A delegation in this version, with what is forwarded in it.
    Delegation(u8, Vec<Iq>),
    /// Something else.
    Other(&'static str),
    /// What breaks the rules of XML namespaces.
    Fault(&'static str),
}

/// An element that is stored, or asked for.
#[derive(Debug, Clone)]
pub struct Child {
    pub namespace: &'static str,
    pub name: &'static str,
    /// An attribute's value.
    pub attribute: Option<String>,
    /// Text, and whether it is in an element of its own.
    pub text: Option<(String, bool)>,
}

impl Child {
    /// Whether it holds nothing.
    pub fn is_bare(&self) -> bool {
        self.attribute.is_none() && self.text.is_none()
    }

    /// Its infoset.
    pub fn tokens(&self) -> Vec<Token> {
        let mut start = Token::start(self.namespace, self.name);
        if let (Token::Start { attributes, .. }, Some(value)) = (&mut start, &self.attribute) {
            attributes.insert(("urn:k".into(), "k".into()), value.clone());
        }
        let mut tokens = vec![start];
        if let Some((text, is_inside)) = &self.text {
            if *is_inside {
                tokens.push(Token::start("jabber:client", "iq"));
            }
            if !text.is_empty() {
                tokens.push(Token::Text(text.clone()));
            }
            if *is_inside {
                tokens.push(Token::End);
            }
        }
        tokens.push(Token::End);
        tokens
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!("<p:{} xmlns:k='urn:k' xmlns:p='", self.name));
        if self.namespace.is_empty() {
            out.truncate(out.rfind("<p:").unwrap_or_default());
            out.push_str(&format!("<{} xmlns:k='urn:k' xmlns='", self.name));
        }
        escape_attribute(self.namespace, out);
        out.push('\'');
        if let Some(value) = &self.attribute {
            out.push_str(" k:k='");
            escape_attribute(value, out);
            out.push('\'');
        }
        out.push('>');
        if let Some((text, is_inside)) = &self.text {
            let (open, close) = if *is_inside {
                ("<iq xmlns='jabber:client'>", "</iq>")
            } else {
                ("", "")
            };
            out.push_str(open);
            escape_text(text, out);
            out.push_str(close);
        }
        let prefix = if self.namespace.is_empty() { "" } else { "p:" };
        out.push_str(&format!("</{prefix}{}>", self.name));
    }
}

impl Iq {
    /// As a server would send it.
    pub fn write(&self, namespace: &str, out: &mut String) {
        out.push_str(&format!("<iq xmlns='{namespace}'"));
        let attributes = [
            ("type", self.kind.as_deref()),
            ("from", self.from.as_ref().map(|a| a.text.as_str())),
            ("to", self.to.as_ref().map(|a| a.text.as_str())),
            ("id", self.id.as_deref()),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                out.push_str(&format!(" {name}='"));
                escape_attribute(value, out);
                out.push('\'');
            }
        }
        out.push('>');
        for payload in &self.payloads {
            match payload {
                Payload::Query(children) => {
                    out.push_str("<query xmlns='jabber:iq:private'> ");
                    children.iter().for_each(|child| child.write(out));
                    out.push_str("</query>");
                }
                Payload::Delegation(version, iqs) => {
                    let (delegation, forward) = ("urn:xmpp:delegation", "urn:xmpp:forward:0");
                    out.push_str(&format!("<delegation xmlns='{delegation}:{version}'>"));
                    out.push_str(&format!("<forwarded xmlns='{forward}'>"));
                    iqs.iter().for_each(|iq| iq.write("jabber:client", out));
                    out.push_str("</forwarded></delegation>");
                }
                Payload::Other(xml) | Payload::Fault(xml) => out.push_str(xml),
            }
        }
        out.push_str("</iq>");
    }

    /// Its payloads; a processing instruction is none.
    pub fn elements(&self) -> Vec<&Payload> {
        let is_element = |p: &&Payload| !matches!(p, Payload::Fault(xml) if xml.starts_with("<?"));
        self.payloads.iter().filter(is_element).collect()
    }

    /// Whether anything in it breaks the rules of XML namespaces.
    pub fn has_fault(&self) -> bool {
        self.payloads.iter().any(|payload| match payload {
            Payload::Fault(_) => true,
            Payload::Delegation(_, iqs) => iqs.iter().any(Self::has_fault),
            _ => false,
        })
    }
}

/// Makes requests.
pub struct Requests<'u, 'd> {
    choices: &'u mut Unstructured<'d>,
    marks: usize,
}

impl<'u, 'd> Requests<'u, 'd> {
    /// None so far.
    pub fn new(choices: &'u mut Unstructured<'d>) -> Self {
        Self { choices, marks: 0 }
    }

    /// Whether there is anything left to choose by.
    pub fn is_over(&self) -> bool {
        self.choices.is_empty()
    }

    /// A request, direct or delegated: sound, sound but for one thing, or anything at all.
    pub fn iq(&mut self) -> Result<Iq> {
        if self.one_in(8)? {
            return self.any(2);
        }
        let mut iq = self.sound()?;
        let user = iq.from.as_ref().map(|from| from.who);
        let is_delegated = self.one_in(2)?;
        if is_delegated {
            iq.to = None;
        }
        if self.one_in(3)? {
            self.spoil(&mut iq)?;
        }
        if is_delegated {
            let host = match user {
                Some(Who::User(_, Second)) => SECOND_HOST,
                _ => FIRST_HOST,
            };
            iq = Iq {
                kind: Some("set".into()),
                from: Some(address(host)),
                to: Some(ours(0)),
                id: Some("outer".into()),
                payloads: vec![Payload::Delegation(1 + self.choose(2)? as u8, vec![iq])],
            };
            if self.one_in(3)? {
                self.spoil(&mut iq)?;
            }
        }
        Ok(iq)
    }

    /// Makes one thing of it wrong, or at least different.
    fn spoil(&mut self, iq: &mut Iq) -> Result<()> {
        match self.choose(8)? {
            0 => iq.kind = self.kind()?,
            1 => iq.id = None,
            2 => iq.payloads.clear(),
            3 => iq
                .payloads
                .push(Payload::Other(OTHERS[self.choose(OTHERS.len())?])),
            4 => iq
                .payloads
                .push(Payload::Fault(FAULTS[self.choose(FAULTS.len())?])),
            5 => iq.to = self.address()?,
            _ => iq.from = self.address()?,
        }
        Ok(())
    }

    fn sound(&mut self) -> Result<Iq> {
        let user = self.choose(USERS)?;
        let is_set = self.one_in(2)?;
        Ok(Iq {
            kind: Some(if is_set { "set" } else { "get" }.into()),
            from: Some(address(user)),
            to: Some(if self.one_in(2)? {
                ours(0)
            } else {
                address(user)
            }),
            id: Some(self.text()?),
            payloads: vec![Payload::Query(self.children(is_set)?)],
        })
    }

    fn any(&mut self, depth: usize) -> Result<Iq> {
        let kind = self.kind()?;
        let from = self.address()?;
        let to = self.address()?;
        let id = if self.one_in(8)? {
            None
        } else {
            Some(self.text()?)
        };
        let mut payloads = Vec::new();
        for _ in 0..[1, 1, 1, 1, 0, 2][self.choose(6)?] {
            payloads.push(match self.choose(if depth == 0 { 4 } else { 8 })? {
                0 | 1 => {
                    let is_set = self.one_in(2)?;
                    Payload::Query(self.children(is_set)?)
                }
                2 => Payload::Other(OTHERS[self.choose(OTHERS.len())?]),
                3 => Payload::Fault(FAULTS[self.choose(FAULTS.len())?]),
                _ => {
                    let mut iqs = Vec::new();
                    for _ in 0..[1, 1, 1, 1, 0, 2][self.choose(6)?] {
                        iqs.push(if self.one_in(2)? {
                            self.sound()?
                        } else {
                            self.any(0)?
                        });
                    }
                    Payload::Delegation(1 + self.choose(3)? as u8, iqs)
                }
            });
        }
        Ok(Iq {
            kind,
            from,
            to,
            id,
            payloads,
        })
    }

    fn children(&mut self, is_set: bool) -> Result<Vec<Child>> {
        let mut children = Vec::new();
        for _ in 0..[1, 1, 2, 3, 0, 1][self.choose(6)?] {
            let namespaces = if self.one_in(4)? { NAMESPACES.len() } else { 2 };
            let mut child = Child {
                namespace: NAMESPACES[self.choose(namespaces)?],
                name: NAMES[self.choose(NAMES.len())?],
                attribute: None,
                text: None,
            };
            // Whoever gets to see it must be who sent it: no two are the same.
            let marked = format!("{{{}}}", self.marks);
            self.marks += 1;
            match if is_set { self.choose(5)? } else { 0 } {
                1 => child.attribute = Some(marked),
                2 => child.text = Some((marked, false)),
                3 => child.text = Some((marked + &self.text()?, true)),
                4 => child.text = Some((" ".into(), false)),
                _ => {}
            }
            children.push(child);
        }
        Ok(children)
    }

    fn kind(&mut self) -> Result<Option<String>> {
        let kind = TYPES.get(self.choose(TYPES.len() + 1)?);
        Ok(kind.map(|kind| (*kind).to_owned()))
    }

    fn address(&mut self) -> Result<Option<Address>> {
        Ok(match self.choose(24)? {
            0 => None,
            1 => Some(ours(1)),
            2 => {
                let text = NOT_QUITE_OURS[self.choose(2)?].to_owned();
                Some(Address {
                    text,
                    who: Who::Unknown,
                })
            }
            3 => Some(Address {
                text: format!("x{}@example.org", self.text()?),
                who: Who::Unknown,
            }),
            4 => Some(Address {
                text: String::new(),
                who: Who::Malformed,
            }),
            5 => Some(ours(0)),
            at => Some(address(at - 6)),
        })
    }

    /// Text without braces: those are the marks.
    fn text(&mut self) -> Result<String> {
        let text: &str = self.choices.arbitrary()?;
        let kept = text.chars().filter(|c| {
            let is_control = *c < ' ' && !"\t\n\r".contains(*c);
            !is_control && !"{}\u{fffe}\u{ffff}".contains(*c)
        });
        Ok(kept.collect())
    }

    fn one_in(&mut self, among: usize) -> Result<bool> {
        Ok(self.choose(among)? == 0)
    }

    fn choose(&mut self, among: usize) -> Result<usize> {
        self.choices.int_in_range(0..=among - 1)
    }
}

fn address(at: usize) -> Address {
    let (text, who) = ADDRESSES[at];
    Address {
        text: text.to_owned(),
        who,
    }
}

fn ours(at: usize) -> Address {
    let text = OURS[at].to_owned();
    Address {
        text,
        who: Who::ForeignHost,
    }
}

/// Whether this is our own bare domain.
pub fn is_us(address: &str) -> bool {
    OURS.contains(&address)
}

/// Whether it lies in our own domain.
pub fn is_ours(address: &str) -> bool {
    is_us(address) || NOT_QUITE_OURS.contains(&address)
}
