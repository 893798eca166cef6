//! The part of a host that grants PEP, and of its users' nodes.

use super::support::router::parse;

/// By which `localhost` says so.
pub const GRANT: &str = "<message from='localhost' to='private.localhost'>\
     <privilege xmlns='urn:xmpp:privilege:2'><perm access='iq'>\
     <namespace ns='http://jabber.org/protocol/pubsub' type='both'/></perm></privilege></message>";

/// The answer to what is asked of PEP, with these items in the node; none if it is something else.
pub fn answer(iq: &str, items: &str) -> Option<String> {
    if !iq.contains("urn:xmpp:privilege:2") {
        return None;
    }
    let asked = parse(iq);
    let id = asked.attr("id").expect("an id");
    let owner = asked.attr("to").expect("an address");
    let payload = match iq.contains("<items ") {
        true => format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <items node='urn:xmpp:bookmarks:1'>{items}</items></pubsub>"
        ),
        false => String::new(),
    };
    Some(format!(
        "<iq type='result' id='{id}' from='{owner}' to='private.localhost'>\
         <privilege xmlns='urn:xmpp:privilege:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client' type='result' id='{id}' from='{owner}'>{payload}</iq>\
         </forwarded></privilege></iq>"
    ))
}
