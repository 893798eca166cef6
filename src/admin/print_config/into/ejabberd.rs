//! ejabberd's own file. It takes each module once for a host: one that is there already, for another
//! component, is changed where it is.
//!
//! A host has the modules of its `host_config`, or else those of the top level, and those of its
//! `append_host_config` beside them (the same in 23.01, 24.12 and 26.07).

use std::io::{self, ErrorKind};
use std::path::Path;
use std::ptr;

use super::super::grant::{self, EjabberdVersion, Support};
use super::super::{PRIVATE, RULE, ejabberd_beside};
use super::yaml::{self, Entry, Node, Value};
use super::{Advice, Present, Source, told};
use crate::config::{BookmarksMode, Config};

/// What our file is called.
const OURS: &str = "private-storage.yml";

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
        let ours = main.path.with_file_name(OURS);
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
        // A component without any privilege is not delegated to.
        (Support::Yes, BookmarksMode::Off) => vec![Wanted::Privilege(PRIVATE)],
        (Support::Harmful | Support::No, _) => Vec::new(),
    };
    let delegations = modules(&trees, domains, DELEGATION);
    let grants = modules(&trees, domains, PRIVILEGE);
    for module in &delegations {
        by_hand.extend(module.change(&mut sources, "namespaces", &[Wanted::Delegation]));
        let others = hosts(&trees).filter(|host| !domains.iter().any(|it| it == host));
        let others: Vec<&str> = others.collect();
        if module.is_for_all && !others.is_empty() {
            by_hand.push(format!(
                "{}: it is for every host: add {} to access.domains, or requests of their users are \
                 refused",
                module.at(&sources),
                others.join(", ")
            ));
        }
    }
    for module in &grants {
        by_hand.extend(module.change(&mut sources, "iq", &privileges));
        if version.support() == Support::Harmful {
            by_hand.push(format!(
                "{}: ejabberd {version} drops all that the component sends while any host has \
                 {PRIVILEGE}: take it out, or use 25.03 or later",
                module.at(&sources)
            ));
        }
    }
    let jid = config.component.jid.as_str();
    for (file, line) in listeners(&trees, jid) {
        by_hand.push(format!(
            "{}: take {jid} out of this listener: it is in the printed file",
            at(&sources, file, line)
        ));
    }
    let domains = |modules: &[Module<'_>]| {
        let domains = modules.iter().flat_map(|it| it.domains.iter().cloned());
        domains.collect()
    };
    let present = Present {
        delegation: domains(&delegations),
        privilege: domains(&grants),
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
        if path.file_name().is_some_and(|it| it == OURS) {
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

/// The hosts that are served.
fn hosts(trees: &[Node]) -> impl Iterator<Item = &str> {
    let lists = trees.iter().flat_map(|tree| tree.all("hosts"));
    lists
        .flat_map(|it| it.value.items())
        .filter_map(Node::scalar)
}

/// Where somebody listens for this component: in which file and line.
fn listeners(trees: &[Node], jid: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (file, tree) in trees.iter().enumerate() {
        let listeners = tree.all("listen").flat_map(|it| it.value.items());
        let hosts = listeners.flat_map(|it| it.all("hosts"));
        let ours = hosts.flat_map(|it| it.value.all(jid));
        found.extend(ours.map(|it| (file, it.key.place.line)));
    }
    found
}

/// A module as it is said in one place.
#[derive(Debug)]
struct Module<'t> {
    /// Which of the files it is in.
    file: usize,
    entry: &'t Entry,
    /// Whether it is among the modules of every host.
    is_for_all: bool,
    /// Those of our domains that have it from here.
    domains: Vec<String>,
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

fn at(sources: &[Source], file: usize, line: usize) -> String {
    let path = sources.get(file).map(|it| it.path.display());
    let path = path.map(|it| it.to_string()).unwrap_or_default();
    format!("{path}, line {line}")
}

/// What a module is to have for us.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// That private storage is delegated.
    Delegation,
    /// That we may send IQs with payloads of this namespace.
    Privilege(&'static str),
}

impl Wanted {
    /// The key under which it is said.
    fn key(self) -> &'static str {
        match self {
            Self::Delegation => PRIVATE,
            Self::Privilege(namespace) => namespace,
        }
    }

    /// The keys that our rule is to stand under, beside these that are there; none if it does already,
    /// and `None` if another stands there.
    fn missing(self, there: &[Entry]) -> Option<&'static [&'static str]> {
        let rule = |key: &str| {
            let entry = there.iter().find(|it| it.key.scalar() == Some(key))?;
            Some(entry.value.scalar() == Some(RULE))
        };
        match self {
            Self::Delegation => match rule("access") {
                None => Some(&["access"]),
                Some(is_ours) => is_ours.then_some(&[]),
            },
            // ejabberd takes both of the two for both.
            Self::Privilege(_) => match (rule("both"), rule("get"), rule("set")) {
                (Some(true), _, _) | (_, Some(true), Some(true)) => Some(&[]),
                (None, _, _) => Some(&["both"]),
                (Some(false), None, None) => Some(&["get", "set"]),
                _ => None,
            },
        }
    }

    /// All of it, at this column.
    fn lines(self, column: usize) -> String {
        let keys = self.missing(&[]).unwrap_or_default();
        let head = format!("{:column$}\"{}\":\n", "", self.key());
        head + &rules(keys, column + 2)
    }
}

