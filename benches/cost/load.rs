//! The steps, each on a store of its own process; and a row of the table for each.

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use xmpp_private_storage::postgres::{self, HOLD, Settings};
use xmpp_private_storage::store::{
    Change, ChangeSet, Options, Owner, Quota, SetError, Store, Value,
};
use xps_postgres_testing::{DATABASE, USER};

use super::support::memory::Memory;

/// What a folder is called that is none, but the port of a database.
pub const PORT: &str = "port:";

const CACHE_BYTES: u64 = 64 << 20;
const VALUE_BYTES: usize = 1024;

/// How many sets are under way at once where nothing else is said.
const WINDOW: usize = 1024;

/// How many rows a long step has.
const ROWS: u64 = 10;

const QUOTA: Quota = Quota {
    max_namespace_bytes: 1 << 20,
    max_user_bytes: 1 << 20,
    max_user_elements: 1000,
};

/// A folder on a disk: where programs are built, not where temporary files may be in memory.
pub fn folder() -> io::Result<TempDir> {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))
}

/// `STEP FOLDER ABOVE [NUMBER…]`
pub fn step(name: &str, arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [folder, above, numbers @ ..] = arguments else {
        return Err("STEP FOLDER ABOVE [NUMBER…]".into());
    };
    let numbers: Vec<u64> = numbers
        .iter()
        .map(|number| number.parse())
        .collect::<Result<_, _>>()?;
    let mut step = Step::open(Path::new(folder), above.parse()?)?;
    match (name, numbers.as_slice()) {
        ("open", []) => step.row("opened", 0, step.begun),
        ("fill", [owners]) => step.fill(*owners)?,
        ("gets", [owners, count]) => step.gets(*owners, *count)?,
        ("sets", [owners, count]) => step.sets(*owners, *count)?,
        ("overwrite", [owners, count]) => step.overwrite(*owners, *count)?,
        ("delete", [owners]) => step.delete(*owners)?,
        ("compact", [owners, window]) => step.compact(*owners, usize::try_from(*window)?)?,
        ("kill", [owners]) => {
            step.sets_in_no_order(*owners, 20_000)?;
            std::process::abort();
        }
        _ => return Err(format!("no step: {name} {numbers:?}").into()),
    }
    step.store.close();
    Ok(())
}

struct Step {
    store: Store,
    log: PathBuf,
    begun: Instant,
    random: Random,
    done: Sender<Result<(), SetError>>,
    answers: Receiver<Result<(), SetError>>,
    /// When those under way were sent, the oldest first.
    sent: VecDeque<Instant>,
    waits: Vec<Duration>,
}

impl Step {
    fn open(folder: &Path, above: u64) -> Result<Self, Box<dyn Error>> {
        let begun = Instant::now();
        let port = folder.to_str().and_then(|name| name.strip_prefix(PORT));
        let store = match port {
            Some(port) => open_database(port.parse()?)?,
            None => {
                let options = Options {
                    cache_bytes: CACHE_BYTES,
                    compact_above_bytes: above,
                };
                Store::open(folder, &options)?
            }
        };
        let (done, answers) = mpsc::channel();
        Ok(Self {
            store,
            log: folder.join("db"),
            begun,
            random: Random(u64::from(std::process::id()) << 20 | 1),
            done,
            answers,
            sent: VecDeque::new(),
            waits: Vec::new(),
        })
    }

    fn row(&self, what: &str, count: u64, since: Instant) {
        let took = since.elapsed().as_secs_f64();
        let memory = Memory::of(std::process::id());
        let (now, peak) = memory.map_or((0, 0), |memory| (memory.now >> 20, memory.peak >> 20));
        let log = fs::metadata(&self.log).map_or(0, |log| log.len() >> 20);
        let rate = match count {
            0 => "–".to_owned(),
            count => format!("{:.0}", count as f64 / took),
        };
        println!("| {what} | {took:.1} s | {rate} | {now} MiB | {peak} MiB | {log} MiB |");
    }

    /// Submits a set, when fewer than `window` are under way.
    fn set(&mut self, owner: u64, text: Option<String>, window: usize) -> Result<(), SetError> {
        while self.sent.len() >= window {
            self.answer()?;
        }
        let value = text.map(|text| Value { text, elements: 1 });
        let change = Change {
            namespace: "bench".to_owned(),
            name: "v".to_owned(),
            value,
        };
        let set = ChangeSet {
            owner: name(owner),
            quota: QUOTA,
            changes: vec![change],
        };
        let done = self.done.clone();
        self.sent.push_back(Instant::now());
        self.store
            .submit(set, move |result| drop(done.send(result)));
        Ok(())
    }

