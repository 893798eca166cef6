//! What is given to others: everything that belongs to it is in it, as a package, as a tarball and as an image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{folder, read, root, run, text};

/// What of `packaging/` and `docs/` no administrator needs: the package and the image are made of it, or the tests read it.
const FOR_THE_PROJECT: [&str; 13] = [
    "docs/book.toml",
    "packaging/container/config.json",
    "packaging/container/postgres",
    "packaging/container/prosody/Dockerfile",
    "packaging/container/prosody/private-storage.cfg.lua",
    "packaging/debian/control",
    "packaging/debian/postinst",
    "packaging/debian/postrm",
    "packaging/debian/prerm",
    "packaging/files",
    "packaging/generate",
    "packaging/prometheus/xmpp-private-storage.rules.test.yml",
    "packaging/tarball/install",
];

/// The package lacked the dashboard and the alerts that its own documentation named: they had been added to the
/// project, and not to the list of what is installed. So were the units for backups, and this test had a list of folders
/// that it looked into, without theirs.
#[test]
fn all_that_administrators_may_need_is_installed() {
    let list = read("packaging/files");
    let mut installed = BTreeSet::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [mode, files, _] = words[..] else {
            assert!(words.is_empty(), "{line}");
            continue;
        };
        assert!(["644", "755"].contains(&mode), "{line}");
        if files != "program" && !files.starts_with("made/") {
            let found = matching(files);
            assert!(!found.is_empty(), "there is no {files}");
            installed.extend(found);
        }
    }
    let there: BTreeSet<PathBuf> = ["docs", "packaging"]
        .iter()
        .flat_map(|folder| files_below(&root().join(folder)))
        .map(|file| file.strip_prefix(root()).expect("inside").to_owned())
        .collect();
    let is_for_the_project =
        |file: &&PathBuf| FOR_THE_PROJECT.iter().any(|named| file.starts_with(named));
    let missing: Vec<&PathBuf> = there
        .difference(&installed)
        .filter(|file| !is_for_the_project(file))
        .collect();
    assert!(missing.is_empty(), "packaging/files lacks {missing:?}");
    for named in FOR_THE_PROJECT {
        let is_there = there.iter().any(|file| file.starts_with(named));
        assert!(is_there, "there is no {named}");
    }
}

const MAKE_SECRET: &str = "usr/lib/xmpp-private-storage/make-secret";

