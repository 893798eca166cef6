//! The command line: arguments, subcommands, exit codes.

mod router;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgGroup, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::admin::print_config::EjabberdVersion;
use crate::admin::{
    backup, check, compact, delete, export, healthcheck, import, migrate, prune, stats, status,
};
use crate::config::Config;
use crate::exit;
use crate::logs;
use crate::run;
use router::{Router, ejabberd_version};

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
    /// Check the configuration and the store; beside the running service, show its status as well.
    Check {
        /// Show as well how far a login comes and which domains delegate: by asking the service if it
        /// runs, otherwise by logging in for a moment.
        #[arg(long)]
        connect: bool,
        /// Check the configuration alone, as for a reload: not the store, nor a secret that systemd
        /// hands to the service.
        #[arg(long, conflicts_with = "connect")]
        settings: bool,
    },
    /// Show the state of the running service: link, domains, bookmarks, store, limits reached lately.
    Status {
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask the running service whether it is alive; print nothing if it is.
    Healthcheck {
        /// Ask whether it is logged in and serves users.
        #[arg(long)]
        ready: bool,
    },
    /// Import what ejabberd or Prosody has stored: XEP-0227 files, or Prosody's data folder.
    Import {
        /// Files and folders, or - for an XEP-0227 document on standard input.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Replace what is stored where a file has something else; otherwise it stays.
        #[arg(long)]
        replace: bool,
        /// Take users of the domain OLD as users of NEW. May be repeated.
        #[arg(long, value_name = "OLD=NEW", value_parser = import::Rename::read)]
        rename: Vec<import::Rename>,
        /// Take files from a folder of Prosody's even if an SQL database lies in it, which may be
        /// newer.
        #[arg(long)]
        ignore_database: bool,
    },
    /// Write what is stored as XEP-0227, which ejabberd and Prosody read.
    Export {
        /// Only these users.
        #[arg(value_name = "JID")]
        users: Vec<String>,
        /// Write to this new file instead of standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Write a file for each user to this folder, as Prosody's storage "xep0227" expects them.
        #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
        folder: Option<PathBuf>,
        /// Leave this namespace out. May be repeated.
        #[arg(long, value_name = "NAMESPACE")]
        without: Vec<String>,
        /// What the server has kept itself, a file or folder as for import: whatever of it is not stored here
        /// any more is written without content, so that the server does not show it again.
        #[arg(long, value_name = "PATH", conflicts_with_all = ["folder", "users"])]
        over: Option<PathBuf>,
    },
    /// Print what the server's own configuration needs. This includes the secret.
    PrintConfig {
        /// Which server.
        #[arg(id = "server", value_name = "SERVER")]
        router: Router,
        /// For ejabberd: its version, such as 26.07. Without it, what only some versions accept is
        /// printed as a comment.
        #[arg(long, value_name = "YY.MM", value_parser = ejabberd_version)]
        server_version: Option<EjabberdVersion>,
        /// The server's own configuration file: also say, on standard error, what has to be changed in
        /// it. Nothing is changed, and lines beside a change that may hold a password or another secret
        /// are not shown. For ejabberd, --server-version is required with it.
        #[arg(long, value_name = "FILE")]
        into: Option<PathBuf>,
    },
    /// Print how much is stored: by domain, by the users with the most data, and in the files.
    Stats,
    /// Write all that is stored to one file, also while the service runs.
    Backup {
        /// The file, or - for standard output.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replace the file if it exists.
        #[arg(long)]
        force: bool,
    },
    /// Restore a backup into an empty store, with the service stopped.
    Restore {
        /// The backup, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// If something in it is not what this program stores, name that and restore all the rest.
        /// Otherwise nothing is restored then.
        #[arg(long)]
        leave_out_bad: bool,
    },
    /// Move all that is stored out of one engine into the other, with the service stopped everywhere. It
    /// stays where it was.
    Migrate {
        /// Where it is to be. For either way storage.engine is "postgres", and storage.path the folder for sled.
        #[arg(long, value_name = "ENGINE")]
        to: Engine,
    },
    /// Rewrite the database, also while the service runs, so that nothing that was deleted stays in
    /// it.
    Compact,
    /// Remove all that a user, or everybody in a domain, has stored.
    #[command(group = ArgGroup::new("whose").args(["jid", "domain"]).required(true))]
    Delete {
        /// Remove what this user has stored.
        #[arg(value_name = "JID")]
        jid: Option<String>,
        /// Remove what everybody in this domain has stored.
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Remove it from the store's files as well, now: this rewrites the database.
        #[arg(long)]
        compact: bool,
    },
    /// Show, or remove, what users without an account have stored.
    Prune {
        /// The domain of these users.
        #[arg(long, value_name = "DOMAIN")]
        domain: String,
        /// A list of all accounts there, with a name or a bare JID in each line, as the server
        /// prints it; - for standard input. It is opened only when all users in the store are known.
        #[arg(long, value_name = "FILE")]
        registered: PathBuf,
        /// Remove it instead of only showing it.
        #[arg(long)]
        yes: bool,
        /// Remove it even if that concerns more than half of the domain's users.
        #[arg(long)]
        force: bool,
        /// Remove it from the store's files as well, now: this rewrites the database.
        #[arg(long)]
        compact: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    Postgres,
    Sled,
}

impl From<Engine> for migrate::To {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres,
            Engine::Sled => Self::Sled,
        }
    }
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
    logs::before_start();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked_for = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            match !asked_for && logs::leads_to_journal(std::io::stderr()) {
                true => logs::error(error.render()),
                false => drop(error.print()),
            }
            return ExitCode::from(if asked_for { 0 } else { exit::USAGE });
        }
    };
    let command = arguments.command.unwrap_or_default();
    let file = arguments.config;
    if let Command::Check { settings: true, .. } = command {
        let config = Config::load_beside_service(file.as_deref(), std::env::vars_os());
        return check::settings(config);
    }
    let alone = command.needs_no_router();
    let without_secret = || Config::load_without_secret(file.as_deref(), std::env::vars_os());
    let config = alone.then(without_secret);
    let load = move || Config::load(file.as_deref(), std::env::vars_os());
    let config = match (config.unwrap_or_else(&load), &command) {
        (config, Command::Check { connect, .. }) => return check::run(config, *connect),
        (Ok(config), _) => config,
        (Err(error), _) => {
            logs::error(error);
            return ExitCode::from(exit::CONFIG);
        }
    };
    match command {
        Command::Run | Command::Check { .. } => run::run(&config, load),
        Command::Status { json } => status::run(&config, json),
        Command::Healthcheck { ready } => healthcheck::run(&config, ready),
        Command::Import {
            paths,
            dry_run,
            replace,
            rename,
            ignore_database,
        } => import::run(
            &config,
            paths,
            &import::How {
                dry_run,
                replace,
                ignore_database,
                rename,
            },
        ),
        Command::Export {
            users,
            output,
            folder,
            without,
            over,
        } => {
            let what = export::What {
                users,
                without,
                over,
            };
            export::run(&config, &what, &export::To::from(output, folder))
        }
        Command::PrintConfig {
            router,
            server_version,
            into,
        } => router.print(server_version, into.as_deref(), &config),
        Command::Stats => stats::run(&config),
        Command::Backup { file, force } => backup::run(&config, &file, force),
        Command::Restore {
            file,
            leave_out_bad,
        } => backup::restore(&config, &file, leave_out_bad),
        Command::Migrate { to } => migrate::run(&config, to.into()),
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
