//! How long the thread that serves everybody computes without another look at its sockets, while
//! users ask for much of the bookmarks that a server, played here, answers at once.
//!
//! `slices.c`, loaded into the program, takes the processor time of each thread between any two calls
//! by which it waits for its sockets or reads from them. So it does not matter how busy the machine
//! is, nor how the program is built inside; only that it has its calls from the C library.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Build;
use super::figures::time;
use super::memory::{Grown, Idle, mib};
use super::pep::{self, GRANT};
use super::place::{ATTACKERS, BOOKMARKS, OTHER};
use super::spoken::{ROOMS, SET, filled, other, room, storage};
use super::support::component::{Component, Options};
use super::support::router::{Router, Session};

/// How often each of the users asks in a load.
const TIMES: usize = 4;

/// What the server lets through, and the component takes: an answer of PEP's, with what is around.
const MOST: usize = (1 << 20) - 1_000;

struct Load {
    name: &'static str,
    /// What each has stored before it is granted.
    stored: String,
    /// What each has in its node.
    items: String,
    kind: &'static str,
    payload: String,
}

fn loads() -> Vec<Load> {
    let load = |name, stored: &str, items: &str, kind, payload: String| Load {
        name,
        stored: stored.to_owned(),
        items: items.to_owned(),
        kind,
        payload,
    };
    let get = || BOOKMARKS.to_owned();
    let large: String = (0..ROOMS).map(|n| item(&room(n).0, &room(n).1)).collect();
    let said =
        |content: &str| format!("<conference xmlns='urn:xmpp:bookmarks:1'>{content}</conference>");
    let short = as_many(MOST, |number| item(&format!("{number}@b"), &said("")));
    let nick = said(&format!("<nick>{}</nick>", filled(MOST - 500, "&lt;")));
    let name = format!(" name='{}'>", "x".repeat(MOST - 500));
    let name = said("").replacen('>', &name, 1);
    let much = filled(SET, "<a/>");
    let rooms = storage(&as_many(SET, |number| {
        format!("<conference jid='{number}@b'/>")
    }));
    vec![
        load(
            "get 380 KiB of something else",
            &other(&much),
            "",
            "get",
            OTHER.to_owned(),
        ),
        load("set 380 KiB of something else", "", "", "set", other(&much)),
        load(
            "get bookmarks, 34 items of 30 KB of `<a/>x` in PEP",
            "",
            &large,
            "get",
            get(),
        ),
        load(
            "get bookmarks, 1 MiB of short items in PEP",
            "",
            &short,
            "get",
            get(),
        ),
        load(
            "get bookmarks, 1 MiB of `&lt;` in one item",
            "",
            &item("a@b", &nick),
            "get",
            get(),
        ),
        load(
            "get bookmarks, a name of 1 MiB in one item",
            "",
            &item("a@b", &name),
            "get",
            get(),
        ),
        load(
            "get 380 KiB of stored rooms, a room in PEP",
            &rooms,
            &item("a@b", &said("")),
            "get",
            get(),
        ),
        load(
            "set 380 KiB of `<a/>` as bookmarks, a room in PEP",
            "",
            &item("a@b", &said("")),
            "set",
            storage(&much),
        ),
        load(
            "set 380 KiB of rooms, more than may be",
            "",
            &item("a@b", &said("")),
            "set",
            rooms.clone(),
        ),
    ]
}

/// As many of these as there is space for.
fn as_many(bytes: usize, unit: impl Fn(usize) -> String) -> String {
    let mut all = String::new();
    for number in 0.. {
        let next = unit(number);
        if all.len() + next.len() > bytes {
            break;
        }
        all.push_str(&next);
    }
    all
}

fn item(id: &str, content: &str) -> String {
    format!("<item id='{id}'>{content}</item>")
}

/// Prints a table.
pub fn measure(builds: &[Build]) {
    println!(
        "| build | eight users, four times each | nodes fetched | the longest slice | over 5 ms | slices | \
         processor time each, on that thread | on all | memory beyond idle, at most | left |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for load in loads() {
        for build in builds {
            let mut all = Alone::new(build, &load);
            let before = all.component.busy();
            all.slices.begin();
            let idle = Idle::now(&all.component);
            let Alone {
                component,
                session,
                slices,
            } = &mut all;
            let (fetches, grown) = idle.watch(component, |_| ask(session, &load));
            let busy = component.busy().saturating_sub(before);
            print(
                &build.name,
                &load,
                fetches,
                &slices.of_the_serving_thread(),
                busy,
                grown,
            );
        }
    }
    println!();
}

fn print(build: &str, load: &Load, fetches: usize, thread: &Thread, busy: Duration, grown: Grown) {
    let requests = (ATTACKERS * TIMES) as u32;
    println!(
        "| {build} | {} | {fetches} | {} | {} | {} | {} | {} | {} | {} |",
        load.name,
        time(thread.longest),
        thread.over_5_ms,
        thread.looks,
        time(thread.all / requests),
        time(busy / requests),
        mib(grown.peak),
        mib(grown.left),
    );
}