    fn answer(&mut self) -> Result<(), SetError> {
        let result = self.answers.recv().unwrap_or(Err(SetError::Failed));
        if let Some(sent) = self.sent.pop_front() {
            self.waits.push(sent.elapsed());
        }
        result
    }

    fn all_answers(&mut self) -> Result<(), SetError> {
        while !self.sent.is_empty() {
            self.answer()?;
        }
        Ok(())
    }

    /// Owners in no order, as they would have registered.
    fn fill(&mut self, owners: u64) -> Result<(), SetError> {
        let mut order: Vec<u64> = (0..owners).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, (self.random.next() % (last as u64 + 1)) as usize);
        }
        for owner in order {
            let text = self.random.text();
            self.set(owner, Some(text), WINDOW)?;
        }
        self.all_answers()?;
        self.row("filled", owners, self.begun);
        Ok(())
    }

    fn gets(&mut self, owners: u64, count: u64) -> Result<(), Box<dyn Error>> {
        let (begun, mut text) = (Instant::now(), String::new());
        for _ in 0..count {
            text.clear();
            let owner = name(self.random.next() % owners);
            self.store.read(&owner, "bench", Some("v"), &mut text)?;
        }
        self.row(&format!("{count} gets by {owners} owners"), count, begun);
        Ok(())
    }

    fn sets(&mut self, owners: u64, count: u64) -> Result<(), SetError> {
        let begun = Instant::now();
        self.sets_in_no_order(owners, count)?;
        self.row(&format!("{count} sets by {owners} owners"), count, begun);
        Ok(())
    }

    fn sets_in_no_order(&mut self, owners: u64, count: u64) -> Result<(), SetError> {
        for _ in 0..count {
            let (owner, text) = (self.random.next() % owners, self.random.text());
            self.set(owner, Some(text), WINDOW)?;
        }
        self.all_answers()
    }

    fn overwrite(&mut self, owners: u64, count: u64) -> Result<(), SetError> {
        for row in 1..=ROWS {
            let begun = Instant::now();
            self.sets_in_no_order(owners, count / ROWS)?;
            self.row(&format!("{} sets", row * count / ROWS), count / ROWS, begun);
        }
        Ok(())
    }

    fn delete(&mut self, owners: u64) -> Result<(), SetError> {
        let begun = Instant::now();
        for owner in 0..owners {
            self.set(owner, None, WINDOW)?;
        }
        self.all_answers()?;
        self.row(&format!("{owners} owners deleted"), owners, begun);
        let patience = Duration::from_secs(5);
        std::thread::sleep(patience);
        self.row("some seconds later", 0, begun + patience);
        Ok(())
    }

    /// Compacts while so many sets are under way all the time.
    fn compact(&mut self, owners: u64, window: usize) -> Result<(), Box<dyn Error>> {
        let begun = Instant::now();
        let (done, ended) = mpsc::channel();
        self.store.compact(move |result| drop(done.send(result)));
        let compacted = loop {
            if window == 0 {
                break ended.recv()?;
            }
            if let Ok(compacted) = ended.try_recv() {
                break compacted;
            }
            let (owner, text) = (self.random.next() % owners, self.random.text());
            self.set(owner, Some(text), window)?;
        };
        compacted?;
        self.all_answers()?;
        let sets = self.waits.len() as u64;
        self.waits.sort_unstable();
        let wait = |share: f64| {
            let at = (self.waits.len() as f64 * share) as usize;
            let wait = self.waits.get(at).or(self.waits.last());
            wait.map_or(0, Duration::as_millis)
        };
        let what = match window {
            0 => "compacted".to_owned(),
            _ => format!(
                "compacted, {window} sets under way; they waited {} ms (median), {} (99 %), {} (at most)",
                wait(0.5),
                wait(0.99),
                wait(1.0)
            ),
        };
        self.row(&what, sets, begun);
        Ok(())
    }
}

/// With as many connections as the program has where nothing else is said.
fn open_database(port: u16) -> Result<Store, postgres::OpenError> {
    postgres::open(Settings {
        hosts: vec![("127.0.0.1".to_owned(), port)],
        database: DATABASE.to_owned(),
        user: USER.to_owned(),
        password: None,
        tls: None,
        connections: 4,
        require_synchronous: true,
        hold: HOLD,
        instance: "bench".to_owned(),
    })
}

fn name(owner: u64) -> Owner {
    let name = Owner::new(&format!("user{owner}@localhost"));
    name.expect("it holds no NUL")
}

/// Numbers in no order, by xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A value that was never stored before.
    fn text(&mut self) -> String {
        let mut text = String::with_capacity(VALUE_BYTES);
        while text.len() < VALUE_BYTES {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text
    }
}
