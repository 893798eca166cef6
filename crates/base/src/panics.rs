//! Panics: one is a bug of ours, and costs the request that met it, never the service.
//!
//! Where a request is handled the work is done by [`caught`]. The [hook](report) says where it was, and
//! counts it, wherever it was.

use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// What this work comes to; `None` if it panics, which has been reported then.
///
/// The work must not leave anything half done that is used afterwards.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Raises a panic again that was caught, and reported, elsewhere.
pub fn again() -> ! {
    resume_unwind(Box::new(()))
}

/// How many there were in this process.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// The hook: says that there was one, and where. Its words may hold what users sent, so they are left
/// out.
pub fn report(panic: &PanicHookInfo<'_>) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    let place = panic.location().map(place).unwrap_or_default();
    tracing::error!(
        "panic at {place} (xmpp-private-storage {}); this is a bug, please report it",
        env!("CARGO_PKG_VERSION")
    );
    tracing::trace!("{panic}");
}

/// Crate, file and line, without the folder where the program was built.
fn place(location: &Location<'_>) -> String {
    let file = without_folder(location.file());
    format!("{file}:{}:{}", location.line(), location.column())
}

/// `…/registry/src/…/rxml-0.14.0/src/writer.rs` and `/rustc/…/library/core/src/str.rs` begin with the
/// crate; what is our own is relative already.
fn without_folder(file: &str) -> &str {
    if !file.starts_with('/') {
        return file;
    }
    let after = |folder: &str| Some(file.split_once(folder)?.1);
    let registry = after("/registry/src/").and_then(|rest| Some(rest.split_once('/')?.1));
    let library = file.find("/library/").map(|at| &file[at + 1..]);
    let name = || file.rsplit('/').next().unwrap_or_default();
    registry.or(library).unwrap_or_else(name)
}

/// Panics in the stage of this name if tests want that of what has this content.
///
/// Tests set `TEST_PANIC` to a stage, and then send something that contains `panic-here`. Nothing of
/// this is in a program that was built without the feature.
#[cfg(feature = "test-panics")]
#[track_caller]
#[expect(clippy::panic, reason = "that is what it is for")]
pub fn test_at(stage: &str, content: &[u8]) {
    static STAGE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let wanted = STAGE.get_or_init(|| std::env::var("TEST_PANIC").ok());
    if wanted.as_deref() == Some(stage) && memchr::memmem::find(content, b"panic-here").is_some() {
        panic!("as the test wants it");
    }
}

/// Nothing: tests alone want panics.
#[cfg(not(feature = "test-panics"))]
#[inline]
pub fn test_at(_stage: &str, _content: &[u8]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_folder_of_the_machine_that_built_it() {
        for (file, told) in [
            ("src/service/mod.rs", "src/service/mod.rs"),
            (
                "/home/a/.cargo/registry/src/index-1f/rxml-0.14.0/src/writer.rs",
                "rxml-0.14.0/src/writer.rs",
            ),
            (
                "/rustc/59807/library/core/src/str/mod.rs",
                "library/core/src/str/mod.rs",
            ),
            ("/home/a/work/other/src/lib.rs", "lib.rs"),
        ] {
            assert_eq!(without_folder(file), told);
        }
    }

    #[test]
    fn a_panic_is_caught_and_nothing_else_changes() {
        assert_eq!(caught(|| 1), Some(1));
        let text = String::from("x");
        assert_eq!(caught(|| text.get(5..9).map(str::len).unwrap()), None);
    }
}
