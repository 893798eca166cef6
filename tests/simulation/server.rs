//! The server: Prosody or ejabberd, as far as a component comes to know them.

use std::hash::{DefaultHasher, Hash, Hasher};

use minidom::Element;
use minidom::rxml::{Namespace, NcName};
use roxmltree::{Document, Node};

use super::line::End;
use super::owner::Reply;
use super::predicate::{self, Violation};
use super::world::World;
use crate::support::answers;
use crate::support::cutter::Cutter;
use crate::support::server::{COMPONENT, HOST};

/// How long a set of bookmarks surely waits for another instance before it is refused, in milliseconds.
const TURN: u64 = 11_900;

/// Which server it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 0.12 and 13: one connection; delegates from the login on, and asks what to announce once.
    Prosody,
    /// 23.01 and later: several connections, and the end of any takes delegation from all, from 25.03 on all else as well;
    /// delegates once it has been answered.
    Ejabberd,
}

/// How far a login has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connected,
    Opened,
    In,
}

/// What the server knows of a line.
pub struct Session {
    cutter: Cutter,
    stage: Stage,
    /// How many of its nested questions were answered.
    answered: usize,
    /// Whether private storage is delegated on it.
    pub delegates: bool,
    /// Whether it answers nothing any more that the component asks, and whether it will once delegation ends.
    pub is_mute: bool,
    will_be_mute: bool,
    /// Where what shows that ends among what the line carries to the component.
    shown: Option<u64>,
    /// Where the login ends there.
    pub let_in: Option<u64>,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            cutter: Cutter::default(),
            stage: Stage::Connected,
            answered: 0,
            delegates: false,
            is_mute: false,
            will_be_mute: false,
            shown: None,
            let_in: None,
        }
    }
}

impl Session {
    pub fn is_in(&self) -> bool {
        self.stage == Stage::In
    }
}

impl Kind {
    pub fn version(self) -> &'static str {
        match self {
            Kind::Prosody => "urn:xmpp:delegation:2",
            Kind::Ejabberd => "urn:xmpp:delegation:1",
        }
    }
}

impl World {
    /// Bytes have come from the component.
    pub fn feed(&mut self, line: usize, bytes: &[u8]) {
        self.trace.step(self.now(), "says", bytes);
        self.sessions[line].cutter.feed(bytes);
        while let Some(piece) = self.sessions[line].cutter.piece() {
            if let Err(violation) = self.take(line, &piece) {
                self.fail(violation);
            }
        }
    }

    fn take(&mut self, line: usize, piece: &str) -> Result<(), Violation> {
        let wrong = || Err(Violation::new(predicate::XML, format!("it says {piece}")));
        match self.sessions[line].stage {
            _ if piece == "</stream:stream>" => {
                self.say(line, "</stream:stream>");
                self.let_go(line, End::Closed);
                Ok(())
            }
            Stage::Connected if piece.contains("<stream:stream ") => {
                self.sessions[line].stage = Stage::Opened;
                self.open(line);
                Ok(())
            }
            Stage::Opened if piece.starts_with("<handshake>") => {
                if !self.is_taken(line) {
                    self.sessions[line].stage = Stage::In;
                    self.let_in(line);
                }
                Ok(())
            }
            Stage::In if piece.starts_with("<iq ") => match parsed(piece) {
                Some(iq) => self.take_iq(line, &iq, piece),
                None => wrong(),
            },
            _ => wrong(),
        }
    }

    /// The component opens a stream.
    fn open(&mut self, line: usize) {
        let header = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                      xmlns:stream='http://etherx.jabber.org/streams'";
        self.say(line, &format!("{header} id='it{line}' from='{COMPONENT}'>"));
    }

    /// Whether the server lets nobody in beside whom it has.
    fn is_taken(&mut self, line: usize) -> bool {
        let is_taken = self.kind == Kind::Prosody && self.current(0).is_some_and(|it| it != line);
        if is_taken {
            self.say(
                line,
                "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
                 </stream:error></stream:stream>",
            );
            self.tell(|| {
                format!("the server has another connection than {line}, and says conflict")
            });
            self.let_go(line, End::Closed);
        }
        is_taken
    }

