//! A component that has logged in to a scripted server.

use std::ops::{Deref, DerefMut};

use crate::support::component::{Component, Options};
use crate::support::router::{Router, Session};

/// The component and its link. What a test does with the link can be written on the stage.
pub struct Stage {
    pub router: Router,
    pub session: Session,
    pub component: Component,
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

    /// With options of the test's own.
    pub fn configured(change: impl FnOnce(&mut Options)) -> Stage {
        let router = Router::new();
        let mut options = Options::at(router.address());
        change(&mut options);
        let component = Component::start(options);
        let session = router.let_in();
        Stage {
            router,
            session,
            component,
        }
    }

    /// The server dies.
    pub fn lose_link(&mut self) {
        self.session.die();
    }

    /// Waits for the component's next connection and lets it in.
    #[track_caller]
    pub fn let_in_again(&mut self) {
        self.session = self.router.let_in();
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

impl Deref for Stage {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// A get of Alice's.
pub fn get(id: &str, elements: &str) -> String {
    request("get", id, "alice@localhost/phone", elements)
}

/// A set of Alice's.
pub fn set(id: &str, elements: &str) -> String {
    request("set", id, "alice@localhost/phone", elements)
}

/// A request to the component itself.
pub fn request(kind: &str, id: &str, from: &str, elements: &str) -> String {
    format!(
        "<iq type='{kind}' id='{id}' from='{from}' to='private.localhost'>\
         <query xmlns='jabber:iq:private'>{elements}</query></iq>"
    )
}

/// An error as answered to a request of Alice's that was `<query>elements</query>`.
pub fn error(id: &str, elements: &str, kind: &str, code: u16, condition: &str) -> String {
    let query = format!("<query xmlns='jabber:iq:private'>{elements}</query>");
    error_with(id, &query, kind, code, condition)
}

/// An error as answered to a request of Alice's, with what it repeats.
pub fn error_with(id: &str, repeated: &str, kind: &str, code: u16, condition: &str) -> String {
    format!(
        "<iq type='error' id='{id}' from='private.localhost' to='alice@localhost/phone'>{repeated}\
         <error type='{kind}' code='{code}'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
}
