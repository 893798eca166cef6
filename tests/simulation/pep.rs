//! The server's part in bookmarks: who may use PEP, and how long that takes.

use minidom::Element;

use super::account::Deed;
use super::predicate::{self, Violation};
use super::server::Kind;
use super::world::{Event, Phase, World};
use crate::support::answers;
use crate::support::server::{COMPONENT, HOST};

const PRIVILEGE: &str = "urn:xmpp:privilege:2";

/// How long the component may not ask a host that has been silent, and a little more, in milliseconds.
const ALONE: u64 = 70_000;

/// Answers that take longer may come when the component does not wait for them any more: it notes nothing of what was done.
pub const LATE: u64 = 4_500;

impl World {
    /// A client of this account does something.
    pub fn stir(&mut self, account: usize) {
        if self.phase != Phase::Trouble {
            return;
        }
        let now = self.now();
        let calm = self.grants && now > self.pep_works_since && self.disk_trouble() < now;
        match self.accounts[account].stirs(now, calm) {
            Deed::Nothing => {}
            Deed::Did(told) => self.tell(|| told),
            Deed::Sends(client, list) => self.bookmarks(account, client, list),
        }
        let next = now + self.accounts[account].pause();
        self.schedule(next, Event::Stir(account));
    }

    /// An old client asks for its bookmarks, or stores these.
    pub fn bookmarks(
        &mut self,
        account: usize,
        client: usize,
        list: Option<std::collections::BTreeMap<String, String>>,
    ) {
        // Its clients may be at different nodes.
        let Some((line, way)) = self.way(account + client) else {
            return;
        };
        let (envelope, stanza) = self.accounts[account].request(client, list.as_ref(), way);
        self.tell(|| match &list {
            None => format!(
                "{} ({}) asks for its bookmarks",
                envelope.id, envelope.resource
            ),
            Some(list) => format!("{} ({}) stores {list:?}", envelope.id, envelope.resource),
        });
        if let Some(place) = self.send(line, &stanza) {
            let now = self.now();
            self.accounts[account].sent(client, (envelope, list), place, now);
        }
    }

    /// PEP does not work as it should until then.
    pub fn pep_is_troubled(&mut self, until: u64) {
        self.pep_works_since = self.pep_works_since.max(until + ALONE);
        let now = self.now();
        self.accounts.iter_mut().for_each(|it| it.is_unsure(now));
    }

    /// The server grants what it had taken back.
    pub fn grant(&mut self) {
        self.grants = self.plan.grants;
        self.tell_grant();
    }

    /// Whoever is let in is told what is granted now.
    pub fn tell_grant(&mut self) {
        for line in 0..self.lines.len() {
            if self.sessions[line].is_in() && !self.lines[line].is_over {
                self.say_grant(line);
            }
        }
    }

    /// What the server says of that: whenever the component is let in, and whenever it changes.
    pub fn say_grant(&mut self, line: usize) {
        let pubsub = "http://jabber.org/protocol/pubsub";
        let perms = match self.grants {
            false => String::new(),
            true => {
                let owner = match self.plan.grants_options {
                    true => format!("<namespace ns='{pubsub}#owner' type='both'/>"),
                    false => String::new(),
                };
                format!("<perm access='iq'><namespace ns='{pubsub}' type='both'/>{owner}</perm>")
            }
        };
        if self.plan.grants {
            let message = format!(
                "<message from='{HOST}' to='{COMPONENT}'><privilege xmlns='{PRIVILEGE}'>{perms}</privilege></message>"
            );
            self.say(line, &message);
        }
    }

    /// The component asks something in the name of a user.
    pub fn privileged(&mut self, line: usize, iq: &Element, id: &str) -> Result<(), Violation> {
        let now = self.now();
        let to = iq.attr("to").unwrap_or_default();
        let is_asked = |name: &str| to == format!("{name}@{HOST}");
        let account = self.accounts.iter().position(|it| is_asked(&it.name));
        let inner = iq
            .get_child("privileged_iq", PRIVILEGE)
            .and_then(|it| it.get_child("iq", "jabber:client"));
        let (Some(account), Some(inner)) = (account, inner) else {
            return Err(Violation::new(predicate::GRANTED, answers::text(iq)));
        };
        let is_mute = self.sessions[line].is_mute;
        if is_mute || now < self.silent_until || (!self.grants && self.kind == Kind::Ejabberd) {
            return Ok(());
        }
        let outside = format!("id='{id}' from='{to}' to='{COMPONENT}'");
        if !self.grants {
            let error = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
            self.say(line, &format!("<iq type='error' {outside}>{error}</iq>"));
            return Ok(());
        }
        let (told, (kind, payload)) =
            self.accounts[account].asked_of_node(inner, self.lines[line].process, now)?;
        self.tell(|| format!("the component {told}"));
        // So the newer ones have it.
        let outer = if self.plan.seed.is_multiple_of(2) {
            kind
        } else {
            "result"
        };
        let answer = format!(
            "<iq type='{outer}' {outside}><privilege xmlns='{PRIVILEGE}'><forwarded xmlns='urn:xmpp:forward:0'>\
             <iq xmlns='jabber:client' type='{kind}' id='{id}' from='{to}' to='{to}'>{payload}</iq>\
             </forwarded></privilege></iq>"
        );
        let takes = match self.network.below(32) {
            _ if self.phase != Phase::Trouble => 1,
            0 => self.network.below(6_000),
            1..6 => self.network.below(500),
            _ => self.network.below(5),
        };
        if takes > LATE {
            self.accounts[account].is_unsure(now);
        }
        self.letters.push((line, answer));
        self.schedule(now + takes, Event::Say(self.letters.len() - 1));
        Ok(())
    }
}
