//! A server that delegates private storage and may grant PEP, with the component beside it.

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
use crate::support::server::{COMPONENT, HOST, OTHER_HOST, Options, Ports, SECRET, Server, place};
use crate::support::{ejabberd, prosody};

/// On each virtual host; the first of each is nobody's but the stage's.
const ACCOUNTS: usize = 400;

/// Which server a scenario is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "newer-servers"), expect(dead_code))]
pub enum On {
    /// Prosody.
    Prosody,
    /// ejabberd without a private storage of its own.
    Ejabberd,
    /// ejabberd with it, which converts between two nodes of bookmarks meanwhile.
    EjabberdWithOwnPrivate,
}

/// Plays scenarios on each: what they have in common is told a function as its [`On`]. Those with
/// ejabberd are of the suite `newer-servers`, which `scripts/prove-bookmarks` runs, because a Debian
/// without backports has none that can do it.
macro_rules! on_each_server {
    ($($scenario:ident)*) => {
        mod on_prosody {
            $(#[test] fn $scenario() {
                super::$scenario($crate::real::bookmarks::stage::On::Prosody);
            })*
        }
        #[cfg(feature = "newer-servers")]
        mod on_ejabberd {
            $(#[test] fn $scenario() {
                super::$scenario($crate::real::bookmarks::stage::On::Ejabberd);
            })*
        }
        #[cfg(feature = "newer-servers")]
        mod on_ejabberd_with_its_own_private_storage {
            $(#[test] fn $scenario() {
                super::$scenario($crate::real::bookmarks::stage::On::EjabberdWithOwnPrivate);
            })*
        }
    };
}
pub(super) use on_each_server;

/// How both virtual hosts are set up.
#[derive(Clone, Copy)]
pub struct Hosts {
    /// Which modules they load beside delegation and privilege: those of Prosody, of which "pep"
    /// stands for ejabberd's too.
    pub modules: &'static [&'static str],
    /// With which namespaces the component may send IQs for users.
    pub grant: &'static [&'static str],
    /// Whether nobody has an account on the second: its users are whoever comes.
    pub anonymous: bool,
    /// Whether they delegate that accounts announce that bookmarks are kept in step.
    pub announcing: bool,
    /// By which modules Prosody does it.
    pub by: By,
}

/// What Prosody's hosts delegate and grant by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Our own module; all that is not said otherwise.
    OurModule,
    /// The same, which leaves bookmarks to mod_bookmarks.
    OurModuleLeavingBookmarks,
    /// mod_delegation and mod_privilege.
    Delegation,
}

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const DEFAULT: &[&str] = &["pep", "bookmarks"];

/// As the README has it.
pub const GRANTING: Hosts = Hosts {
    modules: DEFAULT,
    grant: &[PUBSUB, OWNER],
    anonymous: false,
    announcing: false,
    by: By::OurModule,
};

/// Without the right to mend a node's options.
pub const GRANTING_LESS: Hosts = Hosts {
    grant: &[PUBSUB],
    by: By::Delegation,
    ..GRANTING
};

/// Delegation alone.
pub const NOT_GRANTING: Hosts = Hosts {
    grant: &[],
    ..GRANTING
};

/// What is granted is not there.
pub const WITHOUT_PEP: Hosts = Hosts {
    modules: &[],
    ..GRANTING
};

/// The second has anonymous users.
pub const GRANTING_ANONYMOUS: Hosts = Hosts {
    anonymous: true,
    ..GRANTING
};

/// A server and the component, both running.
pub struct Stage {
    pub server: Server,
    pub component: Component,
    on: On,
    ports: Ports,
    /// What Prosody's configuration includes.
    hosts: Folder,
    taken: AtomicUsize,
}

impl On {
    /// The shared stage, granting, for tests that harm nobody.
    pub fn shared(self) -> &'static Stage {
        static STAGES: [OnceLock<Stage>; 3] = [const { OnceLock::new() }; 3];
        STAGES[self as usize].get_or_init(|| Stage::new(self, GRANTING))
    }
}