/// The steps for systems without Debian's packages installed less than the package did.
#[test]
fn the_tarball_installs_what_is_in_it_and_keeps_what_is_the_administrators() {
    let place = folder();
    let [tarball, system] = ["tarball", "system"].map(|name| place.path().join(name));
    let files = [
        ("usr/bin/xmpp-private-storage", 0o755),
        ("usr/lib/systemd/system/xmpp-private-storage.service", 0o644),
        ("usr/share/doc/xmpp-private-storage/docs/check.md", 0o644),
        (
            "usr/share/zsh/vendor-completions/_xmpp-private-storage",
            0o644,
        ),
        ("etc/xmpp-private-storage/component.toml", 0o644),
    ];
    for (file, mode) in files {
        write(&tarball.join(file), "first", mode);
    }
    let make_secret = read("packaging/secret/make-secret");
    write(&tarball.join(MAKE_SECRET), &make_secret, 0o755);
    let install = tarball.join("install");
    write(&install, &read("packaging/tarball/install"), 0o755);
    fs::create_dir_all(system.join("usr/share/zsh/site-functions")).expect("a folder");
    let install = |arguments: &[&str]| {
        let output = run(Command::new("sh")
            .arg(&install)
            .args(arguments)
            .arg("--root")
            .arg(&system));
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    let has = |file: &str| fs::read_to_string(system.join(file)).ok();

    install(&[]);
    for (file, mode) in files.iter().filter(|(file, _)| !file.contains("zsh")) {
        assert_eq!(has(file).as_deref(), Some("first"), "{file}");
        assert_eq!(mode_of(&system.join(file)), *mode, "{file}");
    }
    // Where the system's own zsh looks.
    assert!(has("usr/share/zsh/site-functions/_xmpp-private-storage").is_some());
    let secret = has("etc/xmpp-private-storage/secret").expect("a secret");
    assert_eq!(secret.trim().len(), 40, "{secret}");
    assert_eq!(
        mode_of(&system.join("etc/xmpp-private-storage/secret")),
        0o600
    );

    // A newer one: the program is replaced, settings and secret are not.
    for (file, mode) in files {
        write(&tarball.join(file), "second", mode);
    }
    install(&[]);
    assert_eq!(
        has("usr/bin/xmpp-private-storage").as_deref(),
        Some("second")
    );
    assert_eq!(
        has("etc/xmpp-private-storage/component.toml").as_deref(),
        Some("first")
    );
    assert_eq!(has("etc/xmpp-private-storage/secret"), Some(secret.clone()));

    install(&["--remove"]);
    assert!(!system.join("usr/lib/xmpp-private-storage").exists());
    let left: BTreeSet<PathBuf> = files_below(&system).into_iter().collect();
    let kept =
        ["component.toml", "secret"].map(|name| system.join("etc/xmpp-private-storage").join(name));
    assert_eq!(left, BTreeSet::from(kept));
}

/// Who takes the image of a release gets what the Dockerfile builds.
#[test]
fn the_image_of_a_release_is_configured_as_the_dockerfile_says() {
    let filled = read("packaging/container/config.json")
        .replace("@LAYERS@", "")
        .replace("@ARCHITECTURE@", "amd64");
    let image: Value = serde_json::from_str(&filled).expect("JSON");
    let config = &image["config"];
    let dockerfile = read("Dockerfile").replace("\\\n ", "");
    let of = |instruction: &str| {
        let line = dockerfile.lines().rfind(|line| {
            line.split_once(' ')
                .is_some_and(|(first, _)| first == instruction)
        });
        line.expect(instruction)[instruction.len() + 1..].to_owned()
    };

    assert_eq!(config["User"], of("USER"));
    assert_eq!(config["WorkingDir"], of("WORKDIR"));
    assert!(config["Volumes"][of("VOLUME")].is_object());
    assert_eq!(config["Entrypoint"], json(&of("ENTRYPOINT")));
    let variables = config["Env"].as_array().expect("a list");
    assert!(variables.contains(&Value::from(of("ENV"))), "{variables:?}");

    let health = of("HEALTHCHECK");
    let (options, command) = health.split_once("CMD ").expect("a command");
    let mut test = vec![Value::from("CMD")];
    test.extend(json(command).as_array().expect("a list").iter().cloned());
    assert_eq!(config["Healthcheck"]["Test"], Value::from(test));
    for option in options.split_whitespace() {
        let (name, seconds) = option.split_once('=').expect("an option");
        let key = match name {
            "--interval" => "Interval",
            "--timeout" => "Timeout",
            "--start-period" => "StartPeriod",
            other => panic!("{other}"),
        };
        let seconds: u64 = seconds.trim_end_matches('s').parse().expect("seconds");
        assert_eq!(
            config["Healthcheck"][key],
            seconds * 1_000_000_000,
            "{option}"
        );
    }
}

/// What somebody else could change later runs in no workflow, and none may do more than it needs to.
#[test]
fn workflows_run_the_scripts_and_pin_what_they_use() {
    for (name, script) in [
        ("ci.yml", ".ci/run"),
        ("release.yml", "scripts/prove-release"),
    ] {
        let workflow = read(&format!(".github/workflows/{name}"));
        assert!(
            workflow.contains(&format!("run: {script}\n")),
            "{name} runs no {script}"
        );
        assert!(
            workflow.contains("\npermissions:\n  contents: read\n"),
            "{name}"
        );
        let image = format!("docker.io/library/rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
        assert!(workflow.contains(&image), "{name} uses no {image}");
        for line in workflow.lines().filter(|line| line.contains("uses: ")) {
            let (_, commit) = line.split_once('@').expect("a version");
            let commit = commit.split_whitespace().next().unwrap_or_default();
            assert!(
                commit.len() == 40 && commit.chars().all(|digit| digit.is_ascii_hexdigit()),
                "{name}: {line}"
            );
        }
    }
    assert!(read("scripts/prove-release").contains("$(scripts/release "));
}

/// The files that a pattern means whose last part may have one `*`.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    let name = path.file_name().expect("a name").to_string_lossy();
    let (start, end) = name.split_once('*').unwrap_or((&name, ""));
    let parent = path.parent().expect("a folder");
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(parent)).expect(pattern) {
        let entry = entry.expect("an entry");
        let file = entry.file_name().to_string_lossy().into_owned();
        let is_meant = match name.contains('*') {
            true => file.starts_with(start) && file.ends_with(end),
            false => file == name,
        };
        if is_meant && entry.path().is_file() {
            found.push(parent.join(file));
        }
    }
    found
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

fn write(file: &Path, content: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(file, content).expect("written");
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn mode_of(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).expect("a file").permissions().mode() & 0o777
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
