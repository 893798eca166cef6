//! The program: see [`xmpp_private_storage::cli`].

use std::process::ExitCode;

/// Requests are made on one thread and freed on another, which glibc's allocator serialises: with
/// this one a get costs two thirds of the processor time (docs/internals/performance.md).
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    xmpp_private_storage::cli::main()
}
