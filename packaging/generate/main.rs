//! Writes the manual page and the shell completions into a folder
//! (`cargo run --example generate -- FOLDER`), or `component.example.toml` to standard output
//! (`cargo run --example generate -- --example > component.example.toml`).

mod manual;

use std::io::Result;
use std::path::Path;
use std::process::ExitCode;

use xmpp_private_storage::config;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: generate FOLDER, or generate --example");
        return ExitCode::from(64);
    };
    if folder == "--example" {
        print!("{}", config::example());
        return ExitCode::SUCCESS;
    }
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    manual::page(folder)?;
    manual::completions(folder)
}
