//! A file for the server's own configuration, filled in from ours and ready to be included.
//!
//! Delegation takes half a dozen lines in a server, and a client hangs or gets errors when one of
//! them is missing; nobody should have to put them together by hand. The comments say what becomes
//! of what the server did before, for that is what surprises later.
//!
//! **The secret is printed**: the server needs it. What these functions return belongs into a
//! server's configuration or before an administrator's eyes, never into a log.

mod grant;
mod into;

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use secrecy::ExposeSecret;

use crate::config::{BookmarksMode, Component, Config, Endpoint};
pub use grant::{EjabberdVersion, Support};
use into::Present;
pub use into::{Advice, ejabberd as ejabberd_into, prosody as prosody_into};

/// Every address of a machine.
const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// What is delegated.
const PRIVATE: &str = "jabber:iq:private";

/// The access rule of ejabberd's that is our component alone.
const RULE: &str = "delegate_private";

/// The addresses at which Prosody waits for components unless it is told others; the port then is
/// [`Endpoint::USUAL_PORT`].
const PROSODY_ADDRESSES: [&str; 2] = ["127.0.0.1", "::1"];

/// What our file for Prosody is called.
const PROSODY_FILE: &str = "private-storage.cfg.lua";

/// What our file for ejabberd is called.
const EJABBERD_FILE: &str = "private-storage.yml";

/// A file for Prosody, 0.12 or later, to be included by its configuration, in Lua. Holds the secret.
pub fn prosody(config: &Config) -> String {
    let jid = lua(config.component.jid.as_str());
    let secret = lua(config.component.secret.expose_secret());
    let hosts = config.access.domains.iter().map(|domain| lua(domain));
    let hosts = hosts.collect::<Vec<_>>().join(", ");
    let listener = Listener::of(&config.component);
    let (global, by_hand) = (&listener.global, listener.comments());
    let module = listener.module.map(|it| format!(", {}", lua(it)));
    let module = module.unwrap_or_default();
    let (bookmarks, what_of_bookmarks) = grant::prosody(config.bookmarks.mode);
    format!(
        "-- For Prosody 0.12 or later: a file of its own, readable by Prosody alone, because it holds the\n\
         -- secret. Debian's configuration includes what is in /etc/prosody/conf.d; elsewhere, add one line\n\
         -- at the end of prosody.cfg.lua: Include \"{PROSODY_FILE}\". Restart Prosody afterwards.\n\
         --\n\
         -- It needs mod_private_storage.lua, which comes with this program, in a folder of plugin_paths.\n\
         -- Nothing has to be changed in the VirtualHosts, and mod_private may stay loaded: it is not asked\n\
         -- any more, and what it has stored is kept.\n\
         {what_of_bookmarks}{by_hand}\n\
         {global}\
         Component {jid}\n  \
           component_secret = {secret}\n  \
           modules_enabled = {{ \"private_storage\"{module} }}\n  \
           private_storage_hosts = {{ {hosts} }}\n\
         {bookmarks}",
    )
}

/// What Prosody must be told for us to reach it.
#[derive(Debug, Default)]
struct Listener {
    /// Settings of the global part that are ours alone.
    global: String,
    /// Their names.
    own: &'static [&'static str],
    /// A further module for the component.
    module: Option<&'static str>,
    /// What others may rely on, too.
    settings: Vec<Setting>,
    /// Whether Prosody cannot listen like this at all.
    is_impossible: bool,
    /// Whether it listens there for components without TLS, unless it is told otherwise.
    is_taken: bool,
}

/// A setting of the global part, of which one line counts for all components: without one Prosody has its
/// defaults, and of two the later one counts.
#[derive(Debug)]
struct Setting {
    name: &'static str,
    /// Other settings: the first of them that is there takes the place of the defaults.
    fallbacks: &'static [&'static str],
    defaults: Vec<String>,
    /// What we need.
    needed: String,
    hints: Vec<&'static str>,
}