/// Our rule under these keys, at this column.
fn rules(keys: &[&str], column: usize) -> String {
    let lines = keys.iter();
    lines
        .map(|key| format!("{:column$}{key}: {RULE}\n", ""))
        .collect()
}

impl Module<'_> {
    fn at(&self, sources: &[Source]) -> String {
        at(sources, self.file, self.entry.key.place.line)
    }

    /// Has it get what is wanted, under this option of its; says what cannot be shown as a change.
    fn change(&self, sources: &mut [Source], option: &str, wanted: &[Wanted]) -> Option<String> {
        let place = self.at(sources);
        let source = sources.get_mut(self.file)?;
        let add = |column: usize| wanted.iter().map(|it| it.lines(column)).collect::<String>();
        if wanted.is_empty() {
            return None;
        }
        let all = |column: usize| format!("{:column$}{option}:\n{}", "", add(column + 2));
        let done = match below(source, self.entry) {
            Below::Nothing => fill(source, self.entry, all),
            Below::Block(options) => {
                match options.iter().find(|it| it.key.scalar() == Some(option)) {
                    None => insert(source, self.entry, options, all),
                    Some(entry) => match below(source, entry) {
                        Below::Nothing => fill(source, entry, add),
                        Below::Block(there) => {
                            let mut all_done = true;
                            for wanted in wanted {
                                all_done &= put(source, entry, there, *wanted);
                            }
                            all_done
                        }
                        Below::Other => false,
                    },
                }
            }
            Below::Other => false,
        };
        (!done).then(|| {
            let name = self.entry.key.scalar().unwrap_or_default();
            format!(
                "{place}: {name} is there already, in a form that this cannot change. It must get this, \
                 beside what others have there:\n{}",
                all(4)
            )
        })
    }
}

/// Has an option get this among its namespaces; says whether that could be done.
fn put(source: &mut Source, option: &Entry, there: &[Entry], wanted: Wanted) -> bool {
    let Some(namespace) = there
        .iter()
        .find(|it| it.key.scalar() == Some(wanted.key()))
    else {
        return insert(source, option, there, |column| wanted.lines(column));
    };
    let add = |keys: &'static [&str]| move |column: usize| rules(keys, column);
    match below(source, namespace) {
        Below::Nothing => {
            let keys = wanted.missing(&[]).unwrap_or_default();
            fill(source, namespace, add(keys))
        }
        Below::Block(rules) => match wanted.missing(rules) {
            Some([]) => true,
            Some(keys) => insert(source, namespace, rules, add(keys)),
            None => false,
        },
        Below::Other => false,
    }
}

/// What stands below a key.
enum Below<'t> {
    /// Nothing, or what says as much.
    Nothing,
    /// Keys, each on lines of its own.
    Block(&'t [Entry]),
    Other,
}

fn below<'t>(source: &Source, entry: &'t Entry) -> Below<'t> {
    let (_, rest) = around(source, entry);
    let rest = match rest.find(" #") {
        Some(comment) => rest.get(..comment).unwrap_or_default(),
        None => rest,
    };
    match (rest.trim(), &entry.value.value) {
        ("{}" | "[]" | "~" | "null", _) => Below::Nothing,
        ("", Value::Mapping(entries)) => Below::Block(entries),
        ("", Value::Scalar(text)) if text.is_empty() || text == "~" => Below::Nothing,
        _ => Below::Other,
    }
}

/// The line of a key, up to its colon, and behind that.
fn around<'s>(source: &'s Source, entry: &Entry) -> (&'s str, &'s str) {
    let line = source.line(entry.key.place.line);
    let end = line.char_indices().nth(entry.key.place.end);
    let end = end.map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(end);
    let colon = rest.find(':').map_or(rest.len(), |at| at + 1);
    let rest = rest.get(colon..).unwrap_or_default();
    (key, rest)
}

/// Puts lines below a key that has none.
fn fill(source: &mut Source, entry: &Entry, lines: impl Fn(usize) -> String) -> bool {
    let (key, _) = around(source, entry);
    let lines = format!("{key}:\n{}", lines(entry.key.place.column + 2));
    source.put_in_place_of(entry.key.place.line, lines);
    true
}

/// Puts lines below a key, above those that it has.
fn insert(
    source: &mut Source,
    entry: &Entry,
    there: &[Entry],
    lines: impl Fn(usize) -> String,
) -> bool {
    let Some(first) = there.first() else {
        return false;
    };
    source.put_behind(entry.key.place.line, lines(first.key.place.column));
    true
}