    /// The component has proved who it is.
    fn let_in(&mut self, line: usize) {
        self.say(line, "<handshake/>");
        self.sessions[line].let_in = Some(self.lines[line].to_component.sent);
        let grants_first = self.network.percent(50);
        if grants_first {
            self.say_grant(line);
        }
        self.tell(|| format!("the component is let in on line {line}"));
        let version = self.kind.version();
        let delegates = format!(
            "<message from='{HOST}' to='{COMPONENT}'><delegation xmlns='{version}'>\
             <delegated namespace='jabber:iq:private'/></delegation></message>"
        );
        let asks = |node: &str, id: &str| {
            format!(
                "<iq type='get' id='{id}' from='{HOST}' to='{COMPONENT}'>\
                 <query xmlns='http://jabber.org/protocol/disco#info' node='{version}{node}jabber:iq:private'/></iq>"
            )
        };
        self.say(line, &delegates);
        match self.kind {
            Kind::Prosody if self.has_asked => self.sessions[line].delegates = true,
            Kind::Prosody | Kind::Ejabberd => {
                self.sessions[line].delegates = self.kind == Kind::Prosody;
                self.say(line, &asks("::", &format!("info-{line}-1")));
                self.say(line, &asks(":bare:", &format!("info-{line}-2")));
            }
        }
        if !grants_first {
            self.say_grant(line);
        }
    }

    fn take_iq(&mut self, line: usize, iq: &Element, piece: &str) -> Result<(), Violation> {
        let id = iq.attr("id").unwrap_or_default().to_owned();
        match iq.attr("type") {
            Some("get") if self.sessions[line].is_mute => Ok(()),
            Some("get") if iq.attr("to") == Some(HOST) => {
                self.answer(line, iq, &id);
                Ok(())
            }
            Some("get" | "set") if id.starts_with("bookmarks-") => self.privileged(line, iq, &id),
            _ if id.starts_with("info-") => {
                self.announced(line, &id);
                Ok(())
            }
            Some("result" | "error") => self.answered(line, iq, piece, &id),
            _ => Err(Violation::new(
                predicate::XML,
                format!("it asks {}", answers::text(iq)),
            )),
        }
    }

    /// What the host answers to a ping, or to a question what it can do.
    fn answer(&mut self, line: usize, iq: &Element, id: &str) {
        let asks_for_features = iq
            .get_child("query", "http://jabber.org/protocol/disco#info")
            .is_some();
        let mark = format!("urn:xmpp-private-storage:0#delegated-to-{COMPONENT}");
        let is_shown = self.has_asked && self.sessions[line].delegates;
        let payload = match (asks_for_features, is_shown) {
            (false, _) => String::new(),
            (true, false) => "<query xmlns='http://jabber.org/protocol/disco#info'/>".to_owned(),
            (true, true) => format!(
                "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='{mark}'/></query>"
            ),
        };
        let answer =
            format!("<iq type='result' id='{id}' from='{HOST}' to='{COMPONENT}'>{payload}</iq>");
        self.say(line, &answer);
        if asks_for_features && is_shown {
            self.sessions[line].shown = Some(self.lines[line].to_component.sent);
        }
    }

    /// Delegation on a line ends, once the component has seen that it was there: it does not look for what it has
    /// never seen.
    pub fn undelegate(&mut self, line: usize) {
        if self.lines[line].is_over || !self.sessions[line].delegates {
            return;
        }
        let read = self.lines[line].to_component.read;
        if self.sessions[line].shown.is_some_and(|end| end <= read) {
            self.tell(|| format!("nothing is delegated on line {line} any more"));
            self.sessions[line].delegates = false;
            self.sessions[line].is_mute = self.sessions[line].will_be_mute;
        } else {
            let soon = self.now() + 1_000;
            self.schedule(soon, super::world::Event::Undelegate(line));
        }
    }

