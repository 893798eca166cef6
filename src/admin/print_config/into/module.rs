//! A module in ejabberd's own file, which gets what it lacks for us beside what others have there.

use super::super::{PRIVATE, RULE};
use super::Source;
use super::yaml::{Entry, Value};

/// A module as it is said in one place.
#[derive(Debug)]
pub struct Module<'t> {
    /// Which of the files it is in.
    pub file: usize,
    pub entry: &'t Entry,
    /// Whether it is among the modules of every host.
    pub is_for_all: bool,
    /// Those of our domains that have it from here.
    pub domains: Vec<String>,
}

/// A place in one of these files, for people.
pub fn at(sources: &[Source], file: usize, line: usize) -> String {
    let source = sources.get(file);
    source.map(|it| it.at(line)).unwrap_or_default()
}

/// What a module is to have for us.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
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
    pub fn at(&self, sources: &[Source]) -> String {
        at(sources, self.file, self.entry.key.place.line)
    }

    /// Has it get what is wanted, under this option of its; says what cannot be shown as a change.
    pub fn change(
        &self,
        sources: &mut [Source],
        option: &str,
        wanted: &[Wanted],
    ) -> Option<String> {
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
