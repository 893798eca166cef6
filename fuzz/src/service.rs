//! The service over a store in memory: one request after another, each carried out at once.

use std::collections::HashMap;

use arbitrary::Unstructured;
use xmpp_private_storage::bookmarks;
use xmpp_private_storage::clock::Instant;
use xmpp_private_storage::limits::Limits;
use xmpp_private_storage::link::Outbox;
use xmpp_private_storage::metrics::Metrics;
use xmpp_private_storage::replies::Replies;
use xmpp_private_storage::requests;
use xmpp_private_storage::service::{self, Profile, Reserved};
use xmpp_private_storage::stanza::Received;
use xmpp_private_storage::store::{Storage, Store};
use xmpp_private_storage::threads::Workers;
use xmpp_private_storage::xml::frame::{Frame, Framer};
use xmpp_private_storage::xml::reader::{Bounds, Reader};

use super::infoset::{self, Token};
use super::model::{Expected, Model};
use super::reader::BOUNDS;
use super::request::{Iq, Payload, Requests, Who, is_ours};
use super::{END, HEADER, is_xml};

const ACCEPT: &str = "jabber:component:accept";
const CLIENT: &str = "jabber:client";

/// Exactly one reply to every request that can be answered, none to anything else; its addresses
/// and its id are the request's; it is sound XML; it says what the model says; and nobody gets
/// to see what others have stored.
pub fn service(input: &[u8]) {
    if is_xml(input) {
        as_written(input);
    } else {
        // Choices that end early leave no request behind.
        let _ = generated(&mut Unstructured::new(input));
    }
}

/// The service, its store, and the link's way in.
struct Stage {
    reader: Reader,
    requests: requests::Requests,
    replies: Replies,
}

impl Stage {
    /// With limits that nobody meets, or narrow ones.
    fn new(is_narrow: bool) -> Self {
        let wide = |narrow: u64| if is_narrow { narrow } else { 1 << 20 };
        let bounds = Bounds {
            children: 1 << 20,
            ..BOUNDS
        };
        let (reader, _) = Reader::open(HEADER.as_bytes(), bounds).expect("a header");
        let service = service::Settings {
            profile: Profile {
                domain: "private.example.org".into(),
                contact: vec!["mailto:a&b@example.org".into()],
                os: None,
                started: Instant::now(),
            },
            domains: vec!["example.org".into(), "second.example".into()],
            admins: Vec::new(),
            reserved: Reserved::Refuse,
            limits: Limits {
                max_stanza_bytes: 1 << 14,
                max_depth: 24,
                max_namespace_bytes: wide(100),
                max_user_bytes: wide(150),
                max_user_elements: wide(3),
                max_open_bytes: 1 << 24,
                max_user_open_bytes: 1 << 24,
                max_unsent_bytes: 1 << 24,
            },
        };
        let bookmarks = bookmarks::Settings {
            from: service.profile.domain.clone(),
            active: false,
            max_rooms: 0,
            held: 0,
        };
        let settings = requests::Settings { service, bookmarks };
        let metrics = Metrics::new();
        let replies = Replies::new(metrics.requests.clone(), 1 << 24);
        Self {
            reader,
            requests: requests::Requests::new(
                settings,
                Storage::by_caller(Store::by_caller()),
                Workers::none(),
                &metrics,
                replies.clone(),
            ),
            replies,
        }
    }

    fn received(&self, stanzas: &[u8]) -> Vec<Received> {
        let (mut framer, mut rest) = (Framer::new(1 << 20), stanzas);
        framer.next(&mut HEADER.as_bytes()).expect("a header");
        let mut received = Vec::new();
        while let Ok(Some(Frame::Stanza(stanza))) = framer.next(&mut rest) {
            match self.reader.read(&stanza) {
                Ok(read) => received.extend(read),
                Err(_) => break,
            }
        }
        received
    }

    /// Nothing takes a thread, so the reply is there at once.
    fn reply(&self, received: Received) -> Option<String> {
        self.requests.accept(received, Instant::now());
        assert_eq!(self.requests.count(), 0, "it is not over");
        let mut replies = self.replies.with(Outbox::take);
        let reply = replies.pop();
        assert!(replies.is_empty(), "two replies: {replies:?} {reply:?}");
        reply
    }
}

/// Stanzas written by hand: what holds of every answer.
fn as_written(stanzas: &[u8]) {
    let stage = Stage::new(false);
    for received in stage.received(stanzas) {
        let reply = stage.reply(received.clone());
        let stanza = &received.stanza;
        let kind = stanza.attribute("type");
        let from = stanza.attribute("from").filter(|from| !from.is_empty());
        let is_request = stanza.is(ACCEPT, "iq") && !matches!(kind, Some("result" | "error"));
        let is_subscription = stanza.is(ACCEPT, "presence") && kind == Some("subscribe");
        let (Some(from), true) = (from, is_request || is_subscription) else {
            assert_eq!(reply, None);
            continue;
        };
        let reply = read(&reply.expect("one reply"));
        if is_request {
            assert!(reply[0].opens(ACCEPT, "iq"));
            assert_eq!(reply[0].attribute("to"), Some(from));
            assert_eq!(reply[0].attribute("id"), stanza.attribute("id"));
        } else {
            assert!(reply[0].opens(ACCEPT, "presence"));
            assert_eq!(reply[0].attribute("type"), Some("unsubscribed"));
        }
    }
}

