//! The component alone: what a get of bookmarks takes of its processor time, and how long a ping
//! waits for that. The server is the benchmark's own, so PEP answers at once.

use std::time::{Duration, Instant};

use super::figures::{median, time};
use super::pep::{self, GRANT};
use super::support::component::{Component, Options};
use super::support::router::{Router, Session};
use super::{rooms, storage};

const BOOKMARKS: &str = "<storage xmlns='storage:bookmarks'/>";
const ALICE: &str = "alice@localhost";
const TIMES: usize = 20;

/// What is stored and what the node has.
struct Load {
    name: &'static str,
    stored: String,
    items: String,
    /// Further sections of the configuration.
    more: &'static str,
}

const LARGE: &str = "[limits]\nmax_stanza_bytes = 4194304\nmax_namespace_bytes = 1048576\nmax_user_open_bytes = 16777216\n";

fn loads() -> [Load; 8] {
    [
        Load {
            name: "250 rooms, the same in both",
            stored: rooms(250, "Room"),
            items: items(250),
            more: "",
        },
        Load {
            name: "250 rooms, all with other names in PEP",
            stored: rooms(250, "Old"),
            items: items(250),
            more: "",
        },
        Load {
            name: "384 KiB of short rooms, 1,000 items",
            stored: short(384 * 1024 - 100),
            items: items(1000),
            more: "",
        },
        Load {
            name: "1 MiB of short rooms, 1,000 items",
            stored: short(1024 * 1024 - 100),
            items: items(1000),
            more: LARGE,
        },
        Load {
            name: "384 KiB of references stored in one room, one item",
            stored: storage(&one_room(384 * 1024 - 200)),
            items: items(1),
            more: "",
        },
        Load {
            name: "384 KiB of references in one URL, one item",
            stored: storage(&format!("<url>{}</url>", "&lt;".repeat(96 * 1024 - 50))),
            items: items(1),
            more: "",
        },
        Load {
            name: "one room stored, 256 KiB of references in its item",
            stored: storage(&one_room(100)),
            items: item(
                "a@b",
                &format!("<nick>{}</nick>", "&lt;".repeat(64 * 1024 - 200)),
            ),
            more: "",
        },
        Load {
            name: "1 MiB of what is no room, 1,000 items",
            stored: storage(&"<url/>".repeat((1024 * 1024 - 100) / 6)),
            items: items(1000),
            more: LARGE,
        },
    ]
}

/// As many rooms as there is space for.
fn short(bytes: usize) -> String {
    let mut content = String::new();
    for n in 0.. {
        let room = format!("<conference jid='{n}@b'/>");
        if content.len() + room.len() > bytes {
            break;
        }
        content.push_str(&room);
    }
    storage(&content)
}

/// One whose nick is as long as there is space for.
fn one_room(bytes: usize) -> String {
    let nick = "&lt;".repeat(bytes / 4);
    format!("<conference jid='a@b'><nick>{nick}</nick></conference>")
}

fn items(count: usize) -> String {
    let id = |n| format!("room-{n:03}@rooms.example.org");
    let room = |n| item(&id(n), "<nick>somebody</nick>").replace("NAME", &format!("Room {n}"));
    (0..count).map(room).collect()
}

fn item(id: &str, content: &str) -> String {
    format!(
        "<item id='{id}'><conference xmlns='urn:xmpp:bookmarks:1' name='NAME' autojoin='true'>\
         {content}</conference></item>"
    )
}

/// Prints a table.
pub fn measure() {
    println!(
        "| | a get, store alone | in step | a set, store alone | in step | most that a ping waits |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for load in loads() {
        let router = Router::new();
        let mut options = Options::at(router.address());
        options.extra = load.more.to_owned();
        let component = Component::start(options);
        let mut all = Alone {
            session: router.let_in(),
            component,
            items: load.items,
        };
        all.ask("set", &load.stored);
        let (alone, _) = all.times(|all| all.ask("get", BOOKMARKS));
        let (set_alone, _) = all.times(|all| all.ask("set", &load.stored));
        all.session.send(GRANT);
        all.settle();
        let (in_step, waits) = all.times(|all| all.ask("get", BOOKMARKS));
        let (set, others) = all.times(|all| all.ask("set", &load.stored));
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            load.name,
            time(alone),
            time(in_step),
            time(set_alone),
            time(set),
            time(waits.max(others)),
        );
    }
    println!();
}

struct Alone {
    session: Session,
    component: Component,
    items: String,
}

impl Alone {
    /// Answers what is asked of PEP until nothing is any more.
    fn settle(&mut self) {
        self.ask("get", BOOKMARKS);
        while let Some(iq) = self.session.next_within(Duration::from_millis(500)) {
            self.answer(&iq);
        }
    }

    /// The processor time of one, the median of many; and the longest that a ping waited.
    fn times(&mut self, mut what: impl FnMut(&mut Alone) -> Duration) -> (Duration, Duration) {
        let mut longest = Duration::ZERO;
        let mut busy = Vec::new();
        for _ in 0..TIMES {
            let before = self.component.busy();
            longest = longest.max(what(self));
            busy.push(self.component.busy().saturating_sub(before));
        }
        (median(&mut busy), longest)
    }

    /// Asks, and answers what is asked of PEP, until there is an answer; behind each thing that is
    /// sent goes a ping. The longest that one of those waited.
    fn ask(&mut self, kind: &str, payload: &str) -> Duration {
        self.session.send(format!(
            "<iq type='{kind}' id='asked' from='{ALICE}/phone' to='private.localhost'>\
             <query xmlns='jabber:iq:private'>{payload}</query></iq>"
        ));
        let mut longest = Duration::ZERO;
        let (mut sent, mut open) = (self.ping(), true);
        let mut answered = false;
        while open || !answered {
            let iq = self.session.next();
            if iq.contains("id='ping?'") {
                longest = longest.max(sent.elapsed());
                open = false;
            } else if iq.contains("id='asked'") {
                answered = true;
            } else if self.answer(&iq) && !open {
                (sent, open) = (self.ping(), true);
            }
        }
        longest
    }

    fn ping(&mut self) -> Instant {
        let sent = Instant::now();
        self.session.send(
            "<iq type='get' id='ping?' from='localhost' to='private.localhost'>\
             <ping xmlns='urn:xmpp:ping'/></iq>",
        );
        sent
    }

    /// Answers as PEP does; says whether there was something to answer.
    fn answer(&mut self, iq: &str) -> bool {
        let answer = pep::answer(iq, &self.items);
        if let Some(answer) = &answer {
            self.session.send(answer);
        }
        answer.is_some()
    }
}
