//! What the program had the kernel do, in the order in which it happened.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::load::{self, Kind, Load};
use crate::store::{keeping, stage};

const CALLS: &str = "trace=openat,pwrite64,write,writev,sendto,sendmsg,fsync,fdatasync,sync_file_range,\
     ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";

/// Where a new database is made.
const COMPACTING: &str = "data/compacting";

/// Paths are relative to the folder that holds the store's.
pub enum Event {
    Made {
        path: String,
        is_folder: bool,
    },
    /// Opened to be written from its begin.
    Opened {
        path: String,
        emptied: bool,
    },
    /// At a place, or behind the last.
    Wrote {
        path: String,
        at: Option<u64>,
        data: Vec<u8>,
    },
    Resized {
        path: String,
        length: u64,
    },
    /// At least so long from now on.
    Reserved {
        path: String,
        length: u64,
    },
    /// All that came before the event `begun` is on the disk.
    Synced {
        path: String,
        begun: usize,
    },
    Renamed {
        from: String,
        to: String,
    },
    Removed {
        path: String,
    },
    /// A set was answered.
    Answer(usize),
}

pub struct Trace {
    pub events: Vec<Event>,
    /// Where the answers are.
    pub answers: Vec<usize>,
}

impl Trace {
    /// Has a component carry out the load on a new store, and kills it. With further arguments
    /// strace changes what the kernel answers.
    pub fn record(load: &Load, further: &[&str]) -> Trace {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("trace");
        let root = folder.path().join("disk");
        fs::create_dir(&root).expect("a folder");
        let mut under = keeping(&root.join("data"));
        let above = load.kind.compact_above();
        under.push(format!(
            "PRIVATE_STORAGE_STORAGE_COMPACT_ABOVE_BYTES={above}"
        ));
        under.extend(["strace", "-f", "-y", "-xx", "-s", "67108864", "-qq"].map(str::to_owned));
        under.extend(further.iter().map(|argument| (*argument).to_owned()));
        under.extend(["-e", CALLS, "-A", "-o"].map(str::to_owned));
        under.push(file.display().to_string());
        if matches!(load.kind, Kind::Replaced) {
            // For a store that has been opened before: then there is an index of the old log.
            let mut before = stage(under.clone());
            before.store("<before xmlns='urn:before'>the load</before>");
            before.component.kill();
        }
        let mut stage = stage(under);
        load.execute(&mut stage.session);
        // strace writes a call down when it has seen it end.
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let text = fs::read_to_string(&file).expect("a trace");
            let root = root.to_str().expect("UTF-8");
            let trace = Reader::new(root).read(&text);
            if trace.answers.len() == load.sets.len() {
                return trace;
            }
            assert!(
                Instant::now() < deadline,
                "not all answers are in the trace"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn first_answer(&self) -> usize {
        self.answers[0]
    }

    /// From where to where the store was compacted: a new database was made, took the old one's
    /// place, and was moved away from.
    pub fn compactions(&self) -> Vec<Range<usize>> {
        let (mut found, mut begun) = (Vec::new(), None);
        for (at, event) in self.events.iter().enumerate() {
            match event {
                Event::Made { path, .. } if path == COMPACTING => begun = Some(at),
                Event::Removed { path } if path == COMPACTING => {
                    found.extend(begun.take().map(|begun| begun..at + 1));
                }
                _ => {}
            }
        }
        found
    }
}

struct Reader<'a> {
    root: &'a str,
    trace: Trace,
    /// Of calls whose end is still to come: their arguments, and how many events were before.
    begun: HashMap<&'a str, (&'a str, usize)>,
}

impl<'a> Reader<'a> {
    fn new(root: &'a str) -> Self {
        let trace = Trace {
            events: Vec::new(),
            answers: Vec::new(),
        };
        Reader {
            root,
            trace,
            begun: HashMap::new(),
        }
    }

    fn read(mut self, text: &'a str) -> Trace {
        for line in text.lines() {
            let (thread, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim_start();
            if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
                self.begun.insert(thread, (begin, self.trace.events.len()));
                self.begins(begin);
            } else if let Some((_, end)) = rest.split_once(" resumed>") {
                if let Some((begin, events)) = self.begun.remove(thread) {
                    self.ends(begin, end, events);
                }
            } else {
                self.begins(rest);
                self.ends(rest, rest, self.trace.events.len());
            }
        }
        self.trace
    }

    /// What is written may be on the disk from now on, and what is sent may have arrived.
    fn begins(&mut self, call: &str) {
        let Some((name, arguments)) = call.split_once('(') else {
            return;
        };
        match name {
            "pwrite64" | "write" => {
                let Some(path) = self.inside(&descriptor(arguments)) else {
                    return self.sends(arguments);
                };
                let data = strings(arguments).swap_remove(0);
                let at = (name == "pwrite64").then(|| number_behind(arguments));
                self.trace.events.push(Event::Wrote { path, at, data });
            }
            "sendto" | "sendmsg" | "writev" => self.sends(arguments),
            _ => {}
        }
    }

