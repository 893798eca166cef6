//! A private ejabberd: its own configuration, database and ports, no TLS unless a test adds it, no
//! links to other servers.
//!
//! It is started without `ejabberdctl` and without Erlang's distribution: so there is no node
//! name to be unique and no port mapper to be shared or left behind, any number run side by side,
//! and any user may run it. The price is that nothing can be asked of it from outside but what
//! XMPP offers; the accounts are made by the same command that starts it.

use std::process::Command;

use super::place::{Folder, Place};
use super::server::{COMPONENT, HOST, OTHER_HOST, Options, PASSWORD, SECRET, Server, place};

const READY: &str = "the accounts are there";

/// Starts one.
pub fn start(options: Options) -> Server {
    start_and(options, |_| String::new())
}

/// Starts one that evaluates an Erlang expression, which ends with a comma, at each start: as soon
/// as the accounts are there, and before it counts as ready. The folder is the server's.
pub fn start_and(options: Options, task: impl FnOnce(&Folder) -> String) -> Server {
    start_as(options, task, |_| {})
}

/// The same, with more of what Erlang is told.
pub(super) fn start_as(
    options: Options,
    task: impl FnOnce(&Folder) -> String,
    more: impl Fn(&mut Command) + Send + Sync + 'static,
) -> Server {
    let place = place();
    let folder = place.folder("ejabberd");
    folder.write("ejabberd.yml", &configuration(&options));
    folder.write("accounts", &accounts(&options));

    let libraries = libraries(&place);
    let configuration = folder.inside("ejabberd.yml");
    let log = folder.inside("log/ejabberd.log");
    let spool = format!("\"{}\"", folder.inside("spool"));
    let make_accounts = make_accounts(&folder.inside("accounts"), &task(&folder));
    Server::start("ejabberd", folder, options.ports, Some(READY), move || {
        let mut command = place.command("erl");
        command
            .env("ERL_LIBS", &libraries)
            .env("EJABBERD_CONFIG_PATH", &configuration)
            .env("EJABBERD_LOG_PATH", &log)
            .env("ERL_CRASH_DUMP_BYTES", "0")
            .env("HOME", "/")
            .args(["-noinput", "-mnesia", "dir", &spool])
            .args(["-s", "ejabberd", "-eval", &make_accounts]);
        more(&mut command);
        command
    })
}

/// The accounts as Erlang terms.
fn accounts(options: &Options) -> String {
    let mut terms = String::new();
    for jid in &options.accounts {
        let (user, host) = jid.split_once('@').expect("a bare JID");
        terms.push_str(&format!("{{<<\"{user}\">>, <<\"{host}\">>}}.\n"));
    }
    terms
}

/// An Erlang expression that makes the accounts in `file`. That one exists already, after a
/// restart, is an error without consequences.
fn make_accounts(file: &str, task: &str) -> String {
    format!(
        "{{ok, Accounts}} = file:consult(\"{file}\"), \
         [ejabberd_auth:try_register(User, Host, <<\"{PASSWORD}\">>) \
         || {{User, Host}} <- Accounts], \
         {task} io:format(\"{READY}~n\")."
    )
}

/// Where the package keeps ejabberd's Erlang libraries: its own script names the folder, which
/// differs by architecture.
fn libraries(place: &Place) -> String {
    let script = place.outside("/usr/sbin/ejabberdctl");
    let text = std::fs::read_to_string(&script)
        .unwrap_or_else(|error| panic!("{}: {error}; see scripts/test", script.display()));
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ERL_LIBS="))
        .expect("ejabberdctl sets ERL_LIBS");
    line.trim_matches(['\'', '"']).to_owned()
}

/// The configuration file, `ejabberd.yml` in the server's folder.
///
/// `mod_private` is absent on purpose: it would answer until the component has first connected.
pub fn configuration(options: &Options) -> String {
    let mut text = global(options);
    match &options.host_blocks {
        Some(blocks) => text = merge(&text, blocks),
        None => {
            text = merge(&text, &component(options));
            if options.delegation {
                text = merge(&text, &delegation());
            }
        }
    }
    merge(&text, &options.besides)
}

