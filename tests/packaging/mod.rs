//! What is installed beside the program agrees with it, and with those who read it: `man`, shells,
//! systemd, container runtimes.

#[path = "../../packaging/generate/manual.rs"]
mod manual;
#[path = "../../packaging/generate/reference.rs"]
mod reference;

mod container;
mod docs;
mod pair;
mod release;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use xmpp_private_storage::config::Config;
use xmpp_private_storage::{cli, exit};

const UNIT: &str = "packaging/systemd/xmpp-private-storage.service";

#[test]
fn the_manual_page_renders_without_a_warning_and_tells_all() {
    let folder = folder();
    let rendered = run(Command::new("man")
        .args(["--warnings", "--encoding=UTF-8", "--local-file"])
        .arg(page(&folder))
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "200"));
    assert_eq!(text(&rendered.stderr), "");
    let page = text(&rendered.stdout);
    for command in cli::definition().get_subcommands() {
        let name = command.get_name();
        assert!(page.contains(&format!("\n       {name}")), "{name}: {page}");
    }
    for usage in [
        "check [--connect] [--settings]",
        "import PATH... [--dry-run] [--replace] [--rename OLD=NEW...] [--ignore-database]",
        "print-config SERVER [--server-version YY.MM] [--into FILE]",
        "delete {JID | --domain DOMAIN} [--yes] [--compact]",
        "prune --domain DOMAIN --registered FILE [--yes] [--force] [--compact]",
    ] {
        assert!(
            page.contains(&format!("\n       {usage}\n")),
            "{usage}: {page}"
        );
    }
    let example = read("component.example.toml");
    let mut keys = 0;
    for line in example.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let name = line.split(" = ").next().unwrap_or_default();
        if line.contains(" = ") && !name.contains(' ') {
            assert!(
                page.contains(&format!("\n       {line}\n")),
                "{line}: {page}"
            );
            keys += 1;
        }
    }
    assert!(keys > 20, "{keys} keys");
    for code in [
        exit::INCOMPLETE,
        exit::USAGE,
        exit::INPUT,
        exit::UNAVAILABLE,
        exit::OUTPUT,
        exit::STORE,
        exit::CONFIG,
    ] {
        assert!(
            page.contains(&format!("\n       {code} ")),
            "{code}: {page}"
        );
    }
}

#[test]
fn the_reference_says_what_the_tables_say() {
    for (name, page) in reference::pages() {
        let written = read(&format!("docs/reference/{name}"));
        assert!(
            written == page,
            "{name} is written by `cargo run --example generate -- --here`"
        );
    }
}

