//! Who may import whom within the program, held by `use` lines; between crates their Cargo.toml holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules and crates of this workspace that it may know of. A module may use itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["admin", "config", "exit", "logs", "run"]),
    (
        "run",
        &[
            "clock",
            "component",
            "config",
            "control",
            "exit",
            "http",
            "logs",
            "metrics",
            "owners",
            "stanza",
            "start",
            "status",
            "store",
            "threads",
        ],
    ),
    (
        "admin",
        &[
            "address",
            "archive",
            "bookmarks",
            "clock",
            "component",
            "config",
            "control",
            "exit",
            "formats",
            "logs",
            "metrics",
            "owners",
            "postgres",
            "random",
            "service",
            "start",
            "status",
            "store",
        ],
    ),
    (
        "component",
        &[
            "bookmarks",
            "clock",
            "config",
            "limits",
            "link",
            "metrics",
            "random",
            "replies",
            "requests",
            "service",
            "stanza",
            "store",
            "threads",
        ],
    ),
    (
        "owners",
        &[
            "address",
            "archive",
            "bookmarks",
            "config",
            "control",
            "http",
            "service",
            "stanza",
            "store",
            "xml",
        ],
    ),
    ("archive", &["store"]),
    ("start", &["config", "exit", "postgres", "store", "threads"]),
    ("control", &["http"]),
    ("http", &[]),
    ("status", &["clock", "store"]),
    (
        "requests",
        &[
            "address",
            "bookmarks",
            "clock",
            "limits",
            "link",
            "metrics",
            "panics",
            "replies",
            "service",
            "stanza",
            "store",
            "threads",
            "xml",
        ],
    ),
    ("replies", &["clock", "link", "metrics", "service"]),
    (
        "bookmarks",
        &[
            "address", "clock", "metrics", "panics", "random", "replies", "service", "stanza",
            "store", "threads", "xml",
        ],
    ),
    (
        "service",
        &[
            "address", "clock", "limits", "panics", "stanza", "store", "xml",
        ],
    ),
    ("metrics", &["clock", "panics", "service", "store"]),
    ("logs", &["config", "panics"]),
    ("config", &["limits", "link"]),
    ("exit", &[]),
    ("limits", &["store"]),
];

/// Crates that belong to certain modules alone.
const CRATES: &[(&str, &[&str])] = &[
    ("hyper", &["control", "http"]),
    ("prometheus", &["metrics"]),
    ("sd_notify", &["run"]),
    ("clap", &["cli"]),
    ("toml", &["config"]),
];

#[test]
fn every_room_imports_only_what_stands_below_it() {
    let mut seen = BTreeSet::new();
    for (file, room) in sources() {
        let (_, allowed) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{} is in no known module", file.display()));
        for used in imports(&file, "crate::").chain(imports(&file, "xmpp_private_storage::")) {
            assert!(
                used == room || allowed.contains(&used.as_str()),
                "{} uses {used}, which {room} must not know of",
                file.display()
            );
        }
        seen.insert(room);
    }
    assert_eq!(seen.len(), ROOMS.len(), "a module is empty: {seen:?}");
}

#[test]
fn some_crates_belong_to_certain_rooms() {
    for (name, rooms) in CRATES {
        let users: BTreeMap<String, PathBuf> = sources()
            .filter(|(file, _)| imports(file, &format!("{name}::")).next().is_some())
            .map(|(file, room)| (room, file))
            .collect();
        assert!(!users.is_empty(), "{name} is not used at all");
        for (room, file) in users {
            assert!(
                rooms.contains(&room.as_str()),
                "{} uses {name}",
                file.display()
            );
        }
    }
}

/// Invariant: nothing a peer sends may end the process, so nothing may unwrap what it sent.
#[test]
fn the_rooms_that_meet_strangers_do_not_unwrap() {
    for (file, room) in sources().chain(crates()) {
        let trusted = [
            "main", "cli", "run", "admin", "config", "exit", "logs", "metrics", "start",
        ];
        if trusted.contains(&room.as_str()) {
            continue;
        }
        if file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        if file.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("readable");
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        for forbidden in [
            ".unwrap()",
            ".expect(",
            "panic!(",
            "unreachable!(",
            "todo!(",
        ] {
            assert!(
                !program.contains(forbidden),
                "{forbidden} in {}",
                file.display()
            );
        }
    }
}

/// The first path segment after `prefix` wherever a file names it.
fn imports(file: &Path, prefix: &str) -> impl Iterator<Item = String> {
    let text = fs::read_to_string(file).expect("readable");
    let names: Vec<String> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.match_indices(prefix).map(move |(at, _)| (line, at)))
        .filter(|(line, at)| {
            let before = &line[..*at];
            let in_name = before.ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            let in_string = before.matches('"').count() % 2 == 1;
            !in_name && !in_string
        })
        .flat_map(|(line, at)| {
            let rest = &line[at + prefix.len()..];
            let list = rest
                .strip_prefix('{')
                .and_then(|list| list.split('}').next());
            let names: Vec<&str> =
                list.map_or_else(|| vec![rest], |list| list.split(',').collect());
            names
        })
        .filter_map(|name| {
            name.trim()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .map(str::to_owned)
        .collect();
    names.into_iter()
}

/// Every source file with the module it is in.
fn sources() -> impl Iterator<Item = (PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    files.into_iter().filter_map(move |file| {
        let inside = file.strip_prefix(&src).ok()?;
        let first = inside.iter().next()?.to_str()?;
        let room = first.trim_end_matches(".rs").to_owned();
        (room != "lib").then_some((file, room))
    })
}

/// Every source file of the other crates that meet strangers, with its crate.
fn crates() -> impl Iterator<Item = (PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    ["stanza", "link", "formats"]
        .into_iter()
        .flat_map(move |name| {
            let mut files = Vec::new();
            collect(&folder.join(name).join("src"), &mut files);
            files.into_iter().map(move |file| (file, name.to_owned()))
        })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