/// The component, with a server that plays PEP.
struct Alone {
    component: Component,
    session: Session,
    slices: Slices,
}

impl Alone {
    fn new(build: &Build, load: &Load) -> Alone {
        let router = Router::new();
        let slices = Slices::new();
        let mut options = Options::at(router.address());
        build.run_by(&mut options, &slices.environment());
        let component = Component::start(options);
        let mut all = Alone {
            component,
            session: router.let_in(),
            slices,
        };
        if !load.stored.is_empty() {
            for user in 0..ATTACKERS {
                all.session.send(request("set", user, &load.stored));
                let answer = all.session.next();
                assert!(answer.contains("type='result'"), "{answer}");
            }
        }
        all.session.send(GRANT);
        // So that the first of each thread's work is done.
        all.session.send(request("get", 0, OTHER));
        all.session.next();
        all
    }
}

/// All users ask, each for the next when it has its answer; PEP answers at once. How often a node was
/// fetched for that.
fn ask(session: &mut Session, load: &Load) -> usize {
    let mut left = [TIMES - 1; ATTACKERS];
    for user in 0..ATTACKERS {
        session.send(request(load.kind, user, &load.payload));
    }
    let (mut answered, mut fetches) = (0, 0);
    while answered < ATTACKERS * TIMES {
        let iq = session
            .next_within(Duration::from_secs(60))
            .expect("an answer");
        if let Some(answer) = pep::answer(&iq, &load.items) {
            fetches += usize::from(iq.contains("<items "));
            session.send(answer);
            continue;
        }
        answered += 1;
        let user = iq
            .split("to='u")
            .nth(1)
            .and_then(|rest| rest.split('@').next());
        let user: usize = user.and_then(|user| user.parse().ok()).expect("a user");
        if left[user] > 0 {
            left[user] -= 1;
            session.send(request(load.kind, user, &load.payload));
        }
    }
    fetches
}

fn request(kind: &str, user: usize, payload: &str) -> String {
    format!(
        "<iq type='{kind}' id='asked' from='u{user}@localhost/phone' to='private.localhost'>\
         <query xmlns='jabber:iq:private'>{payload}</query></iq>"
    )
}

/// How many numbers `slices.c` has for all and for each thread, and for how many threads.
const NUMBERS: usize = 32;
const THREADS: usize = 255;

/// What `slices.c` counts.
struct Slices {
    folder: tempfile::TempDir,
    file: File,
}

/// Of one thread.
struct Thread {
    bytes: u64,
    looks: u64,
    longest: Duration,
    over_5_ms: u64,
    all: Duration,
}

impl Slices {
    fn new() -> Slices {
        let folder = tempfile::tempdir().expect("a folder");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.path().join("slices"))
            .expect("a file");
        let bytes = 8 * NUMBERS * (1 + THREADS);
        file.set_len(bytes as u64).expect("space for it");
        Slices { folder, file }
    }

    fn environment(&self) -> Vec<String> {
        vec![
            format!("LD_PRELOAD={}", library(self.folder.path()).display()),
            format!("SLICES={}", self.folder.path().join("slices").display()),
        ]
    }

    /// Counts from here on.
    fn begin(&self) {
        let round = self.numbers(0)[0] + 1;
        let written = self.file.write_all_at(&round.to_ne_bytes(), 0);
        written.expect("a file of ours");
    }

    /// The one that has read most from its sockets.
    fn of_the_serving_thread(&self) -> Thread {
        let [round, threads, ..] = self.numbers(0);
        let threads = (1..=threads as usize).map(|number| self.numbers(number));
        let of_this_round = threads.filter(|numbers| numbers[0] == round);
        let all = of_this_round.map(|[_, _, bytes, looks, longest, over_5_ms, all, ..]| Thread {
            bytes,
            looks,
            longest: Duration::from_nanos(longest),
            over_5_ms,
            all: Duration::from_nanos(all),
        });
        all.max_by_key(|thread| thread.bytes)
            .filter(|thread| thread.bytes > 0)
            .expect("a thread that reads from a socket by the C library")
    }

    fn numbers(&self, place: usize) -> [u64; NUMBERS] {
        let mut bytes = [0; 8 * NUMBERS];
        let at = (place * bytes.len()) as u64;
        self.file
            .read_exact_at(&mut bytes, at)
            .expect("a file of ours");
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        numbers
    }
}

/// Built by the compiler that Rust links with.
fn library(folder: &Path) -> PathBuf {
    let library = folder.join("slices.so");
    if !fs::exists(&library).unwrap_or(false) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/turns/slices.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library);
        let built = compiler.arg(source).arg("-ldl").status();
        assert!(built.expect("cc").success());
    }
    library
}
