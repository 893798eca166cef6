//! What the system says when it is short of threads, memory or descriptors: it passes, or somebody
//! raises a limit, and the disk has nothing to do with it.

use std::io;
use std::thread;

use rustix::io::Errno;

use super::SEGMENT_BYTES;
use xps_base::threads;

/// Of threads, of memory, and of descriptors: this process's, or all.
const SHORTAGES: [Errno; 4] = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE];

/// The memory that opening a store takes beside its index: sled's buffers are segments.
const BYTES: u64 = 4 * SEGMENT_BYTES;

/// More threads than sled starts: 7 that write, once and for all stores of the process, and 1 for
/// each store.
const THREADS: usize = 9;

/// Whether this error is a shortage.
pub(super) fn is_one(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    SHORTAGES.iter().any(|it| number == Some(it.raw_os_error()))
}

/// The same of an error that sled has made a text of, or a panic.
pub(super) fn is_told(text: &str) -> bool {
    let words = |it: &Errno| {
        let words = io::Error::from(*it).to_string();
        let end = words.find(" (os error").unwrap_or(words.len());
        words.get(..end).unwrap_or_default().to_owned()
    };
    SHORTAGES.iter().map(words).any(|it| text.contains(&it))
}

/// Looks for the memory that an open takes. Where an allocation fails in its midst, that ends the
/// process.
pub(super) fn of_memory() -> Result<(), String> {
    let bytes = usize::try_from(BYTES).unwrap_or(usize::MAX);
    let room = Vec::<u8>::new().try_reserve_exact(bytes);
    room.map_err(|error| error.to_string())
}

/// Looks whether as many threads can be started as sled needs. It starts those that write when the
/// first store of the process is opened: where it gets none it says nothing, and waits for ever.
pub(super) fn of_threads() -> io::Result<()> {
    let mut parked = Vec::new();
    let started = (0..THREADS).try_for_each(|_| {
        parked.push(threads::start("probe", thread::park)?);
        Ok(())
    });
    for thread in parked {
        thread.thread().unpark();
        // It does nothing that could panic.
        let _ = thread.join();
    }
    started
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the standard library shows it where a thread's start is unwrapped, as sled does.
    #[test]
    fn a_shortage_is_known_by_its_number_and_by_its_words() {
        for errno in SHORTAGES {
            let error = io::Error::from(errno);
            assert!(
                is_one(&error) && is_told(&error.to_string()) && is_told(&format!("{error:?}"))
            );
        }
        for errno in [Errno::IO, Errno::NOENT, Errno::NOSPC, Errno::ROFS] {
            let error = io::Error::from(errno);
            assert!(
                !is_one(&error) && !is_told(&format!("{error:?}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_system_that_has_enough_is_not_short() {
        of_memory().unwrap();
        of_threads().unwrap();
    }
}
