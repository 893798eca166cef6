//! The manual page, section by section, and the completions.

use std::fs::File;
use std::io::Result;
use std::path::Path;

use clap::{Arg, ArgAction, Command, Id};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use xmpp_private_storage::config::{self, Setting, Value};
use xmpp_private_storage::{cli, exit};

const NAME: &str = env!("CARGO_PKG_NAME");

/// What the program ends with, and when.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "It was stopped as asked, or nothing wrong was found."),
    (
        exit::INCOMPLETE,
        "It was done, except for parts that were named, such as damaged ones.",
    ),
    (
        exit::USAGE,
        "The arguments are wrong, or a removal was not confirmed.",
    ),
    (
        exit::INPUT,
        "An input file cannot be read, or is not what it should be; or `prune` would remove more than \
         half of the users.",
    ),
    (
        exit::NO_USER,
        "No user with that address has anything stored.",
    ),
    (
        exit::UNAVAILABLE,
        "A running service, the server or the database could not be reached, or is not as it should \
         be. Serving ends with it only where the machine does not have the address of http.listen, perhaps not \
         yet: a service manager tries again.",
    ),
    (
        exit::OUTPUT,
        "An output file cannot be written, or exists already.",
    ),
    (
        exit::STORE,
        "The store cannot be opened, is missing, is not whole, is not empty (for `restore`), or cannot be made safe from a power \
         loss; the database does not let us in; or, from `check`, the store's disk is nearly full.",
    ),
    (
        exit::CONFIG,
        "The configuration is wrong or missing, storage.path is a folder, or the database one, that \
         holds something else, or something else listens on http.listen.",
    ),
];

/// Writes `xmpp-private-storage.8`.
pub fn page(folder: &Path) -> Result<()> {
    let command = cli::definition();
    let mut file = File::create(folder.join(format!("{NAME}.8")))?;
    let page = Man::new(command.clone())
        .section("8")
        .manual("System Administration")
        // A date would differ with every build.
        .date("");
    page.render_title(&mut file)?;
    page.render_name_section(&mut file)?;
    let mut roff = Roff::new();
    synopsis(&mut roff);
    description(&mut roff);
    commands(&mut roff, command);
    roff.to_writer(&mut file)?;
    page.render_options_section(&mut file)?;
    let mut roff = Roff::new();
    settings(&mut roff);
    environment(&mut roff);
    files(&mut roff);
    exit_status(&mut roff);
    see_also(&mut roff);
    roff.to_writer(&mut file)
}

/// Writes a file for each shell under the name that the shell looks for.
pub fn completions(folder: &Path) -> Result<()> {
    for shell in [Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut cli::definition(), NAME, folder)?;
    }
    // In bash, clap_complete 4.6 finds no subcommand of a program with a hyphen in its name
    // (https://github.com/clap-rs/clap/issues/6421). So it is shown a name without one, and the
    // real one is put where the shell looks for it: at the end of the lines that register.
    let plain = NAME.replace('-', "_");
    let mut script = Vec::new();
    clap_complete::generate(Shell::Bash, &mut cli::definition(), &plain, &mut script);
    let script =
        String::from_utf8_lossy(&script).replace(&format!(" {plain}\n"), &format!(" {NAME}\n"));
    std::fs::write(folder.join(format!("{NAME}.bash")), script)
}

fn synopsis(roff: &mut Roff) {
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([
        bold(NAME),
        roman(" ["),
        bold("--config"),
        roman(" "),
        italic("FILE"),
        roman("] ["),
        italic("COMMAND"),
        roman("]"),
    ]);
}

