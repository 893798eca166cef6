//! The pages of the book's reference, from the tables that the program uses.

use std::fmt::Write;

use xmpp_private_storage::cli;
use xmpp_private_storage::config::{self, Value};

use super::manual::{EXIT_CODES, Word, arguments, typed, usage};

/// Each page below `docs/reference/`, and what is in it.
pub fn pages() -> [(&'static str, String); 3] {
    [
        ("settings.md", settings()),
        ("commands.md", commands()),
        ("exit-codes.md", exit_codes()),
    ]
}

fn settings() -> String {
    let mut page = String::from(
        "# Settings\n\nThe file is TOML. Each setting can also be given as an environment \
         variable, which wins over the file; lists are\nseparated by commas there. `systemctl \
         reload`, or SIGHUP, applies what is marked with *reload*; everything else needs\na \
         restart. Sizes are in bytes.\n",
    );
    let mut section = "";
    for setting in config::settings() {
        if setting.section != section {
            section = setting.section;
            let _ = write!(page, "\n## [{section}]\n");
        }
        let value = match setting.value {
            Value::Required("\"change me\"") => {
                "must be set, or `secret_file`, or a credential named `secret`".to_owned()
            }
            Value::Required(sample) if setting.name == "jid" => {
                format!("must be set; for example `{sample}`")
            }
            Value::Required(sample) => format!("for example `{sample}`"),
            Value::Default(value) | Value::PostgresDefault(value) => format!("default `{value}`"),
            Value::Sample(sample) => format!("not set; for example `{sample}`"),
        };
        let reload = if setting.is_reloaded() {
            "; *reload*"
        } else {
            ""
        };
        let _ = write!(
            page,
            "\n### {setting}\n\n{value}{reload}; `{}`\n",
            setting.variable()
        );
        if let Some(accepts) = setting.accepts() {
            let _ = write!(page, "\nExpects {accepts}.\n");
        }
        let _ = write!(page, "\n{}\n", setting.about);
    }
    page
}

fn commands() -> String {
    let mut page = String::from(
        "# Commands\n\n`xmpp-private-storage [--config FILE] [COMMAND]`; without a command, it \
         serves. Commands use the running service, or open the\nstore themselves.\n",
    );
    let mut program = cli::definition();
    program.build();
    for command in program.get_subcommands() {
        if command.get_name() == "help" {
            continue;
        }
        let about = command.get_about().map(ToString::to_string);
        let _ = write!(
            page,
            "\n## {}\n\n{}\n",
            command.get_name(),
            about.unwrap_or_default()
        );
        let arguments = arguments(command);
        if arguments.is_empty() {
            continue;
        }
        let usage = usage(command).iter().fold(String::new(), |mut line, part| {
            line.push(' ');
            line.extend(part.iter().map(Word::text));
            line
        });
        let _ = write!(page, "\n`{}{usage}`\n", command.get_name());
        page.push_str("\n| argument | |\n| --- | --- |\n");
        for argument in arguments {
            let name: String = typed(argument).iter().map(Word::text).collect();
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let values = argument.get_possible_values();
            let values = values
                .iter()
                .filter(|_| argument.get_action().takes_values());
            let values: Vec<String> = values.map(|it| format!("`{}`", it.get_name())).collect();
            let values = match values.is_empty() {
                true => String::new(),
                false => format!(": {}", values.join(", ")),
            };
            let _ = writeln!(page, "| `{name}` | {}{values} |", help.replace('|', "\\|"));
        }
    }
    page
}

fn exit_codes() -> String {
    let mut page = String::from("# Exit codes\n\n| code | |\n| --- | --- |\n");
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(page, "| {code} | {meaning} |");
    }
    page
}