impl Listener {
    fn of(component: &Component) -> Self {
        let server = &component.server;
        let Endpoint::Tcp { port, .. } = server else {
            return Self {
                is_impossible: true,
                ..Self::default()
            };
        };
        // A name may mean another address on the server's machine than on ours.
        let (address, mut hints) = match server.address() {
            Some(address) => (address.to_string(), Vec::new()),
            None if server.is_loopback() => (Ipv4Addr::LOCALHOST.to_string(), Vec::new()),
            None => (
                "*".to_owned(),
                vec!["better than \"*\": the one address that the component connects to"],
            ),
        };
        if component.tls.is_some() {
            let hint = hints.iter().map(|it| format!(" -- {it}"));
            let hint: String = hint.collect();
            let is_taken = *port == Endpoint::USUAL_PORT
                && PROSODY_ADDRESSES
                    .iter()
                    .any(|it| covers(it, &address) || covers(&address, it));
            let global = format!(
                "-- Whoever reaches that port may log in there as a client or a server too.\n\
                 ssl_ports = {{ {port} }}\n\
                 ssl_interfaces = {{ {address} }}{hint}\n\
                 ssl_ssl = {{ certificate = \"/etc/prosody/certs/localhost.crt\"; -- put yours here\n\
                 \x20           key = \"/etc/prosody/certs/localhost.key\" }}\n\n",
                address = lua(&address),
            );
            return Self {
                global,
                own: &["ssl_ports", "ssl_interfaces", "ssl_ssl"],
                module: Some("net_multiplex"),
                is_taken,
                ..Self::default()
            };
        }
        if !server.is_loopback() {
            hints.push("the link is not encrypted: keep it private");
        }
        let ports = Setting {
            name: "component_ports",
            fallbacks: &[],
            defaults: vec![Endpoint::USUAL_PORT.to_string()],
            needed: port.to_string(),
            hints: Vec::new(),
        };
        let interfaces = Setting {
            name: "component_interfaces",
            fallbacks: &["component_interface", "local_interfaces"],
            defaults: PROSODY_ADDRESSES.map(str::to_owned).to_vec(),
            needed: address,
            hints,
        };
        Self {
            settings: vec![ports, interfaces],
            ..Self::default()
        }
    }

    /// What an administrator has to know or to do, as comments.
    fn comments(&self) -> String {
        if self.is_impossible {
            return "--\n-- Prosody has no sockets of this kind for components: set component.server to a \
                    port.\n"
                .to_owned();
        }
        if self.is_taken {
            return format!(
                "--\n-- BY HAND: unless component_ports names others, Prosody listens on port {} for components without \
                 TLS,\n-- and cannot do so with TLS. Set component.server to another port, such as 5348, and print this \
                 again.\n",
                Endpoint::USUAL_PORT
            );
        }
        let settings = self.settings.iter().filter(|it| !it.is_default());
        let lines: String = settings.map(|it| format!("--   {it}\n")).collect();
        if lines.is_empty() {
            return lines;
        }
        format!(
            "--\n-- BY HAND, into the global part of prosody.cfg.lua, above the first VirtualHost. If such a line is\n\
             -- there already, add only the last value to it. `--into prosody.cfg.lua` says where.\n{lines}"
        )
    }
}

impl Setting {
    /// Whether Prosody has without it what we need.
    fn is_default(&self) -> bool {
        self.defaults.iter().any(|it| covers(it, &self.needed))
    }

    /// What we need, as Lua.
    fn value(&self) -> String {
        lua_value(&self.needed)
    }
}

/// Whether a Prosody that listens on what is there listens on what is needed: ports, or addresses, of which
/// some stand for all.
fn covers(there: &str, needed: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    match (there, address(needed)) {
        ("*" | "0.0.0.0", Some(IpAddr::V4(_))) | ("::", Some(IpAddr::V6(_))) => true,
        (_, Some(needed)) => address(there) == Some(needed),
        (_, None) => there == needed,
    }
}

