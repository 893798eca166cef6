//! `healthcheck`: whether the service on the configured folder is alive, or ready. For container
//! runtimes and scripts, so it opens nothing, and says nothing when all is well.

use std::process::ExitCode;

use crate::config::Config;
use crate::control;
use crate::exit;
use crate::logs;

pub fn run(config: &Config, ready: bool) -> ExitCode {
    let path = if ready { "/readyz" } else { "/livez" };
    let why = match control::ask_for_line(&config.storage.path, path) {
        Ok(line) if line.status.is_success() => return ExitCode::SUCCESS,
        Ok(line) if ready => format!("not ready: {}", line.text),
        Ok(line) => line.text,
        Err(error) => error.to_string(),
    };
    logs::error(why);
    ExitCode::from(exit::UNAVAILABLE)
}
