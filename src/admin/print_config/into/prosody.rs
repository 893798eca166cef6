//! Prosody's own file. An included one can say all but where Prosody listens, because others may have
//! said that too.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::super::{ByHand, Listener};
use super::{Advice, Source, told};
use crate::config::Config;

/// What our file is called.
const OURS: &str = "private-storage.cfg.lua";

/// What goes with this file of Prosody's, and with those that it includes.
pub fn prosody(config: &Config, path: &Path) -> io::Result<Advice> {
    let mut main = Source::read(path)?;
    let included = included(&main);
    let mut by_hand = Vec::new();
    let needed = Listener::of(&config.component).by_hand;
    for setting in &needed {
        match said(&main, setting.setting) {
            Some((line, text)) if !text.contains(&setting.value) => by_hand.push(format!(
                "{}, line {line}: `{}`: add {} to it",
                main.path.display(),
                text.trim(),
                setting.value
            )),
            Some(_) => {}
            None => add(&mut main, setting),
        }
    }
    let jid = format!("\"{}\"", config.component.jid.as_str());
    for source in [&main].into_iter().chain(&included.sources) {
        let named = code(source).find(|(_, text)| text.contains(&jid));
        by_hand.extend(named.map(|(line, text)| {
            format!(
                "{}, line {line}: `{}`: take out what is said of {jid} there. It is in the printed file",
                source.path.display(),
                text.trim(),
            )
        }));
    }
    if !included.takes_ours {
        main.put_at_the_end(format!("Include \"{OURS}\"\n"));
    }
    Ok(Advice {
        file: super::super::prosody(config),
        changes: told(&[main], &by_hand),
    })
}

/// The lines that are no comments, as far as that is to be seen line by line; with their numbers.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(source.text.lines());
    lines
        .map(|(number, line)| (number, line.split("--").next().unwrap_or_default()))
        .filter(|(_, line)| !line.trim().is_empty())
}

/// Where a setting is made, and with what.
fn said<'a>(source: &'a Source, setting: &str) -> Option<(usize, &'a str)> {
    code(source).find(|(_, line)| {
        let rest = line.trim_start().strip_prefix(setting);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    })
}

/// Has a setting added to the global part, which ends with the first host.
fn add(main: &mut Source, setting: &ByHand) {
    let is_host = |line: &str| {
        let line = line.trim_start();
        ["VirtualHost", "Component"]
            .iter()
            .any(|it| line.starts_with(it))
    };
    let host = code(main).find(|(_, line)| is_host(line));
    let before = match host {
        Some((line, _)) => line - 1,
        None => main.text.lines().count(),
    };
    main.put_behind(before, format!("{setting}\n"));
}

/// What a file includes.
#[derive(Debug, Default)]
struct Included {
    sources: Vec<Source>,
    /// Whether ours is among it, once it is there.
    takes_ours: bool,
}

fn included(main: &Source) -> Included {
    let mut included = Included::default();
    let folder = main.path.parent().unwrap_or(Path::new("/"));
    for (_, line) in code(main) {
        let rest = line.trim_start().strip_prefix("Include");
        let Some(pattern) = rest.and_then(|rest| rest.split(['"', '\'']).nth(1)) else {
            continue;
        };
        let pattern = folder.join(pattern);
        included.takes_ours |= match pattern.file_name().and_then(|it| it.to_str()) {
            Some(name) => name == OURS || name == "*.cfg.lua" || name == "*.lua" || name == "*",
            None => false,
        };
        let sources = files(&pattern).into_iter();
        included
            .sources
            .extend(sources.filter_map(|it| Source::read(&it).ok()));
    }
    included
}

/// The files that an include with a star in its name takes, or the one that it names; without ours.
fn files(pattern: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let name = name.to_string_lossy();
    let Some((before, behind)) = name.split_once('*') else {
        return if name == OURS {
            Vec::new()
        } else {
            vec![pattern.to_owned()]
        };
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .flatten()
        .map(|it| it.file_name().to_string_lossy().into_owned())
        .filter(|it| it.starts_with(before) && it.ends_with(behind) && it != OURS)
        .collect();
    names.sort();
    names.into_iter().map(|it| folder.join(it)).collect()
}