/// The whole line, with the defaults, because other components may rely on them.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What the needed one takes in could not be bound beside it.
        let defaults = self.defaults.iter().filter(|it| !covers(&self.needed, it));
        let defaults: Vec<&str> = defaults.map(|it| &**it).collect();
        let values = defaults.iter().copied().chain([&*self.needed]);
        let values: Vec<String> = values.map(lua_value).collect();
        write!(f, "{} = {{ {} }}", self.name, values.join(", "))?;
        let others = match &*defaults {
            [] => None,
            defaults => Some(format!("{} for other components", defaults.join(" and "))),
        };
        let hints = self.hints.iter().map(|it| (*it).to_owned());
        let hints: Vec<String> = others.into_iter().chain(hints).collect();
        match &*hints {
            [] => Ok(()),
            hints => write!(f, " -- {}", hints.join("; ")),
        }
    }
}

/// A file for ejabberd, 23.01 or later, to be included by its configuration, in YAML; what not every
/// version can take, only if it is known which one it is for. Holds the secret.
pub fn ejabberd(config: &Config, version: Option<EjabberdVersion>) -> String {
    ejabberd_beside(config, version, &Present::default())
}

/// The same without modules that hosts have already.
fn ejabberd_beside(config: &Config, version: Option<EjabberdVersion>, present: &Present) -> String {
    let jid = yaml(config.component.jid.as_str());
    let secret = yaml(config.component.secret.expose_secret());
    let grants = config.bookmarks.mode == BookmarksMode::Pep;
    let for_which = match version {
        Some(version) => format!("ejabberd {version}"),
        None => "ejabberd 23.01 or later".to_owned(),
    };
    let of_bookmarks = match grants {
        true => grant::ejabberd_comment(version),
        false if present.is_privilege_elsewhere => grant::EJABBERD_LEAST.to_owned(),
        false => grant::EJABBERD_WITHOUT.to_owned(),
    };
    let of_port = match config.component.server {
        Endpoint::Tcp { port, .. } => format!(
            "# If another listener has port {port} already, ejabberd does not start (\"Overlapping listeners\"): set\n\
             # component.server to another port then, and print this again. --into says whether one has.\n"
        ),
        Endpoint::Unix(_) => String::new(),
    };
    let mut file = format!(
        "# For {for_which}: a file of its own, readable by ejabberd alone, because it holds the secret. Put\n\
         # it at /etc/ejabberd/{EJABBERD_FILE}, and add one line to ejabberd.yml:\n\
         #   include_config_file: /etc/ejabberd/{EJABBERD_FILE}\n\
         # Restart ejabberd afterwards.\n\
         #\n\
         {own_private}\
         #\n\
         {of_bookmarks}\
         #\n\
         # If ejabberd.yml has mod_delegation or mod_privilege already, for another component, ejabberd does\n\
         # not start with them here as well (\"Duplicated option\"). Print this with --into ejabberd.yml then:\n\
         # that leaves them out here, and says what to change there.\n\
         {of_port}\
         \n\
         listen:\n  \
           -\n\
         {listener}    \
             module: ejabberd_service\n    \
             access: all\n    \
             global_routes: false   # otherwise stanzas for other hosts may reach the component\n    \
             hosts:\n      \
               {jid}:\n        \
                 password: {secret}\n\
         acl:\n  \
           private_component:\n    \
             server: {jid}\n\
         access_rules:\n  \
           {RULE}:\n    \
             allow: private_component\n",
        own_private = own_private(version),
        listener = ejabberd_listener(&config.component),
    );
    let mut hosts = String::new();
    for domain in &config.access.domains {
        let mut modules = String::new();
        if !present.delegation.contains(domain) {
            modules.push_str(&delegation());
        }
        if !present.privilege.contains(domain) {
            match grants {
                true => modules.push_str(&grant::ejabberd(version)),
                false if present.is_privilege_elsewhere => {
                    modules.push_str(&grant::ejabberd_least())
                }
                false => {}
            }
        }
        if !modules.is_empty() {
            let domain = yaml(domain);
            let _ = write!(hosts, "  {domain}:\n    modules:\n{modules}");
        }
    }
    if !hosts.is_empty() {
        file.push_str("append_host_config:   # so that no other host of this server delegates\n");
        file.push_str(&hosts);
    }
    file
}

