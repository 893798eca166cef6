//! Work on a thread of its own, which the system may refuse.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// Starts a thread that does `work` with `value`; gives the value back where none can be started.
pub(super) fn start<T: Send + 'static>(
    name: &str,
    value: T,
    work: impl FnOnce(T) + Send + 'static,
) -> Result<JoinHandle<()>, (io::Error, T)> {
    // What a closure holds is lost with it.
    let (give, take) = mpsc::sync_channel(1);
    let started = thread::Builder::new().name(name.into()).spawn(move || {
        if let Ok(value) = take.recv() {
            work(value);
        }
    });
    match started {
        Ok(thread) => {
            // It waits for nothing else.
            let _ = give.send(value);
            Ok(thread)
        }
        Err(error) => Err((error, value)),
    }
}
