//! The end: when somebody asks for it, and in time, whatever the service hangs in: a log that nobody
//! reads, a disk that does not answer.
//!
//! In good order it takes less (`component::leaving`). What comes too late here is not lost: whatever
//! was acknowledged is on the disk already, and a store that was not closed is opened as after a
//! power loss.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::process::exit;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::threads;

/// How long the process may take to end; with what is told then, 5 s.
const STOP_TIMEOUT: Duration = Duration::from_millis(4900);

/// How long the last line of the log may take. Perhaps it is the log that hangs.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Knows when somebody asks the process to end.
pub struct Asked(Option<[Signal; 2]>);

impl Asked {
    /// Listens from now on. Only within a runtime.
    pub fn listen() -> Self {
        let listening = || {
            let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
            let [terminate, interrupt] = signals;
            Ok([terminate?, interrupt?])
        };
        let listening: io::Result<_> = listening();
        let listening = listening.inspect_err(|error| {
            tracing::error!(
                "cannot listen for SIGTERM and SIGINT: {error}; the service runs, but will not \
                 stop cleanly"
            );
        });
        Self(listening.ok())
    }

    /// Waits for that; the name of the signal.
    pub async fn wait(self) -> &'static str {
        let Some([mut terminate, mut interrupt]) = self.0 else {
            return pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    }
}

/// From now on the process ends within 5 seconds when it is asked to. It takes a thread that hangs
/// in nothing else.
pub fn in_time() {
    let told = |error: &io::Error| {
        tracing::warn!(
            "cannot make sure that the service ends within 5 s if it hangs while it stops: {error}"
        );
    };
    let (listening, listens) = mpsc::channel();
    let watch = move || {
        let Err(error) = watch(listening);
        told(&error);
    };
    let thread = threads::start("end", watch);
    if let Err(error) = thread {
        told(&error);
    }
    // Whoever reads what is logged next may send the signal. The channel ends with the thread, too.
    let _ = listens.recv();
}

fn watch(listening: Sender<()>) -> io::Result<Infallible> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let asked = Asked::listen();
        let _ = listening.send(());
        asked.wait().await
    });
    thread::sleep(STOP_TIMEOUT);
    // Without a thread to be had it ends without a word.
    let _ = threads::start("last-words", || {
        tracing::warn!(
            "did not stop cleanly within 5 s, so the process was terminated; nothing that was \
             acknowledged is lost"
        );
    });
    thread::sleep(LAST_WORDS);
    exit(0)
}
