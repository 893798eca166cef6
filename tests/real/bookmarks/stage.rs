//! A Prosody that delegates private storage and may grant PEP, with the component beside it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::modern::Modern;
use super::old::Old;
use super::room::room;
use crate::real::stage::wait_until_served;
use crate::support::client::PATIENCE;
use crate::support::component::{self, Component};
use crate::support::place::Folder;
use crate::support::prosody;
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, SECRET, Server, place};

/// On each virtual host; the first of each is nobody's but the stage's.
const ACCOUNTS: usize = 400;

const HERE: &str = include_str!("../../../packaging/prosody/mod_private_bookmarks_here.lua");

/// How both virtual hosts are set up.
#[derive(Clone, Copy)]
pub struct Hosts {
    /// Which modules they load beside delegation and privilege.
    pub modules: &'static [&'static str],
    /// With which namespaces the component may send IQs for users.
    pub grant: &'static [&'static str],
}

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const DEFAULT: &[&str] = &["pep", "bookmarks"];

/// As the README has it.
pub const GRANTING: Hosts = Hosts {
    modules: DEFAULT,
    grant: &[PUBSUB, OWNER],
};

/// Without the right to mend a node's options.
pub const GRANTING_LESS: Hosts = Hosts {
    modules: DEFAULT,
    grant: &[PUBSUB],
};

/// Delegation alone.
pub const NOT_GRANTING: Hosts = Hosts {
    modules: DEFAULT,
    grant: &[],
};

/// What is granted is not there.
pub const WITHOUT_PEP: Hosts = Hosts {
    modules: &[],
    grant: &[PUBSUB, OWNER],
};

/// A server and the component, both running.
pub struct Stage {
    pub server: Server,
    pub component: Component,
    hosts: Folder,
    taken: AtomicUsize,
}

/// The shared one, granting, for tests that harm nobody.
pub fn shared() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage::new(GRANTING))
}

impl Stage {
    /// A server with such hosts, and the component, serving them.
    pub fn new(hosts: Hosts) -> Stage {
        Stage::with(hosts, |server| server.component_address())
    }

    /// The same; the component connects to where `address` says.
    pub fn with(hosts: Hosts, address: impl Fn(&Server) -> std::net::SocketAddr) -> Stage {
        let folder = place().folder("prosody-hosts");
        folder.write("mod_private_bookmarks_here.lua", HERE);
        folder.write("hosts.cfg.lua", &hosts.blocks());
        let accounts: Vec<String> = (0..ACCOUNTS)
            .flat_map(|n| [account(n, HOST), account(n, OTHER_HOST)])
            .collect();
        let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let mut options = Options::delegating(&accounts);
        options.besides = format!("plugin_paths = {{ \"{}\" }}\n", folder.inside(""));
        options.host_blocks = Some(format!("Include \"{}\"\n", folder.inside("hosts.cfg.lua")));
        let server = prosody::start(options);
        let component = Component::start(component::Options::at(address(&server)));
        let stage = Stage {
            server,
            component,
            hosts: folder,
            taken: AtomicUsize::new(0),
        };
        stage.wait_for(hosts);
        stage
    }

    /// Restarts the server with other hosts.
    pub fn turn_into(&mut self, hosts: Hosts) {
        self.hosts.write("hosts.cfg.lua", &hosts.blocks());
        self.server.restart();
        self.wait_for(hosts);
    }

    /// The bare JID of a user nobody has used yet.
    pub fn newcomer(&self) -> String {
        account(self.take(), HOST)
    }

    /// Two newcomers of the same name, one on each virtual host.
    pub fn namesakes(&self) -> [String; 2] {
        let number = self.take();
        [HOST, OTHER_HOST].map(|host| account(number, host))
    }

    /// A newcomer, with a client of each kind.
    pub fn user(&self) -> (Old, Modern) {
        let jid = self.newcomer();
        (self.old(&jid), self.modern(&jid))
    }

    /// An old client of this user's.
    pub fn old(&self, jid: &str) -> Old {
        Old::login(&self.server, jid)
    }

    /// A modern one.
    pub fn modern(&self, jid: &str) -> Modern {
        Modern::login(&self.server, jid)
    }

    /// Waits until requests are answered, and the grant, if there is one, is in force.
    pub fn wait_for(&self, hosts: Hosts) {
        for host in [HOST, OTHER_HOST] {
            wait_until_served(&self.server, &account(0, host), &["", COMPONENT]);
        }
        if hosts.modules.contains(&"pep") && !hosts.grant.is_empty() {
            self.wait_until_in_step();
        }
    }

    /// Waits until an old client of each host is shown what a modern one has just published.
    pub fn wait_until_in_step(&self) {
        let number = self.take();
        for host in [HOST, OTHER_HOST] {
            let jid = account(0, host);
            let probe = room("probe").name(&number.to_string());
            self.modern(&jid).publish(&probe);
            let mut old = self.old(&jid);
            self.until("an old client sees a modern one's room", || {
                let rooms = old.try_rooms(Duration::from_secs(1));
                rooms.is_some_and(|rooms| rooms.contains(&probe))
            });
        }
    }

    /// Tries until it is so.
    #[track_caller]
    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + 2 * PATIENCE;
        while !is_so() {
            assert!(
                Instant::now() < deadline,
                "not in time: {what}; the component's log:\n{}",
                self.component.log().join("\n")
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn take(&self) -> usize {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(taken < ACCOUNTS, "all accounts are taken: raise ACCOUNTS");
        taken
    }
}

impl Hosts {
    /// Their part of the configuration, and the component's.
    fn blocks(self) -> String {
        let quoted = |modules: &[&str]| {
            let quoted: Vec<String> = modules.iter().map(|name| format!("\"{name}\"")).collect();
            quoted.join(", ")
        };
        let modules = quoted(&[&["delegation", "privilege"], self.modules].concat());
        let namespaces = self
            .grant
            .iter()
            .map(|name| format!("[\"{name}\"] = \"both\""));
        let grant = match self.grant {
            [] => String::new(),
            _ => format!(
                "  privileged_entities = {{ [\"{COMPONENT}\"] = {{ iq = {{ {} }} }} }}\n",
                namespaces.collect::<Vec<_>>().join(", ")
            ),
        };
        let host = format!(
            "  modules_enabled = {{ {modules} }}\n  \
             delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n{grant}"
        );
        format!(
            "VirtualHost \"{HOST}\"\n{host}VirtualHost \"{OTHER_HOST}\"\n{host}\
             Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n  \
             modules_enabled = {{ \"delegation\", \"privilege\" }}\n"
        )
    }
}

fn account(number: usize, host: &str) -> String {
    format!("user{number}@{host}")
}
