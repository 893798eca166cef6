//! A Prosody that delegates private storage, and may grant PEP, with the component beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::asking::{PUBSUB, ask, get};
use super::support::client::{PATIENCE, RawClient};
use super::support::component::{self, Component};
use super::support::prosody;
use super::support::server::{COMPONENT, HOST, Options, SECRET, Server};
use super::support::web;

/// Whether Prosody is to send the last part of a long answer before the client has acknowledged
/// what came before it; by default it is not.
pub static WITHOUT_NAGLE: AtomicBool = AtomicBool::new(false);

/// Who asks whether they are served; nobody else.
const PROBE: &str = "probe@localhost";

/// The name of another component that Prosody knows, and that is not ours.
pub const OTHER: &str = "other.localhost";

pub struct Place {
    component: Component,
    options: String,
    pub server: Server,
}

impl Place {
    /// Where these users have accounts. `more` are further lines of the component's configuration.
    pub fn new(grants: bool, users: &[String], more: &str) -> Place {
        let probe = PROBE.to_owned();
        let server = prosody::start(Options {
            accounts: users.iter().cloned().chain([probe]).collect(),
            host_blocks: Some(blocks(grants)),
            besides: format!(
                "pep_max_items = 1000\nnetwork_settings = {{ nagle = {} }}\n",
                !WITHOUT_NAGLE.load(Ordering::Relaxed)
            ),
            ..Options::delegating(&[])
        });
        let mut options = component::Options::at(server.component_address());
        options.domains = vec![HOST.to_owned()];
        options.extra = more.to_owned();
        let toml = options.toml();
        let place = Place {
            component: Component::start(options),
            options: toml,
            server,
        };
        if grants && more.is_empty() {
            place.component.wait_for_log("in step with PEP", PATIENCE);
        }
        let mut probe = place.client(PROBE);
        let deadline = Instant::now() + PATIENCE;
        while !ask(&mut probe, &get("<none xmlns='urn:none'/>"))
            .1
            .contains("result")
        {
            assert!(Instant::now() < deadline, "no delegation");
            std::thread::sleep(Duration::from_millis(50));
        }
        place
    }

    pub fn client(&self, jid: &str) -> RawClient {
        RawClient::login(&self.server, jid)
    }

    /// Has the component go by its configuration with this in place of that.
    pub fn change(&mut self, this: &str, that: &str) {
        assert!(self.options.contains(that));
        self.component.reload(&self.options.replace(that, this));
        self.component.wait_for_log("reloaded", PATIENCE);
    }

    /// How many requests to PEP were carried out.
    pub fn asked_of_pep(&self) -> u64 {
        self.metric("requests_total{outcome=\"done\"}") as u64
    }

    /// How many seconds all requests to PEP took together.
    pub fn seconds_in_pep(&self) -> f64 {
        self.metric("request_duration_seconds_sum")
    }

    fn metric(&self, series: &str) -> f64 {
        let scrape = web::control(&self.component.folder().join("data"), "/metrics").body;
        let series = format!("private_storage_pep_{series} ");
        let value = scrape.lines().find_map(|line| line.strip_prefix(&series));
        let value = value.and_then(|value| value.parse().ok());
        value.expect("a number")
    }
}

fn blocks(grants: bool) -> String {
    let granted = format!("iq = {{ [\"{PUBSUB}\"] = \"both\", [\"{PUBSUB}#owner\"] = \"both\" }}");
    let to = |who: &str| format!("[\"{who}\"] = {{ {granted} }}");
    let entities = match grants {
        true => format!("{}, {}", to(COMPONENT), to(OTHER)),
        false => String::new(),
    };
    let component = |name: &str| {
        format!(
            "Component \"{name}\"\n  component_secret = \"{SECRET}\"\n  \
             modules_enabled = {{ \"delegation\", \"privilege\" }}\n"
        )
    };
    format!(
        "VirtualHost \"{HOST}\"\n  modules_enabled = {{ \"delegation\", \"privilege\", \"pep\", \"bookmarks\" }}\n  \
         delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n  \
         privileged_entities = {{ {entities} }}\n{}{}",
        component(COMPONENT),
        component(OTHER),
    )
}
