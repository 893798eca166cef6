//! Files far larger than memory should ever see.

use std::io::Read;
use std::process::Command;

use super::LIMITS;
use crate::{Import, Item};

/// Repeats a unit so many times between a beginning and an end, and holds none of it.
struct Endless {
    parts: [&'static str; 3],
    times: usize,
    part: usize,
    at: usize,
}

impl Endless {
    fn new(begin: &'static str, unit: &'static str, times: usize, end: &'static str) -> Self {
        let parts = [begin, unit, end];
        Self {
            parts,
            times,
            part: 0,
            at: 0,
        }
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut written = 0;
        while written < buffer.len() && self.part < 3 {
            let rest = &self.parts[self.part].as_bytes()[self.at..];
            let count = rest.len().min(buffer.len() - written);
            buffer[written..written + count].copy_from_slice(&rest[..count]);
            written += count;
            self.at += count;
            if count == rest.len() {
                self.at = 0;
                if self.part == 1 && self.times > 1 {
                    self.times -= 1;
                } else {
                    self.part += 1;
                }
            }
        }
        Ok(written)
    }
}

const BEGIN: &str = "<server-data xmlns='urn:xmpp:pie:0'><host jid='h'>";
const END: &str = "</host></server-data>";
const MEBIBYTES: usize = 300;

/// How much the process's memory has grown at most, in MiB, while all of this is read; and how
/// many users and problems came.
fn growth(document: Endless) -> (u64, usize, usize) {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        kibibytes.unwrap_or(0_u64)
    };
    let before = resident();
    let (mut most, mut users, mut problems) = (before, 0_usize, 0);
    let import = Import::from_reader(document, "f".as_ref(), LIMITS);
    for item in import {
        match item {
            Item::User(user) => {
                users += 1;
                problems += user.problems.len();
            }
            Item::Problem(_) => problems += 1,
        }
        if users.is_multiple_of(1000) {
            most = most.max(resident());
        }
    }
    ((most.max(resident()) - before) >> 10, users, problems)
}

/// So many MiB may be taken.
const MOST: u64 = 48;

/// Runs a test in a process of its own, since other tests of this one take memory meanwhile.
#[track_caller]
fn alone(name: &str, test: impl FnOnce()) {
    const ALONE: &str = "MEMORY_IS_MEASURED";
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let (_, module) = module_path!().split_once("::").expect("a crate");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("{module}::{name}")])
        .env(ALONE, "1")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn many_users() {
    alone("many_users", || {
        let user = "<user name='alice' password='x'><query xmlns='jabber:iq:roster'><item jid='a@b' \
            subscription='both'/></query><vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO>aGVsbG8sIHdvcm\
        xkCmhlbGxvLCB3b3JsZAo=</PHOTO></vCard><query xmlns='jabber:iq:private'><storage \
            xmlns='storage:bookmarks'><conference name='Council of Oberon' autojoin='true' \
            jid='council@underhill.org'><nick>Puck</nick></conference></storage></query></user>\n";
        let times = (MEBIBYTES << 20) / 4 / user.len(); // names are resolved: the slowest of these
        let (growth, users, problems) = growth(Endless::new(BEGIN, user, times, END));
        assert_eq!((users, problems), (times, 0));
        assert!(growth < MOST, "{growth} MiB");
    });
}

#[test]
fn one_user_with_far_too_much() {
    alone("one_user_with_far_too_much", || {
        let begin = "<server-data xmlns='urn:xmpp:pie:0'><host jid='h'><user name='a'>\
            <query xmlns='jabber:iq:private'>";
        let end = "</query></user><user name='b'/></host></server-data>";
        let elements = "<a xmlns='x'>and so on, and so on, and so on, and so on</a>";
        let times = (MEBIBYTES << 20) / elements.len();
        assert_within((2, 1), Endless::new(begin, elements, times, end));
    });
}

#[test]
fn one_endless_text() {
    alone("one_endless_text", || {
        let begin = "<server-data xmlns='urn:xmpp:pie:0'><host jid='h'><user name='a'>\
            <query xmlns='jabber:iq:private'><a xmlns='x'>";
        let end = "</a></query></user><user name='b'/></host></server-data>";
        let text = "and so on, and so on, and so on, and so on ";
        let times = (MEBIBYTES << 20) / text.len();
        assert_within((2, 1), Endless::new(begin, text, times, end));
    });
}

#[test]
fn one_endless_attribute() {
    alone("one_endless_attribute", || {
        let begin = "<server-data xmlns='urn:xmpp:pie:0'><host jid='h'><user name='a'>\
            <query xmlns='jabber:iq:private'><a xmlns='x' k='";
        let end = "'/></query></user><user name='b'/></host></server-data>";
        let times = (MEBIBYTES << 20) / 32;
        let text = "and so on, and so on, and so on ";
        assert_within((2, 1), Endless::new(begin, text, times, end));
    });
}

#[test]
fn depth_without_end() {
    alone("depth_without_end", || {
        let begin = "<server-data xmlns='urn:xmpp:pie:0'><host jid='h'><user name='a'><q>";
        let (growth, users, problems) = growth(Endless::new(begin, "<a>", 10 << 20, ""));
        assert_eq!((users, problems), (0, 1));
        assert!(growth < MOST, "{growth} MiB");
    });
}

#[track_caller]
fn assert_within(expected: (usize, usize), document: Endless) {
    let (growth, users, problems) = growth(document);
    assert_eq!((users, problems), expected);
    assert!(growth < MOST, "{growth} MiB");
}