fn generated(choices: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let is_narrow = choices.ratio(1, 4)?;
    let stage = Stage::new(is_narrow);
    let mut model = Model::default();
    let mut senders = HashMap::new();
    let mut requests = Requests::new(choices);
    while !requests.is_over() {
        let iq = requests.iq()?;
        let mut xml = String::new();
        iq.write(ACCEPT, &mut xml);
        for mark in marks(&xml) {
            senders.insert(mark.to_owned(), user(&iq));
        }
        let mut received = stage.received(xml.as_bytes());
        assert_eq!(received.len(), 1, "{xml}");
        let reply = stage.reply(received.remove(0));
        let before = model.clone();
        let expected = model.answer(&iq);
        let Some(reply) = reply else {
            assert_eq!(expected, Expected::Nothing, "{xml}");
            continue;
        };
        let said = format!("{xml}\n{reply}\nexpected {expected:?}");
        for mark in marks(&reply) {
            assert_eq!(senders.get(mark), Some(&user(&iq)), "{said}");
        }
        let reply = read(&reply);
        header(&iq, &reply, &said);
        if is_narrow && is_over_a_limit(&reply) {
            model = before;
        } else {
            body(&iq, &reply, expected, &said);
        }
    }
    Ok(())
}

/// The reply as the server reads it: on the stream, without a namespace of its own.
fn read(reply: &str) -> Vec<Token> {
    let stream = infoset::of(format!("{HEADER}{reply}{END}").as_bytes());
    let children = infoset::children(&stream);
    assert_eq!(children.len(), 1, "{reply}");
    children[0].to_vec()
}

/// Everything in a text that tells who sent it.
fn marks(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}').map(|(mark, _)| mark))
}

/// Who asks, and so gets to see the answer: a user, directly or through their own host.
fn user(iq: &Iq) -> Option<Who> {
    let from = |iq: &Iq| iq.from.as_ref().map(|from| from.who);
    match (from(iq), &*iq.elements()) {
        (Some(Who::Host(_)), [Payload::Delegation(_, inner)]) => inner.first().and_then(from),
        (from, _) => from,
    }
}

fn header(iq: &Iq, reply: &[Token], said: &str) {
    let text = |address: &Option<super::request::Address>| address.as_ref().map(|a| a.text.clone());
    assert!(reply[0].opens(ACCEPT, "iq"), "{said}");
    assert_eq!(
        reply[0].attribute("to").map(str::to_owned),
        text(&iq.from),
        "{said}"
    );
    assert_eq!(reply[0].attribute("id"), iq.id.as_deref(), "{said}");
    let from = text(&iq.to).filter(|to| is_ours(to));
    let from = from.unwrap_or_else(|| "private.example.org".into());
    assert_eq!(reply[0].attribute("from"), Some(&*from), "{said}");
}

fn body(iq: &Iq, reply: &[Token], expected: Expected, said: &str) {
    let kind = reply[0].attribute("type");
    let payloads = infoset::children(reply);
    match expected {
        Expected::Nothing => panic!("a reply: {said}"),
        Expected::Something => assert!(matches!(kind, Some("result" | "error")), "{said}"),
        Expected::Stored => assert_eq!((kind, payloads.len()), (Some("result"), 0), "{said}"),
        Expected::Error(condition) => {
            assert_eq!(
                (kind, condition_of(reply)),
                (Some("error"), Some(condition)),
                "{said}"
            );
        }
        Expected::Elements(elements) => {
            assert_eq!((kind, payloads.len()), (Some("result"), 1), "{said}");
            let query = payloads[0];
            assert!(query[0].opens("jabber:iq:private", "query"), "{said}");
            assert_eq!(query[1..query.len() - 1], elements, "{said}");
        }
        Expected::Wrapped(expected) => {
            assert_eq!(kind, Some("result"), "{said}");
            let inner = inner_of(reply).expect(said);
            let [Payload::Delegation(_, iqs)] = &*iq.elements() else {
                panic!("no delegation: {said}");
            };
            let text = |a: &Option<super::request::Address>| a.as_ref().map(|a| a.text.clone());
            let (from, id) = (text(&iqs[0].from), iqs[0].id.as_deref());
            assert_eq!(inner[0].attribute("to").map(str::to_owned), from, "{said}");
            assert_eq!(inner[0].attribute("id"), id, "{said}");
            let bare = from.map(|from| from.split('/').next().unwrap_or_default().to_owned());
            let to = text(&iqs[0].to).or(bare);
            assert_eq!(inner[0].attribute("from").map(str::to_owned), to, "{said}");
            body(&iqs[0], inner, *expected, said);
        }
    }
}

/// The IQ in a wrapped answer.
fn inner_of(reply: &[Token]) -> Option<&[Token]> {
    let only = |element| match infoset::children(element).as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    let iq = only(only(only(reply)?)?)?;
    iq[0].opens(CLIENT, "iq").then_some(iq)
}

/// The condition of an error, in the namespace of its IQ.
fn condition_of(iq: &[Token]) -> Option<&str> {
    let error = *infoset::children(iq).last()?;
    match (error.first()?, error.get(1)?) {
        (
            Token::Start { name, .. },
            Token::Start {
                name: condition, ..
            },
        ) if name == "error" => Some(condition),
        _ => None,
    }
}

/// Whether a set was refused for a limit: then nothing of it may be stored.
fn is_over_a_limit(reply: &[Token]) -> bool {
    let iq = inner_of(reply).unwrap_or(reply);
    let limit = |token: &Token| matches!(token, Token::Text(text) if text.contains("limits."));
    condition_of(iq).is_some() && iq.iter().any(limit)
}
