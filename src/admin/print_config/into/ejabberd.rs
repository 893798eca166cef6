//! ejabberd's own file. It takes each module once for a host: one that is there already, for another
//! component, is changed where it is.
//!
//! A host has the modules of its `host_config`, or else those of the top level, and those of its
//! `append_host_config` beside them (the same in 23.01, 24.12 and 26.07).

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::Path;
use std::ptr;

use super::super::grant::{self, EjabberdVersion, Support};
use super::super::{EJABBERD_FILE, ejabberd_address, ejabberd_beside};
use super::module::{Module, Wanted, at};
use super::yaml::{self, Entry, Node, Value};
use super::{Advice, Present, Source, told};
use crate::config::{BookmarksMode, Component, Config, Endpoint};

const DELEGATION: &str = "mod_delegation";
const PRIVILEGE: &str = "mod_privilege";

/// What goes with this file of ejabberd's, and with those that it includes.
pub fn ejabberd(config: &Config, version: EjabberdVersion, path: &Path) -> io::Result<Advice> {
    let mut main = Source::read(path)?;
    let tree = yaml::read(&main.text);
    let tree = tree.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    let mut by_hand = Vec::new();
    let included = included(&main, &tree, &mut by_hand);
    if !included.takes_ours {
        let ours = main.path.with_file_name(EJABBERD_FILE);
        main.put_at_the_end(format!("include_config_file: {}\n", ours.display()));
    }
    let (mut sources, mut trees) = (vec![main], vec![tree]);
    for (source, tree) in included.files {
        sources.push(source);
        trees.push(tree);
    }

    let domains = &config.access.domains;
    let privileges = match (version.support(), config.bookmarks.mode) {
        (Support::Yes, BookmarksMode::Pep) => grant::NAMESPACES.map(Wanted::Privilege).to_vec(),
        (Support::Yes, BookmarksMode::Off) => grant::LEAST.map(Wanted::Privilege).to_vec(),
        (Support::Harmful | Support::No, _) => Vec::new(),
    };
    let delegations = modules(&trees, domains, DELEGATION);
    let grants = modules(&trees, domains, PRIVILEGE);
    let others = others(&trees, domains).join(", ");
    let is_for_others = |module: &Module<'_>| module.is_for_all && !others.is_empty();
    for module in &delegations {
        by_hand.extend(module.change(&mut sources, "namespaces", &[Wanted::Delegation]));
        if is_for_others(module) {
            by_hand.push(format!(
                "{}: it is for every host: add {others} to access.domains, or requests of their users are \
                 refused",
                module.at(&sources),
            ));
        }
    }
    for module in &grants {
        by_hand.extend(module.change(&mut sources, "iq", &privileges));
        if is_for_others(module) && !privileges.is_empty() {
            by_hand.push(format!(
                "{}: it is for every host: the component gets access to {others} as well. Give them modules of \
                 their own in host_config, with {PRIVILEGE} as it is now",
                module.at(&sources),
            ));
        }
    }
    let on_any_host = anywhere(&trees, PRIVILEGE);
    if version.support() == Support::Harmful {
        by_hand.extend(on_any_host.iter().map(|(file, line)| {
            format!(
                "{}: ejabberd {version} drops all that the component sends while any host has \
                 {PRIVILEGE}: take it out, or use 25.03 or later",
                at(&sources, *file, *line)
            )
        }));
    }
    for (file, listener) in listeners(&trees) {
        let said = of_listener(listener, &config.component).into_iter();
        by_hand.extend(said.map(|(line, what)| format!("{}: {what}", at(&sources, file, line))));
    }
    let domains = |modules: &[Module<'_>]| {
        let domains = modules.iter().flat_map(|it| it.domains.iter().cloned());
        domains.collect()
    };
    let present = Present {
        delegation: domains(&delegations),
        privilege: domains(&grants),
        is_privilege_elsewhere: version.support() == Support::Yes && !on_any_host.is_empty(),
    };
    Ok(Advice {
        file: ejabberd_beside(config, Some(version), &present),
        changes: told(&sources, &by_hand),
    })
}

/// What a file includes, and what those include.
#[derive(Debug, Default)]
struct Included {
    files: Vec<(Source, Node)>,
    /// Whether ours is among it, once it is there.
    takes_ours: bool,
}

fn included(main: &Source, tree: &Node, by_hand: &mut Vec<String>) -> Included {
    let folder = main.path.parent().unwrap_or(Path::new("/"));
    let mut included = Included::default();
    let mut names = includes(tree);
    while let Some(name) = names.pop() {
        let path = folder.join(name);
        if path.file_name().is_some_and(|it| it == EJABBERD_FILE) {
            included.takes_ours = true;
            continue;
        }
        if path == main.path || included.files.iter().any(|(it, _)| it.path == path) {
            continue;
        }
        let read = Source::read(&path).map_err(|error| error.to_string());
        let read = read.and_then(|it| yaml::read(&it.text).map(|tree| (it, tree)));
        match read {
            Ok((source, tree)) => {
                names.extend(includes(&tree));
                included.files.push((source, tree));
            }
            Err(error) => by_hand.push(format!(
                "{} cannot be read: {error}. See for yourself whether it has {DELEGATION} or {PRIVILEGE}",
                path.display()
            )),
        }
    }
    included
}

