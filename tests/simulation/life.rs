//! A process of the component: all of it but the command line, the log and HTTP.

use std::cell::{Cell, RefCell};
use std::fs;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet, spawn_local};
use tokio::time::sleep;
use xmpp_private_storage::component::{Component, Event};
use xmpp_private_storage::config::Config;
use xmpp_private_storage::limits::Limits;
use xmpp_private_storage::link::Endpoint;
use xmpp_private_storage::metrics::Metrics;
use xmpp_private_storage::store::Store;

use super::backup::restore;
use super::predicate::{self, Violation};
use super::world::{Phase, Shared, World};
use crate::support::server::{COMPONENT, HOST, SECRET};

/// How long the server may be silent until it is asked, and again until it is given up, where that is not as by default.
const PING: Duration = Duration::from_secs(10);

/// How often an instance that stands by tries again.
const STANDBY: Duration = Duration::from_secs(5);

/// What may be open at once, of one owner, and unsent, where that is little, in bytes: a few requests.
const NARROW: [usize; 3] = [8 * 1024, 4 * 1024, 2 * 1024];

thread_local! {
    /// Of each instance. They take long to make, so its processes have the same.
    static METRICS: [Metrics; 2] = [Metrics::new(), Metrics::new()];
}

/// A process that runs.
pub struct Life {
    instance: usize,
    pub process: u64,
    limits: Limits,
    task: AbortHandle,
    stop: Rc<Notify>,
    is_stopping: Cell<bool>,
    store: Rc<RefCell<Option<Store>>>,
}

impl Life {
    /// Starts it, as the process of this instance, in the world's set of tasks.
    pub fn begin(world: &Shared, instance: usize, process: u64) -> Life {
        let (stop, store) = (Rc::new(Notify::new()), Rc::default());
        METRICS.with(|it| it[instance].requests.under_way(0, 0, 0));
        let limits = limits(&world.borrow());
        let living = live(
            Rc::clone(world),
            (instance, process, limits),
            Rc::clone(&stop),
            Rc::clone(&store),
        );
        Life {
            instance,
            process,
            limits,
            task: spawn_local(living).abort_handle(),
            stop,
            is_stopping: Cell::new(false),
            store,
        }
    }

    /// Asks it to end.
    pub fn stop(&self) {
        self.is_stopping.set(true);
        self.stop.notify_one();
    }

    pub fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    /// Ends it, in the middle of whatever it does.
    pub fn kill(&self) {
        self.task.abort();
    }

    pub fn compact(&self) {
        if let Some(store) = &*self.store.borrow() {
            store.compact(|_| {});
        }
    }

    /// Whether it has no room for what it is about to read. While its store is out of reach it reads all the same, as far
    /// as answers are not in the way.
    pub fn is_full(&self) -> bool {
        let requests = |it: &[Metrics; 2]| it[self.instance].requests.bytes_under_way();
        let (open, unsent) = METRICS.with(requests);
        let is_shared = self.store().is_none_or(|it| it.is_shared());
        unsent >= self.limits.max_unsent_bytes || !is_shared && open >= self.limits.max_open_bytes
    }

    /// Its store, while it has one.
    pub fn store(&self) -> Option<Store> {
        self.store.borrow().clone()
    }

    /// Whether its store does not work.
    pub fn is_broken(&self) -> bool {
        self.store.borrow().as_ref().is_none_or(Store::failed)
    }
}

async fn live(
    world: Shared,
    (instance, process, limits): (usize, u64, Limits),
    stop: Rc<Notify>,
    kept: Rc<RefCell<Option<Store>>>,
) {
    // What the process has under way ends with it.
    LocalSet::new()
        .run_until(async {
            let keeper = world.borrow().kept.clone();
            let Some(store) = keeper.open() else {
                return;
            };
            let backup = world.borrow_mut().backup.take();
            if let Some(backup) = backup
                && let Err(why) = restore(&store, &backup).await
            {
                let violation = Violation::new(predicate::RESTORED, why);
                return world.borrow_mut().fail(violation);
            }
            *kept.borrow_mut() = Some(store.clone());
            let mut config = config(process, store.is_shared());
            config.bookmarks.max_rooms = world.borrow().plan.max_rooms;
            config.limits = limits;
            if !world.borrow().plan.pings_seldom {
                config.component.ping = PING;
            }
            let metrics = |it: &[Metrics; 2]| Component::new(&config, store.clone(), &it[instance]);
            let component = METRICS.with(metrics);
            let component = component.expect("played threads");
            let tell = |event: &Event| {
                let mut world = world.borrow_mut();
                world.tell(|| format!("process {process} says: {event:?}"));
                if matches!(event, Event::Up) {
                    world.is_up(process);
                }
            };
            component.run(stop.notified(), tell).await;
            store.close();
            sleep(Duration::from_secs(1)).await;
        })
        .await;
    world.borrow_mut().ended(process);
}

/// What a process is started with. Once nothing goes wrong any more nobody is short of anything.
fn limits(world: &World) -> Limits {
    let is_narrow = world.plan.is_narrow && world.phase == Phase::Trouble;
    let [max_open_bytes, max_user_open_bytes, max_unsent_bytes] = NARROW;
    match is_narrow {
        false => usual().limits,
        true => Limits {
            max_open_bytes,
            max_user_open_bytes,
            max_unsent_bytes,
            ..usual().limits
        },
    }
}

fn usual() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("component.toml");
        let text = format!(
            "[component]\njid = \"{COMPONENT}\"\nsecret = \"{SECRET}\"\n[access]\ndomains = [\"{HOST}\"]\n"
        );
        fs::write(&file, text).expect("a file");
        Config::load(Some(&file), [("", "")]).expect("a configuration")
    })
}

/// The configuration of a process, which finds the server by its own number.
fn config(process: u64, is_shared: bool) -> Config {
    let mut config = usual().clone();
    config.component.standby_retry = is_shared.then_some(STANDBY);
    config.component.server = Endpoint::Tcp {
        host: format!("process-{process}"),
        port: Endpoint::USUAL_PORT,
    };
    config
}

/// The number of the process that connects to this.
pub fn process_of(server: &Endpoint) -> Option<u64> {
    match server {
        Endpoint::Tcp { host, .. } => host.strip_prefix("process-")?.parse().ok(),
        Endpoint::Unix(_) => None,
    }
}