/// What includes a file, as `print-config ejabberd` prints it: for `Options::host_blocks`.
pub fn including(folder: &Folder, printed: &str) -> String {
    folder.write("private-storage.yml", printed);
    format!(
        "include_config_file: \"{}\"\n",
        folder.inside("private-storage.yml")
    )
}

fn global(options: &Options) -> String {
    format!(
        r#"hosts:
  - {HOST}
  - {OTHER_HOST}
loglevel: info
auth_method: internal
listen:
  -
    port: {client}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    access: all
modules:
  mod_disco: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
"#,
        client = options.ports.client,
    )
}

fn component(options: &Options) -> String {
    let port = options.ports.component;
    listener(&format!("port: {port}\n    ip: \"127.0.0.1\""))
}

/// A listener for the component that these lines, indented by four, say more about.
pub fn listener(lines: &str) -> String {
    format!(
        r#"listen:
  -
    {lines}
    module: ejabberd_service
    access: all
    global_routes: false
    hosts:
      {COMPONENT}:
        password: "{SECRET}"
"#
    )
}

fn delegation() -> String {
    format!(
        r#"acl:
  private_component:
    server: {COMPONENT}
access_rules:
  delegate_private:
    allow: private_component
modules:
  mod_delegation:
    namespaces:
      "jabber:iq:private":
        access: delegate_private
"#
    )
}

/// Users' PEP: for `Options::besides`.
pub const PEP: &str = "modules:
  mod_caps: {}
  mod_pubsub:
    plugins:
      - flat
      - pep
";

/// Its own private storage: it answers until the component has first connected, and converts
/// between its own two nodes of bookmarks all the time. For `Options::besides`.
pub const OWN_PRIVATE: &str = "modules:\n  mod_private: {}\n";

/// What lets the component send IQs with these namespaces for the users of both hosts (XEP-0356):
/// for `Options::besides`, with delegation. Only from 25.03 on (see [`version`]): before, it keeps
/// ejabberd from starting, or drops what the component sends.
pub fn privilege(namespaces: &[&str]) -> String {
    let mut text = "modules:\n  mod_privilege:\n    iq:\n".to_owned();
    for namespace in namespaces {
        text.push_str(&format!(
            "      \"{namespace}\":\n        both: delegate_private\n"
        ));
    }
    text
}

/// Has whoever comes be a user of this host, without an account: for `Options::besides`.
pub fn anonymous(host: &str) -> String {
    format!(
        "host_config:\n  {host}:\n    auth_method: anonymous\n    anonymous_protocol: sasl_anon\n"
    )
}

/// Which ejabberd there is: year and month.
pub fn version() -> (u32, u32) {
    let place = place();
    let folder = place.outside(&libraries(&place));
    let entries = std::fs::read_dir(&folder).expect("the folder of its libraries");
    entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let (year, month) = name.to_str()?.strip_prefix("ejabberd-")?.split_once('.')?;
            let digits = month.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((year.parse().ok()?, digits.parse().ok()?))
        })
        .max()
        .unwrap_or_else(|| panic!("no ejabberd in {}", folder.display()))
}

/// Puts what `more` says below a top-level key to what `text` says below the same key, as an
/// administrator does who pastes a printed block into a file.
fn merge(text: &str, more: &str) -> String {
    let mut sections = sections(text);
    for (key, body) in self::sections(more) {
        match sections.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => known.push_str(&body),
            None => sections.push((key, body)),
        }
    }
    sections
        .into_iter()
        .map(|(key, body)| format!("{key}\n{body}"))
        .collect()
}

/// The top-level lines, each with the indented lines below it; comments and blank lines left out.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
    for line in lines {
        match sections.last_mut() {
            Some((_, body)) if line.starts_with(' ') => {
                body.push_str(line);
                body.push('\n');
            }
            _ => {
                let key = line.split(" #").next().unwrap_or(line);
                sections.push((key.trim_end().to_owned(), String::new()));
            }
        }
    }
    sections
}
