//! A private Prosody: its own configuration, data and ports, no TLS, no links to other servers.

use super::place::Folder;
use super::server::{
    COMPONENT, HOST, OTHER_HOST, Options, PASSWORD, SECRET, Server, is_root, place,
};

/// Our module, and the names that its parts had before.
const MODULES: [&str; 3] = [
    "mod_private_storage.lua",
    "mod_private_storage_forget.lua",
    "mod_private_bookmarks_here.lua",
];

/// Starts one.
pub fn start(options: Options) -> Server {
    let place = place();
    let folder = place.folder("prosody");
    for jid in &options.accounts {
        let (user, host) = jid.split_once('@').expect("a bare JID");
        folder.write(
            &format!("data/{}/accounts/{}.dat", encoded(host), encoded(user)),
            &format!("return {{ [\"password\"] = \"{PASSWORD}\" }};\n"),
        );
    }
    for name in MODULES {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prosody/");
        let text = std::fs::read_to_string(format!("{beside}{name}")).expect("our module");
        folder.write(&format!("modules/{name}"), &text);
    }
    for (name, text) in options.modules {
        folder.write(&format!("modules/{name}"), text);
    }
    let hosts = match &options.host_blocks {
        Some(blocks) => blocks.clone(),
        None => hosts(options.delegation),
    };
    let global = global(&folder, &options);
    let besides = &options.besides;
    folder.write("prosody.cfg.lua", &format!("{global}\n{besides}\n{hosts}"));

    let configuration = folder.inside("prosody.cfg.lua");
    Server::start("Prosody", folder, options.ports, None, move || {
        let mut command = place.command("prosody");
        command.args(["-F", "--config", &configuration]);
        command
    })
}

/// Both hosts, of which one has modules of its own, and what is in a file that is included behind them, as
/// `print-config prosody` prints it.
pub fn including(folder: &Folder, printed: &str) -> String {
    folder.write("private-storage.cfg.lua", printed);
    format!(
        "\nVirtualHost \"{HOST}\"\n  modules_enabled = {{ \"time\", \"pep\", \"bookmarks\" }}\n\
         VirtualHost \"{OTHER_HOST}\"\nInclude \"{}\"\n",
        folder.inside("private-storage.cfg.lua")
    )
}

/// A name as Prosody's internal storage has it in a file's name.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect()
}

/// `mod_private` is absent on purpose: an answer of its own would look like one of ours.
fn global(folder: &Folder, options: &Options) -> String {
    format!(
        r#"run_as_root = {root}
data_path = "{data}"
plugin_paths = {{ "{modules}" }}
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client} }}
c2s_direct_tls_ports = {{}}
{listener}authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "version" }}
modules_disabled = {{ "s2s" }}
"#,
        root = is_root(),
        data = folder.inside("data"),
        modules = folder.inside("modules"),
        client = options.ports.client,
        listener = listener(options),
    )
}

/// Where components connect to, unless the blocks that a test brings say it.
fn listener(options: &Options) -> String {
    let component = options.ports.component;
    match &options.host_blocks {
        Some(blocks) if blocks.contains("component_ports") => String::new(),
        _ => format!(
            "component_interfaces = {{ \"127.0.0.1\" }}\ncomponent_ports = {{ {component} }}\n"
        ),
    }
}

/// The first host delegates by our module, the second by mod_delegation.
fn hosts(delegation: bool) -> String {
    let (other, component) = match delegation {
        true => (
            format!(
                "  modules_enabled = {{ \"delegation\" }}\n  \
                 delegations = {{ [\"jabber:iq:private\"] = {{ jid = \"{COMPONENT}\" }} }}\n"
            ),
            format!(
                "  modules_enabled = {{ \"delegation\", \"private_storage\" }}\n  \
                 private_storage_hosts = {{ \"{HOST}\" }}\n  private_storage_bookmarks = \"off\"\n"
            ),
        ),
        false => (String::new(), String::new()),
    };
    format!(
        "VirtualHost \"{HOST}\"\nVirtualHost \"{OTHER_HOST}\"\n{other}\
         Component \"{COMPONENT}\"\n  component_secret = \"{SECRET}\"\n{component}"
    )
}
