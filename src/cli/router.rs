//! `print-config`: which server it is for, and what may be said of that.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::admin::format;
use crate::admin::print_config::{self, EjabberdVersion};
use crate::config::Config;
use crate::exit;
use crate::logs;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Router {
    Prosody,
    Ejabberd,
}

impl Router {
    /// Prints what its configuration needs.
    pub fn print(
        self,
        version: Option<EjabberdVersion>,
        into: Option<&Path>,
        config: &Config,
    ) -> ExitCode {
        let advice = match (self, into, version) {
            (Self::Prosody, _, Some(_)) => {
                logs::error(
                    "--server-version is for ejabberd alone: one file does for Prosody 0.12 and later. Leave it out",
                );
                return ExitCode::from(exit::USAGE);
            }
            (Self::Prosody, None, None) => Ok(print_config::prosody(config).into()),
            (Self::Ejabberd, None, _) => Ok(print_config::ejabberd(config, version).into()),
            (Self::Prosody, Some(file), None) => print_config::prosody_into(config, file),
            (Self::Ejabberd, Some(file), Some(version)) => {
                print_config::ejabberd_into(config, version, file)
            }
            (Self::Ejabberd, Some(_), None) => {
                logs::error(
                    "--into takes --server-version for ejabberd: `ejabberdctl status` says which it is",
                );
                return ExitCode::from(exit::USAGE);
            }
        };
        match (advice, into) {
            (Ok(advice), _) => {
                let written = io::stdout().write_all(advice.file.as_bytes());
                if let Err(error) = written.and_then(|()| io::stdout().flush()) {
                    logs::error(format_args!("cannot write the configuration: {error}"));
                    return ExitCode::from(exit::OUTPUT);
                }
                let _ = io::stderr().write_all(advice.changes.as_bytes());
                ExitCode::SUCCESS
            }
            (Err(error), file) => {
                let file = format::file(file.unwrap_or(Path::new("")));
                logs::error(format_args!("cannot read {file}: {error}"));
                ExitCode::from(exit::INPUT)
            }
        }
    }
}

/// A version of ejabberd's, as it is typed.
pub fn ejabberd_version(text: &str) -> Result<EjabberdVersion, &'static str> {
    EjabberdVersion::read(text)
        .ok_or("expected ejabberd's year and month, such as 26.07; Prosody needs no version")
}