/// The names of the files that are included: one, a list, or names with options.
fn includes(tree: &Node) -> Vec<String> {
    let values = tree.all("include_config_file").map(|it| &it.value);
    let names = values.flat_map(|value| match &value.value {
        Value::Sequence(nodes) => nodes.iter().filter_map(Node::scalar).collect(),
        Value::Mapping(entries) => entries.iter().filter_map(|it| it.key.scalar()).collect(),
        Value::Scalar(name) => vec![&**name],
        Value::Alias => Vec::new(),
    });
    names.map(str::to_owned).collect()
}

/// The hosts beside our domains that have the modules of the top level.
fn others<'t>(trees: &'t [Node], domains: &[String]) -> Vec<&'t str> {
    let lists = trees.iter().flat_map(|tree| tree.all("hosts"));
    let hosts = lists
        .flat_map(|it| it.value.items())
        .filter_map(Node::scalar);
    let others = hosts.filter(|host| {
        let is_ours = domains.iter().any(|it| it == host);
        !is_ours && under(trees, &["host_config", host, "modules"]).is_empty()
    });
    others.collect()
}

/// Whoever listens, and in which file that is said.
fn listeners(trees: &[Node]) -> impl Iterator<Item = (usize, &Node)> {
    let lists = under(trees, &["listen"]).into_iter();
    lists.flat_map(|(file, list)| list.items().iter().map(move |it| (file, it)))
}

/// What to do about a listener, and about which line of it.
fn of_listener(listener: &Node, component: &Component) -> Vec<(usize, String)> {
    let jid = component.jid.as_str();
    let hosts = listener.all("hosts").flat_map(|it| it.value.entries());
    let (ours, others): (Vec<&Entry>, Vec<&Entry>) =
        hosts.partition(|it| it.key.scalar() == Some(jid));
    let place = listener.place.line;
    if !ours.is_empty() && others.is_empty() {
        let what = "take this listener out: there is one in the printed file";
        return vec![(place, what.to_owned())];
    }
    let out = |entry: &Entry| {
        let what = format!("take {jid} out of this listener: it is in the printed file");
        (entry.key.place.line, what)
    };
    let mut said: Vec<_> = ours.into_iter().map(out).collect();
    if is_at(listener, &component.server) {
        let what = "this listener has the port of the printed one, and ejabberd does not start with both \
                    (\"Overlapping listeners\"): set component.server to another port, and print this again";
        said.push((place, what.to_owned()));
    }
    said
}

/// Whether it has what we need for ours.
fn is_at(listener: &Node, server: &Endpoint) -> bool {
    let value = |key: &str| listener.all(key).next()?.value.scalar();
    let Endpoint::Tcp { port, .. } = server else {
        return value("port") == Some(&*server.to_string());
    };
    let is_same_port = value("port").is_some_and(|it| it.parse() == Ok(*port));
    let is_tcp = value("transport").is_none_or(|it| it == "tcp");
    let takes = |any: IpAddr, it: IpAddr| {
        any == it || any.is_unspecified() && (any.is_ipv6() || it.is_ipv4())
    };
    let ours = ejabberd_address(server);
    let theirs = value("ip").and_then(|it| it.parse::<IpAddr>().ok());
    let theirs = theirs.map(|it| it.to_canonical());
    is_same_port && is_tcp && theirs.is_none_or(|it| takes(it, ours) || takes(ours, it))
}

/// Where these domains have a module, if they do.
fn modules<'t>(trees: &'t [Node], domains: &[String], name: &str) -> Vec<Module<'t>> {
    let mut modules: Vec<Module<'t>> = Vec::new();
    for domain in domains {
        let own = under(trees, &["host_config", domain, "modules"]);
        let is_for_all = own.is_empty();
        let base = match is_for_all {
            true => under(trees, &["modules"]),
            false => own,
        };
        let appended = under(trees, &["append_host_config", domain, "modules"]);
        let base = base.into_iter().map(|it| (it, is_for_all));
        let appended = appended.into_iter().map(|it| (it, false));
        let found = base.chain(appended).find_map(|((file, list), is_for_all)| {
            Some((file, list.all(name).next()?, is_for_all))
        });
        let Some((file, entry, is_for_all)) = found else {
            continue;
        };
        match modules.iter_mut().find(|it| ptr::eq(it.entry, entry)) {
            Some(module) => module.domains.push(domain.clone()),
            None => modules.push(Module {
                file,
                entry,
                is_for_all,
                domains: vec![domain.clone()],
            }),
        }
    }
    modules
}

/// Where any host has a module, of the top level or of its own: in which file and line.
fn anywhere(trees: &[Node], name: &str) -> Vec<(usize, usize)> {
    let mut lists = under(trees, &["modules"]);
    for option in ["host_config", "append_host_config"] {
        for (file, hosts) in under(trees, &[option]) {
            let modules = hosts
                .entries()
                .iter()
                .flat_map(|it| it.value.all("modules"));
            lists.extend(modules.map(|it| (file, &it.value)));
        }
    }
    let lines = |(file, list): (usize, &Node)| {
        let lines = list.all(name).map(|it| (file, it.key.place.line));
        lines.collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(lines).collect()
}

/// What stands under these keys, each time that they are there; and in which file.
fn under<'t>(trees: &'t [Node], keys: &[&str]) -> Vec<(usize, &'t Node)> {
    let mut nodes: Vec<(usize, &Node)> = trees.iter().enumerate().collect();
    for key in keys {
        let deeper = |(file, node): (usize, &'t Node)| {
            let values = node.all(key).map(|it| &it.value);
            values.map(move |it| (file, it)).collect::<Vec<_>>()
        };
        nodes = nodes.into_iter().flat_map(deeper).collect();
    }
    nodes
}