/// Since this version ejabberd keeps its bans in mod_private.
const BANS_IN_PRIVATE: EjabberdVersion = EjabberdVersion(24, 6);

/// What is to become of ejabberd's own mod_private.
fn own_private(version: Option<EjabberdVersion>) -> &'static str {
    match version {
        Some(version) if version >= BANS_IN_PRIVATE => {
            "# mod_private: leave it in if you ever ban accounts, because it keeps the bans. Start the component\n\
             # before ejabberd, for until it has first connected mod_private answers from its own store.\n"
        }
        Some(_) => {
            "# mod_private: take it out, or it answers from its own store until the component first connects.\n"
        }
        None => {
            "# mod_private, before ejabberd 24.06: take it out, or it answers from its own store until the\n\
             # component first connects. Since 24.06: leave it in if you ever ban accounts, because it\n\
             # keeps the bans.\n"
        }
    }
}

/// Where ejabberd is to listen, and whether with TLS.
fn ejabberd_listener(component: &Component) -> String {
    let server = &component.server;
    let Endpoint::Tcp { port, .. } = server else {
        return format!(
            "    port: {}\n    \
             # The user that runs the component must be able to write to that socket. From 23.10 on,\n    \
             # this lets everybody who can enter its folder try the secret:\n    \
             # unix_socket: {{mode: \"0666\"}}\n",
            yaml(&server.to_string())
        );
    };
    let plain = component.tls.is_none();
    let ip = ejabberd_address(server);
    let hint = match server.address().is_some() || server.is_loopback() {
        true if plain && !ip.is_loopback() => "   # the link is not encrypted: keep it private",
        true => "",
        false if plain => {
            "   # every address; better: the one that the component connects to. The link is not encrypted"
        }
        false => "   # every address; better: the one that the component connects to",
    };
    let mut lines = format!(
        "    port: {port}\n    \
         ip: {ip}{hint}\n",
        ip = yaml(&ip.to_string())
    );
    if !plain {
        lines.push_str(
            "    tls: true\n    \
             # One file with certificate and key, which is needed here; this one is Debian's. If\n    \
             # certfiles has a certificate for the name in component.tls_name, that one is used.\n    \
             certfile: \"/etc/ejabberd/ejabberd.pem\"\n",
        );
    }
    lines
}

/// Where that is: on one address, or on all where a name may mean any of them.
fn ejabberd_address(server: &Endpoint) -> IpAddr {
    match server.address() {
        Some(address) => address,
        None if server.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        None => ANY,
    }
}

/// Among the modules of a host: that it delegates to us.
fn delegation() -> String {
    format!(
        "      mod_delegation:\n        \
               namespaces:\n          \
                 \"{PRIVATE}\":\n            \
                   access: {RULE}\n"
    )
}

/// A number as it is, and what is none as a string.
fn lua_value(text: &str) -> String {
    match text.parse::<u16>() {
        Ok(number) => number.to_string(),
        Err(_) => lua(text),
    }
}

fn lua(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // Three digits, or a digit that follows would be taken for one of them.
            c if c.is_ascii_control() => {
                let _ = write!(quoted, "\\{:03}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// As a YAML string in double quotes, the one style that can hold every character.
fn yaml(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // Controls, YAML's own line breaks, and what it does not count as printable.
            c if c.is_control() || "\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}".contains(c) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
