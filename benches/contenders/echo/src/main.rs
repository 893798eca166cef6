//! The in-memory echo: private storage as one would write it in an afternoon with tokio-xmpp and
//! minidom, kept in a map and lost at the end. What a component on these libraries can reach.
//!
//! `echo ADDRESS JID SECRET`

use std::collections::HashMap;
use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use minidom::Element;
use tokio_xmpp::connect::DnsConfig;
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Component, Stanza};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::jid::Jid;

const PRIVATE: &str = "jabber:iq:private";
const DELEGATION: &str = "urn:xmpp:delegation:2";
const FORWARD: &str = "urn:xmpp:forward:0";
const CLIENT: &str = "jabber:client";

/// What is stored: by owner, namespace and name.
type Stored = HashMap<(String, String, String), Element>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("echo ADDRESS JID SECRET");
    let (address, jid, secret) = (argument()?, argument()?, argument()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(&address, &jid, &secret))
}

async fn serve(address: &str, jid: &str, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
    let dns = DnsConfig::addr(address);
    // It has long pauses while others are measured.
    let timeouts = Timeouts {
        read_timeout: Duration::from_secs(3600),
        response_timeout: Duration::from_secs(3600),
    };
    let mut component = Component::new_plaintext(jid, secret, dns, timeouts).await?;
    let mut stored = Stored::new();
    while let Some(mut stanza) = component.next().await {
        // What has come already is answered before anything is flushed.
        loop {
            if let Stanza::Iq(iq) = stanza
                && let Some(reply) = answer(iq, &mut stored)
            {
                component.feed(Stanza::Iq(reply)).await?;
            }
            match component.next().now_or_never() {
                Some(Some(next)) => stanza = next,
                Some(None) => return Ok(()),
                None => break,
            }
        }
        SinkExt::<Stanza>::flush(&mut component).await?;
    }
    Ok(())
}

fn answer(iq: Iq, stored: &mut Stored) -> Option<Iq> {
    let (from, to, id, payload, is_set) = match iq {
        Iq::Get {
            from,
            to,
            id,
            payload,
        } => (from, to, id, payload, false),
        Iq::Set {
            from,
            to,
            id,
            payload,
        } => (from, to, id, payload, true),
        _ => return None,
    };
    let payload = if payload.is("delegation", DELEGATION) {
        Some(delegated(payload, stored)?)
    } else {
        let owner = from.as_ref().map(Jid::to_bare)?;
        private(payload, owner.as_str(), is_set, stored)
    };
    Some(Iq::Result {
        from: to,
        to: from,
        id,
        payload,
    })
}

fn delegated(mut delegation: Element, stored: &mut Stored) -> Option<Element> {
    let mut forwarded = delegation.remove_child("forwarded", FORWARD)?;
    let mut iq = forwarded.remove_child("iq", CLIENT)?;
    let query = iq.remove_child("query", PRIVATE)?;
    let from = iq.attr("from")?;
    let owner = from.parse::<Jid>().ok()?.to_bare().to_string();
    let result = private(query, &owner, iq.attr("type") == Some("set"), stored);
    let reply = Element::builder("iq", CLIENT)
        .attr("type".try_into().ok()?, "result")
        .attr("id".try_into().ok()?, iq.attr("id")?)
        .attr("from".try_into().ok()?, owner)
        .attr("to".try_into().ok()?, from)
        .append_all(result);
    let forwarded = Element::builder("forwarded", FORWARD).append(reply);
    Some(
        Element::builder("delegation", DELEGATION)
            .append(forwarded)
            .build(),
    )
}

fn private(query: Element, owner: &str, is_set: bool, stored: &mut Stored) -> Option<Element> {
    let key = |child: &Element| (owner.to_owned(), child.ns(), child.name().to_owned());
    if is_set {
        for child in query.children() {
            stored.insert(key(child), child.clone());
        }
        return None;
    }
    let found = query
        .children()
        .map(|child| stored.get(&key(child)).unwrap_or(child));
    let found: Vec<Element> = found.cloned().collect();
    Some(Element::builder("query", PRIVATE).append_all(found).build())
}
