//! The command line: arguments, subcommands, logs, exit codes.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::admin::{check, print_config};
use crate::component::{Component, Event};
use crate::config::{self, Config, LogFormat};
use crate::exit;
use crate::start::start;

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
        /// Log in to the router as well, and see which domains delegate.
        #[arg(long)]
        connect: bool,
    },
    /// Print what the router's own configuration needs. It holds the secret.
    PrintConfig {
        /// Which router.
        router: Router,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Router {
    Prosody,
    Ejabberd,
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
    let config = match Config::load(arguments.config.as_deref(), std::env::vars_os()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    match arguments.command.unwrap_or_default() {
        Command::Run => run(&config),
        Command::Check { connect } => check::run(&config, connect),
        Command::PrintConfig { router } => {
            print!(
                "{}",
                match router {
                    Router::Prosody => print_config::prosody(&config),
                    Router::Ejabberd => print_config::ejabberd(&config),
                }
            );
            ExitCode::SUCCESS
        }
    }
}

fn run(config: &Config) -> ExitCode {
    start_logs(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (runtime, store) = match start(config) {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(exit::STORE);
        }
    };
    tracing::info!(
        "{} {} keeps private storage for {} in {} ({})",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        config.access.domains.join(", "),
        config.storage.path.display(),
        config.source,
    );
    let component = Component::new(config, store.clone());
    let server = config.component.server.clone();
    let jid = config.component.jid.clone();
    let unanswered = runtime.block_on(component.run(stop_signal(), |event| match event {
        Event::Up => tracing::info!("logged in to {server} as {jid}"),
        Event::Delegated(domain) => tracing::info!("delegation is active for {domain}"),
        Event::Undelegated(domains) => tracing::warn!(
            "no delegation from {}: clients there do not reach this service, except those that ask \
             it by its address; `print-config` prints what the router needs",
            domains.join(", ")
        ),
        Event::Down { why, pause } => {
            tracing::warn!("{why}; next attempt in {:.1} s", pause.as_secs_f32());
        }
    }));
    runtime.shutdown_background();
    store.close();
    if unanswered > 0 {
        tracing::warn!("stopped; {unanswered} requests were left without an answer");
    } else {
        tracing::info!("stopped");
    }
    ExitCode::SUCCESS
}

/// Resolves when somebody asks the process to end.
async fn stop_signal() {
    let signals =
        signal(SignalKind::terminate()).and_then(|t| Ok((t, signal(SignalKind::interrupt())?)));
    match signals {
        Ok((mut terminate, mut interrupt)) => tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        },
        Err(error) => {
            tracing::error!("cannot listen for signals: {error}");
            std::future::pending().await
        }
    }
}

fn start_logs(log: &config::Log) {
    let filter: Targets = log.level.parse().unwrap_or_default();
    let out = std::io::stderr;
    let layer = match log.format {
        LogFormat::Json => fmt::layer().json().with_writer(out).boxed(),
        LogFormat::Text => fmt::layer()
            .with_target(false)
            .with_ansi(out().is_terminal())
            .with_writer(out)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
}
