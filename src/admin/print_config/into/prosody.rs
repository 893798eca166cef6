//! Prosody's own files. An included one can say all but where Prosody listens, because others may have
//! said that too.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::super::{Listener, PROSODY_FILE, Setting, covers};
use super::lua::{self, Statement, What};
use super::{Advice, Source, told};
use crate::config::Config;

/// What goes with this file of Prosody's, and with those that it includes.
pub fn prosody(config: &Config, path: &Path) -> io::Result<Advice> {
    let jid = config.component.jid.as_str();
    let mut by_hand = Vec::new();
    let mut files = Files::read(path, jid, &mut by_hand)?;
    let listener = Listener::of(&config.component);
    for mut setting in listener.settings {
        let lines = files.globals(setting.name);
        if !lines.is_empty() {
            by_hand.extend(lines.iter().filter_map(|it| it.lacks(&setting)));
            continue;
        }
        let mut fallbacks = setting.fallbacks.iter();
        let fallback = fallbacks.find_map(|name| files.globals(name).pop());
        if let Some(line) = fallback {
            setting.defaults = line.values.to_vec();
        }
        if !setting.is_default() {
            files.main.add(&setting);
        }
    }
    for name in listener.own {
        let lines = files.globals(name).into_iter();
        by_hand.extend(lines.map(|it| {
            format!(
                "{}: {name} is in the printed file too, and of two such lines the later one counts: bring \
                 both together",
                it.at
            )
        }));
    }
    for file in files.all() {
        let hosts = file.hosts().filter(|(_, it)| it.eq_ignore_ascii_case(jid));
        by_hand.extend(hosts.map(|(line, _)| {
            format!(
                "{}: take out what is said of {jid} there: it is in the printed file",
                file.source.at(line)
            )
        }));
    }
    if !files.takes_ours {
        let include = format!("Include \"{PROSODY_FILE}\"\n");
        files.main.source.put_at_the_end(include);
    }
    Ok(Advice {
        file: super::super::prosody(config),
        changes: told(&[files.main.source], &by_hand),
    })
}

/// A file, and what it says.
#[derive(Debug)]
struct File {
    source: Source,
    statements: Vec<Statement>,
}

/// A line that sets something for the whole server.
struct Line<'f> {
    /// For people.
    at: String,
    values: &'f [String],
}

impl File {
    fn read(path: &Path) -> io::Result<Self> {
        let source = Source::read(path)?;
        let statements = lua::read(&source.text);
        Ok(Self { source, statements })
    }

    fn hosts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.statements.iter().filter_map(|it| match &it.what {
            What::Host(name) => Some((it.line, &**name)),
            _ => None,
        })
    }

    /// What it includes: paths, of which the names may be patterns.
    fn patterns(&self) -> Vec<PathBuf> {
        let folder = self.source.path.parent().unwrap_or(Path::new("/"));
        let names = self.statements.iter().filter_map(|it| match &it.what {
            What::Include(name) => Some(folder.join(name)),
            _ => None,
        });
        names.collect()
    }

    /// Has a setting added to the global part.
    fn add(&mut self, setting: &Setting) {
        let host = self.hosts().next().map(|(line, _)| line);
        let line = format!("{setting}\n");
        match host {
            Some(host) => self.source.put_behind(host - 1, line),
            None => self.source.put_at_the_end(line),
        }
    }
}

impl Line<'_> {
    /// What is to be done if what we need is not in it.
    fn lacks(&self, setting: &Setting) -> Option<String> {
        let is_there = self.values.iter().any(|it| covers(it, &setting.needed));
        (!is_there).then(|| format!("{}: add {} to {}", self.at, setting.value(), setting.name))
    }
}

/// A file with those that it includes, and that these include.
struct Files {
    main: File,
    included: Vec<File>,
    /// Whether ours is among them, once it is there.
    takes_ours: bool,
}

impl Files {
    /// What cannot be read is left to the administrator.
    fn read(path: &Path, jid: &str, by_hand: &mut Vec<String>) -> io::Result<Self> {
        let main = File::read(path)?;
        let mut patterns = VecDeque::from(main.patterns());
        // One file may be included by many paths, and by itself.
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut known = BTreeSet::from([real(path)]);
        let mut files = Self {
            main,
            included: Vec::new(),
            takes_ours: false,
        };
        let mut unread = |path: &Path, error: io::Error| {
            by_hand.push(format!(
                "{} cannot be read: {error}. See for yourself whether it says something of {jid}, or where \
                 components connect (component_ports, component_interfaces)",
                path.display()
            ));
        };
        while let Some(pattern) = patterns.pop_front() {
            files.takes_ours |= takes(&name(&pattern), PROSODY_FILE);
            let paths = paths(&pattern).unwrap_or_else(|error| {
                unread(&pattern, error);
                Vec::new()
            });
            for path in paths {
                if !known.insert(real(&path)) {
                    continue;
                }
                match File::read(&path) {
                    Ok(file) => {
                        patterns.extend(file.patterns());
                        files.included.push(file);
                    }
                    Err(error) => unread(&path, error),
                }
            }
        }
        Ok(files)
    }

    fn all(&self) -> impl Iterator<Item = &File> {
        [&self.main].into_iter().chain(&self.included)
    }

    /// Where something is set for the whole server: each file has a global part of its own.
    fn globals(&self, name: &str) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        for file in self.all() {
            lines.extend(file.statements.iter().filter_map(|it| match &it.what {
                What::Global(global, values) if global == name => Some(Line {
                    at: file.source.at(it.line),
                    values,
                }),
                _ => None,
            }));
        }
        lines
    }
}

/// The files that an include takes, but for ours.
fn paths(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let glob = name(pattern);
    if !glob.contains(['*', '?']) {
        let is_ours = glob == PROSODY_FILE;
        return Ok(if is_ours {
            Vec::new()
        } else {
            vec![pattern.to_owned()]
        });
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(pattern.parent().unwrap_or(Path::new("/")))? {
        let path = entry?.path();
        let name = name(&path);
        if takes(&glob, &name) && !name.starts_with('.') && name != PROSODY_FILE {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether a pattern, in which `*` stands for anything and `?` for one character, takes a name.
fn takes(glob: &str, name: &str) -> bool {
    let (mut pattern, mut rest) = (glob.chars(), name.chars());
    match (pattern.next(), rest.next()) {
        (None, first) => first.is_none(),
        (Some('*'), first) => {
            takes(pattern.as_str(), name) || first.is_some() && takes(glob, rest.as_str())
        }
        (Some(it), Some(first)) => {
            (it == '?' || it == first) && takes(pattern.as_str(), rest.as_str())
        }
        (Some(_), None) => false,
    }
}
