//! A server with the component beside it.
//!
//! One of each kind is shared by all tests that harm neither: starting a server costs more than a
//! whole scenario. There each test takes accounts that no other has touched.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::client::{PATIENCE, RawClient, private};
use crate::support::component::{self, Component};
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, Server};
use crate::support::{ejabberd, prosody};

/// How a server of one kind is started.
pub type Start = fn(Options) -> Server;

/// On each virtual host; more than all tests together take.
const ACCOUNTS: usize = 120;

/// A server and the component, both running.
pub struct Stage {
    /// The server.
    pub server: Server,
    /// The component.
    pub component: Component,
    taken: AtomicUsize,
}

/// The shared Prosody.
pub fn prosody() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage::new(prosody::start))
}

/// The shared ejabberd.
pub fn ejabberd() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage::new(ejabberd::start))
}

impl Stage {
    /// A server that delegates, and the component, serving.
    pub fn new(start: Start) -> Stage {
        let accounts: Vec<String> = (0..ACCOUNTS)
            .flat_map(|n| [account(n, HOST), account(n, OTHER_HOST)])
            .collect();
        let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let server = start(Options::delegating(&accounts));
        let component = Component::start(component::Options::at(server.component_address()));
        let stage = Stage {
            server,
            component,
            taken: AtomicUsize::new(0),
        };
        stage.wait_until_served();
        stage
    }

    /// The bare JID of a user nobody has used yet.
    pub fn newcomer(&self) -> String {
        account(self.take(), HOST)
    }

    /// A newcomer, logged in.
    pub fn login(&self) -> RawClient {
        RawClient::login(&self.server, &self.newcomer())
    }

    /// Two newcomers of the same name, one on each virtual host, logged in.
    pub fn login_namesakes(&self) -> [RawClient; 2] {
        let number = self.take();
        [HOST, OTHER_HOST].map(|host| RawClient::login(&self.server, &account(number, host)))
    }

    /// Waits until requests are answered, delegated on both hosts and direct.
    pub fn wait_until_served(&self) {
        for host in [HOST, OTHER_HOST] {
            wait_until_served(&self.server, &account(0, host), &["", COMPONENT]);
        }
    }

    fn take(&self) -> usize {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(taken < ACCOUNTS, "all accounts are taken: raise ACCOUNTS");
        taken
    }
}

/// Asks as `jid`, at each of these addresses, until the answer is a result.
///
/// Meanwhile Prosody may leave a request without any answer, so each gets a short time only, at first.
pub fn wait_until_served(server: &Server, jid: &str, addresses: &[&str]) {
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut client = RawClient::login(server, jid);
    let mut patience = Duration::ZERO;
    for to in addresses {
        loop {
            let request = private("get", to, "<probe xmlns='urn:test:probe'/>");
            patience += Duration::from_secs(1);
            let answer = client.try_request(&request, patience);
            if answer.is_some_and(|iq| iq.attr("type") == Some("result")) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not serve {jid} at '{to}'; its log:\n{}",
                server.name(),
                server.log()
            );
            sleep(Duration::from_millis(50));
        }
    }
}

fn account(number: usize, host: &str) -> String {
    format!("user{number}@{host}")
}