impl Stage {
    /// A server with such hosts, and the component, serving them.
    pub fn new(on: On, hosts: Hosts) -> Stage {
        Stage::with(on, hosts, |server| server.component_address())
    }

    /// The same; the component connects to where `address` says.
    pub fn with(on: On, hosts: Hosts, address: impl Fn(&Server) -> std::net::SocketAddr) -> Stage {
        Stage::configured(on, hosts, |server| component::Options::at(address(server)))
    }

    /// The same; the component is configured like this.
    pub fn configured(
        on: On,
        hosts: Hosts,
        configure: impl FnOnce(&Server) -> component::Options,
    ) -> Stage {
        let folder = place().folder("bookmarks");
        let accounts: Vec<String> = (0..ACCOUNTS)
            .flat_map(|n| [account(n, HOST), account(n, OTHER_HOST)])
            .collect();
        let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let mut options = Options::delegating(&accounts);
        let ports = options.ports;
        let server = match on {
            On::Prosody => {
                folder.write("hosts.cfg.lua", &hosts.for_prosody());
                let hosts = folder.inside("hosts.cfg.lua");
                options.host_blocks = Some(format!("Include \"{hosts}\"\n"));
                prosody::start(options)
            }
            On::Ejabberd | On::EjabberdWithOwnPrivate => {
                let found = ejabberd::version();
                assert!(
                    found >= (25, 3),
                    "needs ejabberd 25.03 or later, not {found:?}"
                );
                options.besides = hosts.for_ejabberd(on);
                ejabberd::start(options)
            }
        };
        let mut options = configure(&server);
        // Where ejabberd has met the next connection before it has seen the end of the last, it
        // takes grant and delegation from both. A ping finds that out.
        options.component += "\nping_seconds = 5";
        let component = Component::start(options);
        let stage = Stage {
            server,
            component,
            on,
            ports,
            hosts: folder,
            taken: AtomicUsize::new(0),
        };
        stage.wait_for(hosts);
        stage
    }

    /// Restarts the server with other hosts.
    pub fn turn_into(&mut self, hosts: Hosts) {
        match self.on {
            On::Prosody => self.hosts.write("hosts.cfg.lua", &hosts.for_prosody()),
            On::Ejabberd | On::EjabberdWithOwnPrivate => {
                let options = Options {
                    ports: self.ports,
                    besides: hosts.for_ejabberd(self.on),
                    ..Options::delegating(&[])
                };
                let configuration = ejabberd::configuration(&options);
                self.server.folder().write("ejabberd.yml", &configuration);
            }
        }
        self.server.restart();
        self.wait_for(hosts);
    }

    /// Whether clients may edit one user's rooms at once. ejabberd's own private storage undoes some of that
    /// by itself (`converted`).
    pub fn takes_edits_at_once(&self) -> bool {
        self.on != On::EjabberdWithOwnPrivate
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
        for host in hosts.with_accounts() {
            wait_until_served(&self.server, &account(0, host), &["", COMPONENT]);
        }
        if hosts.modules.contains(&"pep") && !hosts.grant.is_empty() {
            self.wait_until_in_step(hosts.with_accounts());
        }
    }

