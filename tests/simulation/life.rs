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
use xmpp_private_storage::link::Endpoint;
use xmpp_private_storage::metrics::Metrics;
use xmpp_private_storage::store::Store;

use super::backup::restore;
use super::predicate::{self, Violation};
use super::world::Shared;
use crate::support::server::{COMPONENT, HOST, SECRET};

/// How long the server may be silent until it is asked, and again until it is given up.
const PING: Duration = Duration::from_secs(10);

/// How often an instance that stands by tries again.
const STANDBY: Duration = Duration::from_secs(5);

thread_local! {
    /// Nobody reads them: they are made once.
    static METRICS: Metrics = Metrics::new();
}

/// A process that runs.
pub struct Life {
    pub process: u64,
    task: AbortHandle,
    stop: Rc<Notify>,
    is_stopping: Cell<bool>,
    store: Rc<RefCell<Option<Store>>>,
}

impl Life {
    /// Starts it, in the world's set of tasks.
    pub fn begin(world: &Shared, process: u64) -> Life {
        let (stop, store) = (Rc::new(Notify::new()), Rc::default());
        let living = live(
            Rc::clone(world),
            process,
            Rc::clone(&stop),
            Rc::clone(&store),
        );
        Life {
            process,
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

    /// Its store, while it has one.
    pub fn store(&self) -> Option<Store> {
        self.store.borrow().clone()
    }

    /// Whether its store does not work.
    pub fn is_broken(&self) -> bool {
        self.store.borrow().as_ref().is_none_or(Store::failed)
    }
}

async fn live(world: Shared, process: u64, stop: Rc<Notify>, kept: Rc<RefCell<Option<Store>>>) {
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
            let component = METRICS.with(|it| Component::new(&config, store.clone(), it));
            let component = component.expect("played threads");
            let tell = |event: &Event| {
                world
                    .borrow_mut()
                    .tell(|| format!("process {process} says: {event:?}"));
            };
            component.run(stop.notified(), tell).await;
            store.close();
            sleep(Duration::from_secs(1)).await;
        })
        .await;
    world.borrow_mut().ended(process);
}

/// The configuration of a process, which finds the server by its own number.
fn config(process: u64, is_shared: bool) -> Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("component.toml");
        let text = format!(
            "[component]\njid = \"{COMPONENT}\"\nsecret = \"{SECRET}\"\n[access]\ndomains = [\"{HOST}\"]\n"
        );
        fs::write(&file, text).expect("a file");
        Config::load(Some(&file), [("", "")]).expect("a configuration")
    });
    let mut config = config.clone();
    config.component.ping = PING;
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
