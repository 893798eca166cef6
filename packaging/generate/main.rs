//! Writes the manual page and the shell completions into a folder
//! (`cargo run --example generate -- FOLDER`), or what is written from the program's tables in this folder:
//! `component.example.toml`, and the pages below `docs/reference` (`cargo run --example generate -- --here`).

mod manual;
mod reference;

use std::io::Result;
use std::path::Path;
use std::process::ExitCode;

use xmpp_private_storage::config;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: generate FOLDER, or generate --here");
        return ExitCode::from(64);
    };
    let done = match folder == "--here" {
        true => write_tables(),
        false => write(Path::new(&folder)),
    };
    match done {
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

fn write_tables() -> Result<()> {
    std::fs::write("component.example.toml", config::example())?;
    for (name, page) in reference::pages() {
        std::fs::write(Path::new("docs/reference").join(name), page)?;
    }
    Ok(())
}
