//! The program: see [`xmpp_private_storage::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    xmpp_private_storage::cli::main()
}
