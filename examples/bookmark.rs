//! Keeps a bookmark in private XML storage, as chat clients do, and shows the stanzas.
//!
//! ```text
//! cargo run --example bookmark -- 127.0.0.1:5222 alice@localhost PASSWORD --room room@rooms.example
//! ```
//!
//! It speaks plain TCP and is meant for a server on the same machine. The requests go to the
//! user's own account, where every client sends them. Bookmarks that are there already are kept.

use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use futures::StreamExt;
use minidom::{Element, Node};
use tokio::time::timeout;
use tokio_xmpp::connect::{DnsConfig, TcpServerConnector};
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Client, Event, Stanza};
use xmpp_parsers::bookmarks::{Conference, Storage};
use xmpp_parsers::iq::Iq;
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

#[tokio::main]
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

    let mut bookmarks = match request(&mut client, get("look")).await? {
        Iq::Result {
            payload: Some(query),
            ..
        } => Query::try_from(query)?,
        answer => return Err(format!("refused: {}", readable(&answer.into())).into()),
    };
    let room = BareJid::from_str(&arguments.room)?;
    let rooms = &mut bookmarks.storage.conferences;
    rooms.retain(|bookmark| bookmark.jid != room);
    rooms.push(Conference {
        autojoin: false,
        jid: room,
        name: Some("A room to remember".to_owned()),
        nick: None,
        password: None,
    });

    show(&mut client, set("store", bookmarks.clone())).await?;
    let fetched = show(&mut client, get("fetch")).await?;
    client.send_end().await?;
    match fetched.map(Query::try_from).transpose()? {
        Some(fetched) if fetched == bookmarks => Ok(()),
        _ => Err("what was fetched is not what was stored".into()),
    }
}

/// Makes a request where people can watch; what the result holds.
async fn show(client: &mut Client, iq: Iq) -> Result<Option<Element>, Box<dyn Error>> {
    println!("sent\n{}", readable(&iq.clone().into()));
    let answer = request(client, iq).await?;
    println!("received\n{}", readable(&answer.clone().into()));
    match answer {
        Iq::Result { payload, .. } => Ok(payload),
        _ => Err("the request was refused".into()),
    }
}

/// Sends `iq` and waits for what comes back with its id.
async fn request(client: &mut Client, iq: Iq) -> Result<Iq, Box<dyn Error>> {
    let id = iq.id().to_owned();
    client.send_stanza(Stanza::from(iq)).await?;
    while let Some(event) = client.next().await {
        match event {
            Event::Stanza(Stanza::Iq(answer)) if answer.id() == id => return Ok(answer),
            Event::Disconnected(error) => return Err(error.into()),
            _ => {}
        }
    }
    Err("the connection ended".into())
}

fn get(id: &str) -> Iq {
    let question = Query {
        storage: Storage::new(),
    };
    Iq::Get {
        from: None,
        to: None,
        id: id.to_owned(),
        payload: question.into(),
    }
}

fn set(id: &str, bookmarks: Query) -> Iq {
    Iq::Set {
        from: None,
        to: None,
        id: id.to_owned(),
        payload: bookmarks.into(),
    }
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