    /// Waits until an old client of each host is shown what a modern one has just published.
    fn wait_until_in_step(&self, hosts: &[&str]) {
        let number = self.take();
        for host in hosts {
            let jid = account(0, host);
            let mut sees = sees_a_modern_ones_room(&self.server, &jid, number);
            self.until("an old client sees a modern one's room", &mut sees);
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

    /// The same, for what an old client has stored: where PEP takes more than 5 s, the rest is published when that client asks
    /// again.
    #[track_caller]
    pub fn until_published(
        &self,
        what: &str,
        mut is_so: impl FnMut() -> bool,
        mut ask: impl FnMut(),
    ) {
        self.until(what, || {
            is_so() || {
                ask();
                false
            }
        });
    }

    fn take(&self) -> usize {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(taken < ACCOUNTS, "all accounts are taken: raise ACCOUNTS");
        taken
    }
}

/// Has a modern client of this user's publish a room, named by this number, and looks whether an old one sees it.
pub fn sees_a_modern_ones_room(
    server: &Server,
    jid: &str,
    number: usize,
) -> impl FnMut() -> bool + use<> {
    let probe = room("probe").name(&number.to_string());
    Modern::login(server, jid).publish(&probe);
    let mut old = Old::login(server, jid);
    let mut patience = Duration::ZERO;
    move || {
        patience += Duration::from_secs(1);
        let rooms = old.try_rooms(patience);
        rooms.is_some_and(|rooms| rooms.contains(&probe))
    }
}

impl Hosts {
    fn with_accounts(self) -> &'static [&'static str] {
        match self.anonymous {
            true => &[HOST],
            false => &[HOST, OTHER_HOST],
        }
    }

    /// What they take beside delegation.
    pub fn for_ejabberd(self, on: On) -> String {
        let mut text = String::new();
        if self.announcing {
            // It goes on where the namespaces that are delegated are.
            text.push_str(
                "modules:\n      \"urn:xmpp:bookmarks:1#compat\":\n        access: delegate_private\n",
            );
        }
        if on == On::EjabberdWithOwnPrivate {
            text.push_str(ejabberd::OWN_PRIVATE);
        }
        if self.modules.contains(&"pep") {
            text.push_str(ejabberd::PEP);
        }
        // Loaded without a grant, it would take delegation away.
        if !self.grant.is_empty() {
            text.push_str(&ejabberd::privilege(self.grant));
        }
        if self.anonymous {
            text.push_str(&ejabberd::anonymous(OTHER_HOST));
        }
        text
    }

    /// Their part of the configuration, and the component's.
    fn for_prosody(self) -> String {
        let modules = match self.by {
            By::Delegation => [&["delegation", "privilege"], self.modules].concat(),
            _ => self.modules.to_vec(),
        };
        let mut host = format!("  modules_enabled = {{ {} }}\n", quoted(&modules));
        if self.by == By::Delegation {
            host += &self.by_delegation();
        }
        let anonymous = match self.anonymous {
            true => "  authentication = \"anonymous\"\n",
            false => "",
        };
        let component = match self.by {
            By::Delegation => "  modules_enabled = { \"delegation\", \"privilege\" }\n".to_owned(),
            _ => self.by_our_module(),
        };
        format!(
            "VirtualHost \"{HOST}\"\n{host}VirtualHost \"{OTHER_HOST}\"\n{anonymous}{host}\
             Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n{component}"
        )
    }

    /// Of a host that loads mod_delegation and mod_privilege.
    fn by_delegation(self) -> String {
        let announcing = match self.announcing {
            true => format!(", [\"urn:xmpp:bookmarks:1#compat\"] = {{ jid = \"{COMPONENT}\" }}"),
            false => String::new(),
        };
        let mut text = format!(
            "  delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }}{announcing} }}\n"
        );
        if !self.grant.is_empty() {
            let namespaces = self
                .grant
                .iter()
                .map(|name| format!("[\"{name}\"] = \"both\""));
            let namespaces = namespaces.collect::<Vec<_>>().join(", ");
            text += &format!(
                "  privileged_entities = {{ [\"{COMPONENT}\"] = {{ iq = {{ {namespaces} }} }} }}\n"
            );
        }
        text
    }

    /// Of the component, which loads our module.
    fn by_our_module(self) -> String {
        let bookmarks = match (self.by, self.grant) {
            (By::OurModuleLeavingBookmarks, _) => "  private_storage_bookmarks = \"server\"\n",
            (_, []) => "  private_storage_bookmarks = \"off\"\n",
            _ => "",
        };
        format!(
            "  modules_enabled = {{ \"private_storage\" }}\n  \
             private_storage_hosts = {{ \"{HOST}\", \"{OTHER_HOST}\" }}\n{bookmarks}"
        )
    }
}

fn quoted(modules: &[&str]) -> String {
    let quoted: Vec<String> = modules.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

pub fn account(number: usize, host: &str) -> String {
    format!("user{number}@{host}")
}
