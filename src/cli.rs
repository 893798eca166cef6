//! The command line: arguments, subcommands, exit codes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::admin::print_config::EjabberdVersion;
use crate::admin::{
    backup, check, compact, delete, export, healthcheck, import, print_config, prune, stats,
};
use crate::config::Config;
use crate::exit;
use crate::run;

/// Private XML storage (XEP-0049) for the users of an XMPP server, as an external component.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    /// The configuration file. Without it: $PRIVATE_STORAGE_CONFIG, ./component.toml,
    /// /etc/xmpp-private-storage/component.toml, or the environment alone.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Default, Clone, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default).
    #[default]
    Run,
    /// Look whether the configuration and the store are good.
    Check {
        /// Log in to the server as well, and see which domains delegate.
        #[arg(long)]
        connect: bool,
    },
    /// Ask the running service whether it is alive; says nothing if it is.
    Healthcheck {
        /// Ask whether it is logged in and serves users.
        #[arg(long)]
        ready: bool,
    },
    /// Take in what ejabberd or Prosody has kept: XEP-0227 files, or Prosody's data folder.
    Import {
        /// Files and folders.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
        /// Let what is stored make way where a file has something else; otherwise it stays.
        #[arg(long)]
        replace: bool,
    },
    /// Write what is stored as XEP-0227, which ejabberd and Prosody read.
    Export {
        /// These users alone.
        #[arg(value_name = "JID")]
        users: Vec<String>,
        /// Into a new file, instead of standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// A file for each user into this folder, as Prosody's storage "xep0227" looks for them.
        #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
        folder: Option<PathBuf>,
    },
    /// Print what the server's own configuration needs. It holds the secret.
    PrintConfig {
        /// Which server.
        router: Router,
        /// For ejabberd: its version, such as 26.07. Without it, what not every version can take
        /// is only a comment.
        #[arg(long, value_name = "YY.MM", value_parser = ejabberd_version)]
        server_version: Option<EjabberdVersion>,
    },
    /// Print who has how much: by domain, the largest owners, the files.
    Stats,
    /// Write all that is stored to one file, also while the service runs.
    Backup {
        /// The file; - is standard output.
        file: PathBuf,
        /// Replace the file if it is there.
        #[arg(long)]
        force: bool,
    },
    /// Put all of a backup into an empty store, with the service stopped.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Where something in it is not what this program stores: restore all but that, and name
        /// it. Otherwise nothing is restored.
        #[arg(long)]
        leave_out_bad: bool,
    },
    /// Write the database anew, also while the service runs: nothing stays in it of what was
    /// deleted.
    Compact,
    /// Remove all that a user, or everybody of a domain, has stored.
    Delete {
        /// Whose: the JID of a user.
        #[arg(required_unless_present = "domain", conflicts_with = "domain")]
        jid: Option<String>,
        /// That of everybody of this domain.
        #[arg(long)]
        domain: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Remove it from the store's files as well, at once: writes the store anew.
        #[arg(long)]
        compact: bool,
    },
    /// Show, or remove, what users without an account have stored.
    Prune {
        /// The users of which domain.
        #[arg(long)]
        domain: String,
        /// Who has an account there, a name or a bare JID a line, as the server lists them; - for
        /// standard input. It is opened only when all owners are known.
        #[arg(long, value_name = "FILE")]
        registered: PathBuf,
        /// Remove, not only show.
        #[arg(long)]
        yes: bool,
        /// Even more than half of that domain's owners.
        #[arg(long)]
        force: bool,
        /// Remove it from the store's files as well, at once: writes the store anew.
        #[arg(long)]
        compact: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Router {
    Prosody,
    Ejabberd,
}

impl Router {
    fn block(self, version: Option<EjabberdVersion>, config: &Config) -> String {
        match self {
            Router::Prosody => print_config::prosody(config),
            Router::Ejabberd => print_config::ejabberd(config, version),
        }
    }
}

fn ejabberd_version(text: &str) -> Result<EjabberdVersion, &'static str> {
    EjabberdVersion::read(text).ok_or("expected year and month, such as 26.07")
}

impl Command {
    /// Such a command needs no secret.
    fn needs_no_router(&self) -> bool {
        !matches!(
            self,
            Command::Run | Command::Check { .. } | Command::PrintConfig { .. }
        )
    }
}

/// The definition of the command line: the manual page and shell completions are made from it.
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Runs the program with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let asked_for = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return ExitCode::from(if asked_for { 0 } else { exit::USAGE });
        }
    };
    let command = arguments.command.unwrap_or_default();
    let file = arguments.config;
    let alone = command.needs_no_router();
    let without_secret = || Config::load_without_secret(file.as_deref(), std::env::vars_os());
    let config = alone.then(without_secret);
    let load = move || Config::load(file.as_deref(), std::env::vars_os());
    let config = match (config.unwrap_or_else(&load), &command) {
        (config, Command::Check { connect }) => return check::run(config, *connect),
        (Ok(config), _) => config,
        (Err(error), _) => {
            eprintln!("{error}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    match command {
        Command::Run | Command::Check { .. } => run::run(&config, load),
        Command::Healthcheck { ready } => healthcheck::run(&config, ready),
        Command::Import {
            paths,
            dry_run,
            replace,
        } => import::run(&config, paths, import::How { dry_run, replace }),
        Command::Export {
            users,
            output,
            folder,
        } => export::run(&config, &users, &export::To::from(output, folder)),
        Command::PrintConfig {
            router,
            server_version,
        } => {
            print!("{}", router.block(server_version, &config));
            ExitCode::SUCCESS
        }
        Command::Stats => stats::run(&config),
        Command::Backup { file, force } => backup::run(&config, &file, force),
        Command::Restore {
            file,
            leave_out_bad,
        } => backup::restore(&config, &file, leave_out_bad),
        Command::Compact => compact::run(&config),
        Command::Delete {
            jid,
            domain,
            yes,
            compact,
        } => delete::run(&config, &delete::Whose::of(jid, domain), yes, compact),
        Command::Prune {
            domain,
            registered,
            yes,
            force,
            compact,
        } => prune::run(
            &config,
            &domain,
            &registered,
            prune::How {
                yes,
                force,
                compact,
            },
        ),
    }
}