/// What makes the tests' program panic where a request says so must be in no other, nor what a simulator plays.
#[test]
fn no_build_for_use_has_the_panics_or_the_simulator_of_the_tests() {
    let builds = [
        "Dockerfile",
        "scripts/package",
        "scripts/release",
        "scripts/lib.sh",
        "scripts/try",
        "README.md",
    ];
    for file in builds.map(|file| (file, read(file))) {
        let (name, text) = file;
        assert!(
            !text.contains("--all-features") && !text.contains("--features"),
            "{name}"
        );
    }
    // Not even in what cargo would build: only what is built for tests depends on it.
    let tree = run(Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal,build,features"])
        .args(["--format", "{p} {f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let tree = text(&tree.stdout);
    assert!(tree.contains("xps-store"), "{tree}");
    for feature in ["test-panics", "simulation"] {
        assert!(!tree.contains(feature), "{feature}: {tree}");
    }
}

#[test]
fn bash_completes_commands_and_their_arguments() {
    let folder = folder();
    manual::completions(folder.path()).expect("written");
    for shell in ["_xmpp-private-storage", "xmpp-private-storage.fish"] {
        let script = fs::read_to_string(folder.path().join(shell)).expect("written");
        assert!(script.contains("print-config"), "{shell}: {script}");
    }
    let completed = |words: &str, last: usize| {
        // As bash does when Tab is pressed, with the function that the script has registered.
        let script = format!(
            "set -u; . {}/xmpp-private-storage.bash; COMP_WORDS=({words}); COMP_CWORD={last}; \
             registered=$(complete -p xmpp-private-storage); function=${{registered#* -F }}; \
             ${{function%% *}} xmpp-private-storage \"${{COMP_WORDS[{last}]}}\" \
             \"${{COMP_WORDS[{last} - 1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            folder.path().display()
        );
        let output = run(Command::new("bash").args(["-c", &script]));
        text(&output.stdout) + &text(&output.stderr)
    };
    assert_eq!(completed("xmpp-private-storage print", 1), "print-config\n");
    assert_eq!(
        completed("xmpp-private-storage print-config ej", 2),
        "ejabberd\n"
    );
}

#[test]
fn systemd_takes_the_unit_and_finds_little_to_attack() {
    let folder = folder();
    // Where the unit says it is documented.
    fs::create_dir(folder.path().join("man8")).expect("a folder");
    fs::rename(
        page(&folder),
        folder.path().join("man8/xmpp-private-storage.8"),
    )
    .expect("moved");
    let unit = read(UNIT).replace(
        "/usr/bin/xmpp-private-storage",
        env!("CARGO_BIN_EXE_xmpp-private-storage"),
    );
    let file = folder.path().join("xmpp-private-storage.service");
    fs::write(&file, unit).expect("written");
    let verified = run(Command::new("systemd-analyze")
        .args(["verify", "--recursive-errors=no"])
        .arg(&file)
        .env("MANPATH", folder.path()));
    let said = text(&verified.stderr);
    assert!(verified.status.success(), "{said}");
    assert!(!said.contains("xmpp-private-storage.service"), "{said}");
    // In tenths: 0 is a program that may do nothing at all, 100 one that may do anything.
    let judged = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=12"])
        .arg(&file));
    assert!(judged.status.success(), "{}", text(&judged.stdout));
}

/// A reload with a broken file was a success; and any reload failed where procps is not installed.
#[test]
fn the_unit_checks_the_settings_before_a_reload() {
    let unit = read(UNIT);
    let program = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let reload: Vec<&str> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ExecReload="))
        .collect();
    let check = format!("{} check --settings", program.expect("a program"));
    let signal = "/bin/sh -c \"kill -HUP ${MAINPID}\"";
    assert_eq!(reload, [check.as_str(), signal]);
}

/// What another start would not mend is not tried again.
#[test]
fn the_unit_knows_the_exit_codes() {
    let line = format!(
        "\nRestartPreventExitStatus={} {}\n",
        exit::USAGE,
        exit::CONFIG
    );
    assert!(read(UNIT).contains(&line), "{line}");
}

/// A backup that was killed left a part, and whatever deleted old backups did not know its name.
#[test]
fn the_service_for_backups_deletes_what_is_old_and_nothing_else() {
    let folder = folder();
    let files = [
        ("2026-11-01T031500.backup", "15 days ago", false),
        ("2026-11-15T031500.backup", "12 days ago", true),
        ("2026-11-28T031500.backup.4711.part", "2 hours ago", false),
        ("2026-11-29T031500.backup.4712.part", "now", true),
        ("of-somebody-else.part", "15 days ago", true),
    ];
    for (name, time, _) in files {
        let file = folder.path().join(name);
        let made = run(Command::new("touch").args(["--date", time]).arg(file));
        assert!(made.status.success(), "{}", text(&made.stderr));
    }
    let unit = read("packaging/backup/xmpp-private-storage-backup.service");
    for line in unit.lines().filter(|line| line.contains("=find ")) {
        let (_, command) = line.split_once('=').expect("a command");
        let here = folder.path().to_str().expect("a name");
        let command = command.replace("/var/backups/xmpp-private-storage", here);
        let ran = run(Command::new("find").args(command.split_whitespace().skip(1)));
        assert!(ran.status.success(), "{line}: {}", text(&ran.stderr));
    }
    for (name, _, stays) in files {
        assert_eq!(folder.path().join(name).exists(), stays, "{name}");
    }
}

#[test]
fn debians_configuration_is_taken_with_what_systemd_hands_over() {
    let folder = folder();
    fs::write(folder.path().join("secret"), "s3cret\n").expect("written");
    set_private(&folder.path().join("secret"));
    let file = root().join("packaging/debian/component.toml");
    let variables = [("CREDENTIALS_DIRECTORY", folder.path())];
    let config = Config::load(Some(&file), variables).expect("a configuration");
    assert_eq!(config.warnings, [""; 0]);
    let state = Path::new("/var/lib/xmpp-private-storage");
    assert_eq!(config.storage.path, state);
    assert!(read(UNIT).contains("\nStateDirectory=xmpp-private-storage\n"));
}

/// Whoever names a database need not name a folder: the socket lies in the one that systemd makes.
#[test]
fn the_unit_makes_the_folder_that_a_database_leaves_over() {
    let variables = [
        ("PRIVATE_STORAGE_COMPONENT_JID", "private.example.org"),
        ("PRIVATE_STORAGE_STORAGE_ENGINE", "postgres"),
        ("PRIVATE_STORAGE_STORAGE_POSTGRES_HOSTS", "db1"),
    ];
    let folder = folder();
    let nothing = folder.path().join("nothing.toml");
    fs::write(&nothing, "").expect("written");
    let config = Config::load_without_secret(Some(&nothing), variables).expect("a configuration");
    let run = Path::new("/run/xmpp-private-storage");
    assert_eq!(config.storage.path, run);
    assert!(read(UNIT).contains("\nRuntimeDirectory=xmpp-private-storage\n"));
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).expect(file)
}

fn page(folder: &TempDir) -> PathBuf {
    manual::page(folder.path()).expect("written");
    folder.path().join("xmpp-private-storage.8")
}

fn set_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o400)).expect("a mode");
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; scripts/test installs what is missing")
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