    fn sends(&mut self, arguments: &str) {
        let sent = strings(arguments).concat();
        let sent = String::from_utf8_lossy(&sent);
        for answer in sent
            .split("<iq ")
            .filter(|part| part.contains("type='result'"))
        {
            let number = answer
                .split("id='set-")
                .nth(1)
                .and_then(|id| id.split('.').next());
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                debug_assert!(answer.contains(&load::id(number)));
                self.trace.answers.push(self.trace.events.len());
                self.trace.events.push(Event::Answer(number));
            }
        }
    }

    fn ends(&mut self, begin: &str, end: &str, begun: usize) {
        let result = end.rsplit_once(" = ").map_or("-1", |(_, result)| result);
        let (Some((name, arguments)), false) = (begin.split_once('('), result.starts_with('-'))
        else {
            return;
        };
        let names = || {
            let strings = strings(arguments).into_iter();
            let names = strings.map(|name| String::from_utf8_lossy(&name).into_owned());
            // Some are relative to a folder that is open.
            let folder = descriptor(arguments);
            names
                .filter_map(|name| match name.starts_with('/') {
                    true => self.inside(&name),
                    false => self.inside(&format!("{folder}/{name}")),
                })
                .collect::<Vec<_>>()
        };
        match (name, names().as_slice()) {
            ("openat", [path]) if arguments.contains("O_CREAT") => {
                let path = path.clone();
                let emptied = arguments.contains("O_TRUNC");
                self.trace.events.push(Event::Made {
                    path: path.clone(),
                    is_folder: false,
                });
                self.trace.events.push(Event::Opened { path, emptied });
            }
            ("mkdir" | "mkdirat", [path]) => {
                let (path, is_folder) = (path.clone(), true);
                self.trace.events.push(Event::Made { path, is_folder });
            }
            ("rename" | "renameat" | "renameat2", [from, to]) => {
                let (from, to) = (from.clone(), to.clone());
                self.trace.events.push(Event::Renamed { from, to });
            }
            ("unlink" | "unlinkat", [path]) => {
                let path = path.clone();
                self.trace.events.push(Event::Removed { path });
            }
            ("fsync" | "fdatasync", _) => {
                if let Some(path) = self.inside(&descriptor(arguments)) {
                    self.trace.events.push(Event::Synced { path, begun });
                }
            }
            ("ftruncate", _) => {
                if let Some(path) = self.inside(&descriptor(arguments)) {
                    let length = number_behind(arguments);
                    self.trace.events.push(Event::Resized { path, length });
                }
            }
            ("fallocate", _) => {
                if let Some(path) = self.inside(&descriptor(arguments)) {
                    let length = place_reserved(arguments) + number_behind(arguments);
                    self.trace.events.push(Event::Reserved { path, length });
                }
            }
            _ => {}
        }
    }

    fn inside(&self, path: &str) -> Option<String> {
        let path = path.strip_prefix(self.root)?;
        Some(path.trim_start_matches('/').to_owned())
    }
}

/// What the first argument, `9</a/path>`, is a descriptor of; nothing, if that has no name any
/// more: `9</a/path>(deleted)`.
fn descriptor(arguments: &str) -> String {
    let path = arguments
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    match path {
        Some((path, rest)) if !rest.starts_with("(deleted)") => {
            String::from_utf8_lossy(&unescape(path)).into_owned()
        }
        _ => String::new(),
    }
}

fn strings(arguments: &str) -> Vec<Vec<u8>> {
    // With `-xx` there is no quote within a string.
    arguments
        .split('"')
        .skip(1)
        .step_by(2)
        .map(unescape)
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    if !text.contains("\\x") {
        return text.as_bytes().to_vec();
    }
    let byte = |hex: &str| u8::from_str_radix(&hex[..2], 16).expect("hex");
    text.split("\\x").skip(1).map(byte).collect()
}

/// From where on: the last argument but one.
fn place_reserved(arguments: &str) -> u64 {
    let (before, _) = arguments.rsplit_once(", ").unwrap_or((arguments, ""));
    number_behind(before)
}

/// The last argument.
fn number_behind(arguments: &str) -> u64 {
    let arguments = arguments
        .rsplit_once(") = ")
        .map_or(arguments, |(all, _)| all);
    let last = arguments.rsplit(", ").next().unwrap_or_default();
    last.trim_end_matches(')')
        .parse()
        .unwrap_or_else(|_| panic!("{last:.80}"))
}
