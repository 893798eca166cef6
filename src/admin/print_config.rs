//! The block for a server's own configuration, filled in from ours and ready to paste.
//!
//! Delegation takes half a dozen lines in a server, and a client hangs or gets errors when one of
//! them is missing; nobody should have to put them together by hand. The comments say what becomes
//! of what the server did before, for that is what surprises later.
//!
//! **The secret is printed**: the server needs it. What these functions return belongs into a
//! server's configuration or before an administrator's eyes, never into a log.

mod grant;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use secrecy::ExposeSecret;

use crate::config::{BookmarksMode, Component, Config, Endpoint};
pub use grant::{EjabberdVersion, Support};

/// Every address of a machine.
const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The port that Prosody opens for components unless it is told another.
const PROSODY_PORT: u16 = 5347;

/// The block for Prosody, 0.12 or later, in Lua. Holds the secret.
pub fn prosody(config: &Config) -> String {
    let jid = lua(config.component.jid.as_str());
    let secret = lua(config.component.secret.expose_secret());
    let grants = config.bookmarks.mode == BookmarksMode::Pep;
    let (needs, modules) = match grants {
        true => (
            "mod_delegation and mod_privilege",
            r#""delegation", "privilege""#,
        ),
        false => ("mod_delegation", r#""delegation""#),
    };
    let mut block = format!(
        "-- For Prosody's configuration. It needs {needs} from prosody-modules.\n\
         -- Restart Prosody afterwards.\n",
    );
    block.push_str(&prosody_listener(&config.component));
    block.push_str(
        "\n\
         -- These lines go INTO the block of each VirtualHost that is there already. If it has a\n\
         -- modules_enabled or a modules_disabled of its own, add what is in these to that.\n\
         --\n",
    );
    block.push_str(grant::prosody_comment(grants));
    block.push_str(
        "--\n\
         -- Deleted accounts: what they had stored is removed with them if modules_enabled also has\n\
         -- \"private_storage_forget\", a module that comes with this program.\n",
    );
    for domain in &config.access.domains {
        block.push_str(&prosody_host(domain, modules, &jid));
        if grants {
            block.push_str(&grant::prosody(&jid));
        }
    }
    let _ = write!(
        block,
        "\n\
         -- This goes at the end of the file.\n\
         Component {jid}\n  \
           component_secret = {secret}\n  \
           modules_enabled = {{ {modules} }} -- on both sides, or clients get errors\n",
    );
    block
}

/// What a served host is told: these modules, and that it delegates to us.
fn prosody_host(domain: &str, modules: &str, jid: &str) -> String {
    format!(
        "\n\
         VirtualHost {domain}\n  \
           modules_enabled = {{ {modules} }}\n  \
           modules_disabled = {{ \"private\" }} -- what it has stored is kept, but no longer served\n  \
           delegations = {{ [\"jabber:iq:private\"] = {{ jid = {jid} }} }}\n",
        domain = lua(domain),
    )
}

/// What Prosody must be told for us to reach it, where its own defaults are not enough. It counts
/// only in the global part, so it stands before any host.
fn prosody_listener(component: &Component) -> String {
    let server = &component.server;
    let Endpoint::Tcp { port, .. } = server else {
        return "\n-- Prosody has no sockets of this kind for components: set component.server to a port.\n"
            .to_owned();
    };
    let mut lines = String::new();
    // A name may mean another address on the server's machine than on ours.
    let (address, hint) = match server.address() {
        Some(address) => (address.to_string(), ""),
        None if server.is_loopback() => (Ipv4Addr::LOCALHOST.to_string(), ""),
        None => (
            "*".to_owned(),
            "better: the one address that the component connects to",
        ),
    };
    let address = lua(&address);
    if component.tls.is_some() {
        let dashes = if hint.is_empty() { "" } else { " -- " };
        let _ = write!(
            lines,
            "ssl_ports = {{ {port} }}\n\
             ssl_interfaces = {{ {address} }}{dashes}{hint}\n\
             ssl_ssl = {{ certificate = \"/etc/prosody/certs/localhost.crt\"; -- put yours here\n\
             \x20           key = \"/etc/prosody/certs/localhost.key\" }}\n\
             -- And add \"net_multiplex\" to modules_enabled. Whoever reaches that port may log in there\n\
             -- as a client or a server too.\n"
        );
    } else {
        if *port != PROSODY_PORT {
            let _ = writeln!(
                lines,
                "component_ports = {{ {port} }} -- with {PROSODY_PORT} as well, if other components use it"
            );
        }
        if !server.is_loopback() {
            let and = if hint.is_empty() { "" } else { "; " };
            let _ = writeln!(
                lines,
                "component_interfaces = {{ {address} }} -- {hint}{and}the link is not encrypted: keep it \
                 private",
            );
        }
    }
    if !lines.is_empty() {
        let above = "\n-- This goes into the global part, above the first VirtualHost. If there is such a line\n\
                     -- already, add to it what is in this one.\n";
        lines.insert_str(0, above);
    }
    lines
}

/// The block for ejabberd, 23.01 or later, in YAML; what not every version can take, only if it is
/// known which one it is for. Holds the secret.
pub fn ejabberd(config: &Config, version: Option<EjabberdVersion>) -> String {
    let jid = yaml(config.component.jid.as_str());
    let secret = yaml(config.component.secret.expose_secret());
    let mut block = format!(
        "# For ejabberd.yml. If it has one of these keys already, at the same depth, put what is below\n\
         # the key below that one: no key may occur twice. Restart ejabberd afterwards.\n\
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
           delegate_private:\n    \
             allow: private_component\n\
         append_host_config:   # so that no other host of this server delegates\n",
        listener = ejabberd_listener(&config.component),
    );
    let grants = config.bookmarks.mode == BookmarksMode::Pep;
    for domain in &config.access.domains {
        block.push_str(&ejabberd_host(domain));
        if grants {
            block.push_str(&grant::ejabberd(version));
        }
    }
    block.push_str(
        "# mod_private, before ejabberd 24.06: take it out, or it answers from its own store until the\n\
         # component first connects. Since 24.06: leave it in if you ever ban accounts, because it\n\
         # keeps the bans.\n",
    );
    block.push_str(&match grants {
        true => grant::ejabberd_comment(version),
        false => grant::EJABBERD_WITHOUT.to_owned(),
    });
    block
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
    let (ip, hint) = match server.address() {
        Some(address) if plain && !address.is_loopback() => {
            (address, "   # the link is not encrypted: keep it private")
        }
        Some(address) => (address, ""),
        None if server.is_loopback() => (Ipv4Addr::LOCALHOST.into(), ""),
        None if plain => (
            ANY,
            "   # every address; better: the one that the component connects to. The link is not encrypted",
        ),
        None => (
            ANY,
            "   # every address; better: the one that the component connects to",
        ),
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

/// What a served host is told: that it delegates to us.
fn ejabberd_host(domain: &str) -> String {
    format!(
        "  {domain}:\n    \
           modules:\n      \
             mod_delegation:\n        \
               namespaces:\n          \
                 \"jabber:iq:private\":\n            \
                   access: delegate_private\n",
        domain = yaml(domain),
    )
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