    /// The component has said what to announce.
    fn announced(&mut self, line: usize, id: &str) {
        // One of an earlier link's may come once more.
        if !id.starts_with(&format!("info-{line}-")) {
            return;
        }
        self.tell(|| format!("the server is told what to announce ({id})"));
        let session = &mut self.sessions[line];
        session.answered += 1;
        if session.answered == 2 {
            self.has_asked = true;
            session.delegates = true;
        }
    }

    /// A request was answered.
    fn answered(
        &mut self,
        line: usize,
        iq: &Element,
        piece: &str,
        id: &str,
    ) -> Result<(), Violation> {
        let mut digest = DefaultHasher::new();
        piece.hash(&mut digest);
        let since = self.now().saturating_sub(TURN);
        let waited_since = (self.instances.len() > 1).then_some(since);
        let reply = Reply {
            line,
            process: self.lines[line].process,
            trouble: self.disk_trouble(),
            answer: iq,
            digest: digest.finish(),
            is_narrow: self.plan.is_narrow,
            waited_since,
            pep_works_since: self.pep_works_since,
        };
        let numbers = |of: char| {
            let (who, number) = id.strip_prefix(of)?.split_once('-')?;
            Some((who.parse::<usize>().ok()?, number.parse::<u64>().ok()?))
        };
        let told = match (numbers('u'), numbers('b')) {
            (Some((owner, number)), _) if owner < self.owners.len() => {
                self.owners[owner].answered(number, &reply)?
            }
            (_, Some((account, number))) if account < self.accounts.len() => {
                self.accounts[account].answered(number, &reply)?
            }
            _ => return Err(Violation::new(predicate::ASKED, answers::text(iq))),
        };
        self.answers += 1;
        self.tell(|| told);
        Ok(())
    }

    /// The line that requests of the user of this number are sent on.
    pub fn current(&self, user: usize) -> Option<usize> {
        let node = user % self.nodes();
        let is_in = |line: &usize| {
            let it = &self.lines[*line];
            it.node == node && !it.is_over && self.sessions[*line].is_in()
        };
        (0..self.lines.len()).rev().find(is_in)
    }

    /// The server sends this to the component.
    pub fn say(&mut self, line: usize, xml: &str) {
        let now = self.now();
        if self.lines[line].is_over {
            return;
        }
        for at in self.lines[line].send(xml, now, &mut self.network) {
            self.schedule(
                at,
                super::world::Event::Arrive(line, super::line::Side::Component),
            );
        }
    }

    /// The server has the end of a line.
    pub fn let_go(&mut self, line: usize, how: End) {
        if std::mem::replace(&mut self.lines[line].is_over, true) {
            return;
        }
        self.tell(|| format!("the server has the end of line {line} ({how:?})"));
        match how {
            End::Closed => self.lines[line].close(),
            End::Reset => {}
        }
        self.sessions[line].delegates = false;
        if self.kind == Kind::Ejabberd {
            let node = self.lines[line].node;
            for other in 0..self.lines.len() {
                if self.lines[other].node == node {
                    self.sessions[other].will_be_mute = self.plan.goes_mute;
                    self.undelegate(other);
                }
            }
        }
    }
}

/// A stanza as it stood in the component's stream, read by a parser of somebody else's; by the quickest, because each world
/// reads some hundreds.
fn parsed(stanza: &str) -> Option<Element> {
    let stream = format!("<stream xmlns='jabber:client'>{stanza}</stream>");
    let document = Document::parse(&stream).ok()?;
    element_of(document.root_element().first_element_child()?)
}

fn element_of(node: Node<'_, '_>) -> Option<Element> {
    let name = node.tag_name();
    let mut element = Element::bare(name.name(), name.namespace().unwrap_or_default());
    for attribute in node.attributes() {
        let namespace = attribute.namespace().map(str::to_owned);
        let namespace = namespace.map_or(Namespace::NONE, Namespace::from);
        let name = NcName::try_from(attribute.name()).ok()?;
        element.set_attr(namespace, name, attribute.value());
    }
    for child in node.children() {
        match child.text() {
            Some(text) if child.is_text() => element.append_text(text),
            _ => drop(element.append_child(element_of(child)?)),
        }
    }
    Some(element)
}
