//! Keeps a bookmark in private XML storage, as chat clients do, and shows the stanzas.
//!
//! ```text
//! cargo run --example bookmark -- 127.0.0.1:5222 alice@localhost PASSWORD --room room@rooms.example
//! ```
//!
//! It speaks plain TCP and is meant for a server on the same machine. The requests go to the
//! user's own account, where every client sends them. Bookmarks that are there already are kept.
//! At the end it says whether PEP has the room as well, where newer clients keep theirs.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "only in the program does time enter at one place"
)]

use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use futures::StreamExt;
use minidom::rxml::{Namespace as RxmlNamespace, NcName};
use minidom::{Element, Node};
use tokio::time::timeout;
use tokio_xmpp::connect::{DnsConfig, TcpServerConnector};
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Client, Event, IqRequest, IqResponse};
use xmpp_parsers::bookmarks::{Conference, Storage};
use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::private::Query;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
#[command(about = "Keeps a bookmark in private XML storage, and shows the stanzas")]
struct Arguments {
    /// Where the server listens for clients, as in 127.0.0.1:5222
    address: String,
    /// Who to log in as
    jid: String,
    /// The account's password
    password: String,
    /// The room to bookmark
    #[arg(long, default_value = "room@rooms.example")]
    room: String,
}

// On one thread: on several, the client now and then never sees an answer that the server has sent
// (tokio-xmpp 6.0.0 with tokio 1.54.1: 78 of 1,200 runs; on one, none of 500).
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match timeout(PATIENCE, run(Arguments::parse())).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error.to_string()),
        Err(_) => fail("the server did not answer in time"),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("bookmark: {why}");
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let connector = TcpServerConnector(DnsConfig::addr(&arguments.address));
    let mut client = Client::new_with_connector(
        Jid::from_str(&arguments.jid)?,
        arguments.password,
        connector,
        Timeouts::default(),
    );
    match client.next().await {
        Some(Event::Online { .. }) => {}
        Some(Event::Disconnected(error)) => return Err(error.into()),
        _ => return Err("the connection ended".into()),
    }

    let kept = request(&mut client, get())
        .await?
        .ok_or("an empty answer")?;
    let mut bookmarks = Query::try_from(kept)?;
    let room = BareJid::from_str(&arguments.room)?;
    let rooms = &mut bookmarks.storage.conferences;
    rooms.retain(|bookmark| bookmark.jid != room);
    rooms.push(Conference {
        autojoin: false,
        jid: room.clone(),
        name: Some("A room to remember".to_owned()),
        nick: None,
        password: None,
    });

    let stored = IqRequest::Set(bookmarks.clone().into());
    show(&mut client, stored).await?;
    let fetched = show(&mut client, get()).await?;
    let shown = match is_in_pep(&mut client, &room).await {
        true => "PEP has it too: newer clients (XEP-0402) see the same room",
        false => "PEP has it not: newer clients (XEP-0402) do not see it",
    };
    println!("{shown}");
    client.send_end().await?;
    match fetched.map(Query::try_from).transpose()? {
        Some(fetched) if fetched == bookmarks => Ok(()),
        _ => Err("what was fetched is not what was stored".into()),
    }
}

/// Makes a request where people can watch; what the result holds.
async fn show(client: &mut Client, asked: IqRequest) -> Result<Option<Element>, Box<dyn Error>> {
    let (kind, payload) = match &asked {
        IqRequest::Get(payload) => ("get", payload),
        IqRequest::Set(payload) => ("set", payload),
    };
    println!("sent\n{}", readable(&iq(kind, Some(payload))));
    let answer = request(client, asked).await?;
    println!("received\n{}", readable(&iq("result", answer.as_ref())));
    Ok(answer)
}

/// Asks the own account, and waits for the result.
async fn request(client: &mut Client, asked: IqRequest) -> Result<Option<Element>, Box<dyn Error>> {
    match client.send_iq(None, asked).await.await? {
        IqResponse::Result(payload) => Ok(payload),
        IqResponse::Error(error) => Err(format!("the request was refused: {error:?}").into()),
    }
}

/// Whether the account has an item for the room in its node of bookmarks.
async fn is_in_pep(client: &mut Client, room: &BareJid) -> bool {
    let question = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'>\
         <item id='{}'/></items></pubsub>",
        escaped(room.as_str())
    );
    let question = Element::from_str(&question).expect("it is XML");
    // An error: there is no such node, or no PEP.
    let answer = request(client, IqRequest::Get(question)).await;
    let pubsub = answer.ok().flatten();
    let items = pubsub.iter().flat_map(Element::children);
    items.flat_map(Element::children).next().is_some()
}

fn get() -> IqRequest {
    let question = Query {
        storage: Storage::new(),
    };
    IqRequest::Get(question.into())
}

/// The stanza around a payload; the library gives it its id.
fn iq(kind: &str, payload: Option<&Element>) -> Element {
    let mut iq = Element::bare("iq", "jabber:client");
    iq.set_attr(
        RxmlNamespace::NONE,
        NcName::try_from("type").expect("a name"),
        kind,
    );
    if let Some(payload) = payload {
        iq.append_child(payload.clone());
    }
    iq
}

/// The stanza with a line for each element.
fn readable(element: &Element) -> String {
    let mut text = String::new();
    write(element, "jabber:client", 1, &mut text);
    text
}

fn write(element: &Element, surrounding: &str, depth: usize, text: &mut String) {
    // What only holds children is spread over lines; text is left as it is.
    let indent = "  ".repeat(depth);
    text.push_str(&format!("{indent}<{}", element.name()));
    if element.ns() != surrounding {
        text.push_str(&format!(" xmlns='{}'", element.ns()));
    }
    for ((_, name), value) in element.attrs() {
        text.push_str(&format!(" {name}='{}'", escaped(value)));
    }
    if element.nodes().next().is_none() {
        text.push_str("/>\n");
        return;
    }
    text.push_str(">\n");
    for node in element.nodes() {
        match node {
            Node::Element(child) => write(child, &element.ns(), depth + 1, text),
            Node::Text(words) => text.push_str(&format!("{indent}  {}\n", escaped(words))),
        }
    }
    text.push_str(&format!("{indent}</{}>\n", element.name()));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&apos;")
}
