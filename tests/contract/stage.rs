//! What answers requests, in this process: the same as behind a link, with the store in memory. All of it
//! is done at once.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;

use xmpp_private_storage::clock::Instant;
use xmpp_private_storage::component::settings;
use xmpp_private_storage::config::Config;
use xmpp_private_storage::link::Outbox;
use xmpp_private_storage::metrics::Metrics;
use xmpp_private_storage::replies::Replies;
use xmpp_private_storage::requests::Requests;
use xmpp_private_storage::store::{Storage, Store};
use xmpp_private_storage::threads::Workers;
use xmpp_private_storage::xml::frame::{Frame, Framer};
use xmpp_private_storage::xml::reader::Reader;

use crate::support::component::Options;
use crate::support::router::{HEADER, parse, without_text};

pub use crate::scripted::stage::{error, error_with, get, request, set};

pub struct Stage {
    framer: Framer,
    reader: Reader,
    requests: Requests,
    replies: Replies,
    said: VecDeque<String>,
}

impl Stage {
    /// As configured by default.
    pub fn new() -> Stage {
        Stage::with("")
    }

    /// With further sections of the configuration file.
    pub fn with(extra: &str) -> Stage {
        Stage::configured(|options| options.extra = extra.to_owned())
    }

    /// With further lines of its section `[access]`.
    pub fn with_access(lines: &str) -> Stage {
        Stage::configured(|options| options.access = lines.to_owned())
    }

    fn configured(change: impl FnOnce(&mut Options)) -> Stage {
        let mut options = Options::at(SocketAddr::from(([127, 0, 0, 1], 1)));
        change(&mut options);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("component.toml");
        fs::write(&file, options.toml()).expect("a file");
        let none: [(&str, &str); 0] = [];
        let config = Config::load(Some(&file), none).expect("a configuration");

        let link = settings::link(&config);
        let mut framer = Framer::new(link.max_stanza_bytes);
        let Ok(Some(Frame::Open(start_tag))) = framer.next(&mut HEADER.as_bytes()) else {
            panic!("no header");
        };
        let (reader, _) = Reader::open(&start_tag, link.bounds()).expect("a header");
        let metrics = Metrics::new();
        let unsent = config.limits.max_unsent_bytes;
        let replies = Replies::new(metrics.requests.clone(), unsent);
        let requests = Requests::new(
            settings::requests(&config),
            Storage::by_caller(Store::by_caller()),
            Workers::none(),
            &metrics,
            replies.clone(),
        );
        requests.logged_in();
        Stage {
            framer,
            reader,
            requests,
            replies,
            said: VecDeque::new(),
        }
    }

    pub fn send(&mut self, xml: impl AsRef<[u8]>) {
        let mut bytes = xml.as_ref();
        while let Some(Frame::Stanza(mut stanza)) = self.framer.next(&mut bytes).expect("XML") {
            if let Some(received) = self.reader.receive(&mut stanza).expect("XML") {
                self.requests.accept(received, Instant::now());
            }
        }
        self.said.extend(self.replies.with(Outbox::take));
    }

    #[track_caller]
    pub fn next(&mut self) -> String {
        self.said.pop_front().expect("a reply")
    }

    /// Insists that the next reply equals this one, as an infoset.
    #[track_caller]
    pub fn expect(&mut self, xml: &str) {
        let said = self.next();
        assert!(
            parse(&said) == parse(xml),
            "\nexpected {xml}\nreceived {said}"
        );
    }

    /// Insists on an error like this one, but for its text, which must be there.
    #[track_caller]
    pub fn expect_error(&mut self, xml: &str) {
        let said = self.next();
        let (plain, text) = without_text(&said);
        assert!(
            parse(&plain) == parse(xml),
            "\nexpected {xml}\nreceived {said}"
        );
        assert!(text.len() > 10, "an error without words: {said}");
    }

    #[track_caller]
    pub fn expect_nothing(&mut self) {
        assert!(self.said.is_empty(), "{:?}", self.said);
    }

    /// Alice stores these elements, which succeeds.
    #[track_caller]
    pub fn store(&mut self, elements: &str) {
        self.send(set("stored", elements));
        self.expect(
            "<iq type='result' id='stored' from='private.localhost' to='alice@localhost/phone'/>",
        );
    }

    /// Alice asks for these elements, and gets those.
    #[track_caller]
    pub fn fetch(&mut self, asked: &str, got: &str) {
        self.send(get("fetched", asked));
        self.expect(&format!(
            "<iq type='result' id='fetched' from='private.localhost' to='alice@localhost/phone'>\
             <query xmlns='jabber:iq:private'>{got}</query></iq>"
        ));
    }
}