fn description(roff: &mut Roff) {
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in [
        "Keeps small XML documents for the users of Prosody or ejabberd: bookmarks, notes, settings. \
         The server hands over the requests that clients send to their own account (namespace \
         delegation); what is answered as stored would survive a power loss.",
        "It stays in the foreground and logs to standard error. When the link to the server is \
         lost or refused, it keeps trying. SIGTERM and SIGINT stop it cleanly.",
    ] {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
}

/// The subcommands with their own arguments, all on this page.
fn commands(roff: &mut Roff, mut command: Command) {
    command.build();
    roff.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands() {
        if command.get_name() == "help" {
            continue;
        }
        let own = arguments(command);
        let mut line = vec![bold(command.get_name())];
        for part in usage(command) {
            line.push(roman(" "));
            line.extend(part.into_iter().map(Word::set));
        }
        term(roff, [line]);
        roff.text([roman(said(command.get_about()))]);
        for argument in own {
            let values: Vec<String> = argument
                .get_possible_values()
                .iter()
                .filter(|_| argument.get_action().takes_values())
                .map(|value| value.get_name().to_owned())
                .collect();
            let mut about = format!(": {}", said(argument.get_help()));
            if !values.is_empty() {
                about.push_str(&format!(" ({})", values.join(", ")));
            }
            roff.control("br", []);
            let mut line: Vec<Inline> = typed(argument).into_iter().map(Word::set).collect();
            line.push(roman(about));
            roff.text(line);
        }
    }
}

/// A command's own arguments, in the order in which they are to be told.
pub fn arguments(command: &Command) -> Vec<&Arg> {
    let is_own = |it: &&Arg| !it.is_global_set() && it.get_id() != "help";
    command.get_arguments().filter(is_own).collect()
}

/// A part of what is typed.
#[derive(Clone)]
pub enum Word {
    /// As it stands.
    Fixed(String),
    /// What stands for a value.
    Value(String),
    /// What is not typed.
    Mark(&'static str),
}

impl Word {
    fn set(self) -> Inline {
        match self {
            Self::Fixed(text) => bold(text),
            Self::Value(text) => italic(text),
            Self::Mark(text) => roman(text),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Fixed(text) | Self::Value(text) => text,
            Self::Mark(text) => text,
        }
    }
}

/// How an argument is typed, with the name of its value if it takes one.
pub fn typed(argument: &Arg) -> Vec<Word> {
    let mut words = Vec::new();
    if let Some(long) = argument.get_long() {
        words.push(Word::Fixed(format!("--{long}")));
    }
    if argument.get_action().takes_values() {
        if !words.is_empty() {
            words.push(Word::Mark(" "));
        }
        let names = argument.get_value_names().and_then(<[_]>::first);
        let name = names.map_or_else(
            || argument.get_id().as_str().to_uppercase(),
            ToString::to_string,
        );
        words.push(Word::Value(name));
    }
    if matches!(argument.get_action(), ArgAction::Append) {
        words.push(Word::Mark("..."));
    }
    words
}

/// A command's arguments as they are typed: what may be left out in brackets.
pub fn usage(command: &Command) -> Vec<Vec<Word>> {
    let mut parts = Vec::new();
    let mut told: Vec<&Id> = Vec::new();
    for argument in arguments(command) {
        let id = argument.get_id();
        let mut groups = command.get_groups().filter(|it| it.is_required_set());
        let group = groups.find(|group| group.get_args().any(|it| it == id));
        let part = match group {
            Some(group) if told.contains(&group.get_id()) => continue,
            // One of them is required.
            Some(group) => {
                told.push(group.get_id());
                let members = group.get_args();
                let members =
                    members.filter_map(|id| command.get_arguments().find(|it| it.get_id() == id));
                around("{", members.map(typed), "}")
            }
            None if argument.is_required_set() => typed(argument),
            None => around("[", [typed(argument)], "]"),
        };
        parts.push(part);
    }
    parts
}

fn around(
    begin: &'static str,
    choices: impl IntoIterator<Item = Vec<Word>>,
    end: &'static str,
) -> Vec<Word> {
    let mut words = vec![Word::Mark(begin)];
    for (at, choice) in choices.into_iter().enumerate() {
        if at > 0 {
            words.push(Word::Mark(" | "));
        }
        words.extend(choice);
    }
    words.push(Word::Mark(end));
    words
}

fn said(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn settings(roff: &mut Roff) {
    roff.control("SH", ["SETTINGS"]);
    roff.text([roman(
        "The file is TOML. Only component.jid and a secret must be set; the values below are the \
         defaults, or examples where there is none.",
    )]);
    for setting in config::settings() {
        if is_first_of_section(setting) {
            roff.control("SS", [format!("[{}]", setting.section).as_str()]);
        }
        let (Value::Required(value)
        | Value::Default(value)
        | Value::PostgresDefault(value)
        | Value::Sample(value)) = setting.value;
        let line = vec![bold(setting.name), roman(format!(" = {value}"))];
        term(roff, [line]);
        roff.text([roman(setting.about)]);
    }
}

fn is_first_of_section(setting: &Setting) -> bool {
    let first = config::settings().find(|it| it.section == setting.section);
    first.is_some_and(|first| first.name == setting.name)
}

fn environment(roff: &mut Roff) {
    roff.control("SH", ["ENVIRONMENT"]);
    if let Some(setting) = config::settings().next() {
        let named = vec![bold("PRIVATE_STORAGE_"), italic("SECTION_KEY")];
        term(roff, [named]);
        roff.text([roman(format!(
            "Each setting has a variable, named by section and key in capitals ({setting}: {}), \
             which wins over the file. Lists are separated by commas. A variable that is empty \
             counts as not set.",
            setting.variable()
        ))]);
    }
    told(
        roff,
        &[
            (
                "PRIVATE_STORAGE_CONFIG",
                "The configuration file, if --config does not name one.",
            ),
            (
                "CREDENTIALS_DIRECTORY",
                "Set by systemd: a relative secret_file or password_file is looked for here first, and \
                 a credential named secret is found without any setting.",
            ),
        ],
    );
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    told(
        roff,
        &[
            (
                "component.toml",
                "The configuration, in the working directory.",
            ),
            (
                "/etc/xmpp-private-storage/component.toml",
                "The configuration, if there is none in the working directory.",
            ),
            (
                "/etc/xmpp-private-storage/secret",
                "The secret, where Debian's package and the unit for systemd keep it.",
            ),
            (
                "/var/lib/xmpp-private-storage",
                "What users have stored, where Debian's package keeps it. To copy it, stop the service.",
            ),
            (
                "/run/xmpp-private-storage",
                "The control socket, with storage.engine = \"postgres\" and without storage.path.",
            ),
        ],
    );
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        told(roff, &[(&code.to_string(), meaning)]);
    }
}

fn see_also(roff: &mut Roff) {
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("prosody"),
        roman("(8), "),
        bold("ejabberdctl"),
        roman("(8); XEP-0049, XEP-0114, XEP-0355"),
    ]);
}

/// Terms with what is told about each.
fn told(roff: &mut Roff, terms: &[(&str, &str)]) {
    for (name, about) in terms {
        term(roff, [vec![bold(*name)]]);
        roff.text([roman(*about)]);
    }
}

/// One term of one or more lines; what follows is about it.
fn term(roff: &mut Roff, lines: impl IntoIterator<Item = Vec<Inline>>) {
    for (at, line) in lines.into_iter().enumerate() {
        roff.control(if at == 0 { "TP" } else { "TQ" }, []);
        roff.text(line);
    }
}
