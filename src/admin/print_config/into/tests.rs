use std::path::PathBuf;

use super::super::tests::{OFF, SECRET, config};
use super::super::{EjabberdVersion, ejabberd as printed_alone};
use super::{Advice, Source, ejabberd, prosody};

/// A folder of the server's, with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a written file");
    }
    folder
}

/// What is said of this ejabberd.yml, with the folder's path left out; the settings of ours besides.
fn advised(yaml: &str, ours: &str, version: (u32, u32)) -> Advice {
    let folder = folder(&[("ejabberd.yml", yaml)]);
    let version = EjabberdVersion(version.0, version.1);
    let path = folder.path().join("ejabberd.yml");
    let advice = ejabberd(&config(&format!("{SECRET}{ours}")), version, &path);
    let Advice { file, changes } = advice.expect("it can be read");
    let folder = format!("{}/", folder.path().display());
    Advice {
        file,
        changes: changes.replace(&folder, ""),
    }
}

/// The lines that are added and taken away.
fn changed(changes: &str) -> String {
    let diff = changes.split("\nBy hand:").next().unwrap_or_default();
    let lines = diff.lines().filter(|line| {
        let header = line.starts_with("+++") || line.starts_with("---");
        line.starts_with(['+', '-']) && !header
    });
    lines.map(|line| format!("{line}\n")).collect()
}

const INCLUDED: &str = "include_config_file: /etc/ejabberd/private-storage.yml\n";
const NEW: (u32, u32) = (26, 7);

/// The printed file has no module for a host.
fn has(file: &str, module: &str) -> bool {
    file.lines().any(|line| line.trim() == format!("{module}:"))
}

#[test]
fn a_file_without_such_modules_needs_one_line() {
    let advice = advised("hosts: [example.org]\nmodules:\n  mod_ping: {}\n", "", NEW);
    let alone = printed_alone(&config(SECRET), Some(EjabberdVersion(26, 7)));
    assert_eq!(advice.file, alone);
    assert_eq!(
        changed(&advice.changes),
        "+include_config_file: private-storage.yml\n"
    );
    let again = advised(&format!("hosts: [example.org]\n{INCLUDED}"), "", NEW);
    assert_eq!(
        again.changes,
        "Nothing has to be changed in ejabberd.yml.\n"
    );
}

/// slidge's documentation says it so. ejabberd did not start with our file beside it ("Duplicated option").
const SLIDGE: &str = "\
modules:
  mod_ping: {}
  mod_privilege:   # slidge
    roster:
      both: slidge_rule
    iq:
      \"http://jabber.org/protocol/pubsub\":
        both: slidge_rule
      http://jabber.org/protocol/pubsub#owner:
        set: slidge_rule
";

#[test]
fn what_another_component_may_stays_beside_ours() {
    let yaml = format!("{INCLUDED}{SLIDGE}");
    let advice = advised(&yaml, "", NEW);
    assert_eq!(
        changed(&advice.changes),
        "+        get: delegate_private\n+        set: delegate_private\n\
         +        both: delegate_private\n"
    );
    assert!(!has(&advice.file, "mod_privilege") && has(&advice.file, "mod_delegation"));
    assert!(!advice.changes.contains("By hand"), "{}", advice.changes);

    // Without a privilege of ours there is no delegation either.
    let advice = advised(&yaml, OFF, NEW);
    assert_eq!(
        changed(&advice.changes),
        "+      \"jabber:iq:private\":\n+        both: delegate_private\n"
    );
    let advice = advised(&yaml, "", (24, 12));
    assert_eq!(changed(&advice.changes), "");
    assert!(
        advice
            .changes
            .contains("ejabberd.yml, line 4: ejabberd 24.12 drops all"),
        "{}",
        advice.changes
    );
    let advice = advised(&yaml, "", (23, 1));
    assert!(advice.changes.starts_with("Nothing"), "{}", advice.changes);
}

#[test]
fn a_module_is_found_wherever_a_host_has_it_from() {
    let delegation =
        "mod_delegation:\n        namespaces:\n          \"urn:x\":\n            access: x\n";
    let added = "+          \"jabber:iq:private\":\n+            access: delegate_private\n";
    for option in ["host_config", "append_host_config"] {
        let yaml = format!("{INCLUDED}{option}:\n  example.org:\n    modules:\n      {delegation}");
        let advice = advised(&yaml, OFF, NEW);
        assert_eq!(changed(&advice.changes), added, "{option}");
        assert!(!has(&advice.file, "mod_delegation"), "{option}");
        assert!(!advice.file.contains("append_host_config"), "{option}");
        // Another host's is not ours.
        let yaml = yaml.replace("example.org", "example.net");
        assert!(advised(&yaml, OFF, NEW).changes.starts_with("Nothing"));
    }
    // A host with a list of its own has none of the top level's.
    let yaml = format!(
        "{INCLUDED}modules:\n  mod_delegation: {{}}\nhost_config:\n  example.org:\n    modules:\n      \
         mod_ping: {{}}\n"
    );
    let advice = advised(&yaml, OFF, NEW);
    assert!(advice.changes.starts_with("Nothing"), "{}", advice.changes);
    assert!(has(&advice.file, "mod_delegation"));
}

#[test]
fn a_module_of_every_host_is_given_what_it_lacks_and_its_hosts_are_named() {
    let yaml = format!(
        "hosts:\n  - example.org\n  - other.example\n{INCLUDED}modules:\n  mod_delegation: {{}}   # for us\n"
    );
    let advice = advised(&yaml, OFF, NEW);
    assert_eq!(
        changed(&advice.changes),
        "-  mod_delegation: {}   # for us\n+  mod_delegation:\n+    namespaces:\n\
         +      \"jabber:iq:private\":\n+        access: delegate_private\n"
    );
    let warned = "ejabberd.yml, line 6: it is for every host: add other.example to access.domains";
    assert!(advice.changes.contains(warned), "{}", advice.changes);
    let both = format!("{OFF}access.domains = [\"example.org\", \"other.example\"]\n");
    let advice = advised(&yaml, &both, NEW);
    assert!(!advice.changes.contains("By hand"), "{}", advice.changes);
}

#[test]
fn what_cannot_be_shown_as_a_change_is_said() {
    for (module, line) in [
        ("mod_delegation: {namespaces: {\"urn:x\": {access: x}}}", 3),
        ("mod_delegation: *other", 3),
        (
            "mod_delegation:\n    namespaces:\n      \"jabber:iq:private\":\n        access: x",
            3,
        ),
    ] {
        let yaml = format!("{INCLUDED}modules:\n  {module}\nx: &other {{}}\n");
        let yaml = match module.contains('*') {
            true => format!("x: &other {{}}\n{INCLUDED}modules:\n  {module}\n"),
            false => yaml,
        };
        let line = line + usize::from(module.contains('*'));
        let advice = advised(&yaml, OFF, NEW);
        assert_eq!(changed(&advice.changes), "", "{module}");
        let said =
            format!("- ejabberd.yml, line {line}: mod_delegation is there already, in a form");
        assert!(advice.changes.contains(&said), "{}", advice.changes);
        assert!(advice.changes.contains("access: delegate_private"));
    }
}

/// An earlier version printed a block to be pasted.
#[test]
fn what_was_pasted_once_is_told() {
    let ours = "listen:\n  -\n    port: 5347\n    module: ejabberd_service\n    hosts:\n      \
                \"private.example.org\":\n        password: x\n\
                append_host_config:\n  \"example.org\":\n    modules:\n      mod_delegation:\n        \
                namespaces:\n          \"jabber:iq:private\":\n            access: delegate_private\n";
    let advice = advised(&format!("{INCLUDED}{ours}"), OFF, NEW);
    assert_eq!(changed(&advice.changes), "");
    let said = "- ejabberd.yml, line 7: take private.example.org out of this listener";
    assert!(advice.changes.contains(said), "{}", advice.changes);
    assert!(!has(&advice.file, "mod_delegation"));
}

#[test]
fn included_files_are_read_too() {
    let folder = folder(&[
        (
            "ejabberd.yml",
            "include_config_file:\n  - slidge.yml\n  - /nowhere/x.yml\n  - private-storage.yml\n",
        ),
        ("slidge.yml", SLIDGE),
    ]);
    let path = folder.path().join("ejabberd.yml");
    let advice = ejabberd(&config(SECRET), EjabberdVersion(26, 7), &path);
    let changes = advice.expect("it can be read").changes;
    let header = format!("+++ {}\n", folder.path().join("slidge.yml").display());
    assert!(changes.contains(&header), "{changes}");
    assert_eq!(changed(&changes).lines().count(), 3, "{changes}");
    assert!(
        changes.contains("- /nowhere/x.yml cannot be read"),
        "{changes}"
    );
}

#[test]
fn what_is_no_yaml_is_refused() {
    let deep = "[".repeat(10_000);
    for yaml in ["", "a: [", "a: b: c", &deep] {
        let folder = folder(&[("ejabberd.yml", yaml)]);
        let path = folder.path().join("ejabberd.yml");
        assert!(ejabberd(&config(SECRET), EjabberdVersion(26, 7), &path).is_err());
    }
}

fn advised_prosody(files: &[(&str, &str)], ours: &str) -> String {
    let folder = folder(files);
    let path = folder.path().join("prosody.cfg.lua");
    let advice = prosody(&config(&format!("{SECRET}{ours}")), &path);
    let changes = advice.expect("it can be read").changes;
    changes.replace(&format!("{}/", folder.path().display()), "")
}

const MAIN: &str =
    "-- component_ports = { 1 }\nVirtualHost \"example.org\"\nInclude \"conf.d/*.cfg.lua\"\n";

#[test]
fn prosody_is_told_where_to_listen() {
    let said = advised_prosody(&[("prosody.cfg.lua", MAIN)], "");
    assert_eq!(said, "Nothing has to be changed in prosody.cfg.lua.\n");
    let other = "component.server = \"localhost:8888\"\n";
    let said = advised_prosody(&[("prosody.cfg.lua", MAIN)], other);
    assert_eq!(
        changed(&said),
        "+component_ports = { 8888 } -- with 5347 as well, if other components use it\n"
    );
    assert!(
        said.contains("\n+component_ports")
            && said.find("+component_ports") < said.find("VirtualHost"),
        "{said}"
    );
    let main = MAIN.replace("-- component_ports", "component_ports");
    let said = advised_prosody(&[("prosody.cfg.lua", &main)], other);
    assert_eq!(changed(&said), "");
    let by_hand = "- prosody.cfg.lua, line 1: `component_ports = { 1 }`: add 8888 to it\n";
    assert!(said.ends_with(by_hand), "{said}");
}

#[test]
fn prosody_is_told_what_to_include_and_what_to_take_out() {
    let said = advised_prosody(&[("prosody.cfg.lua", "VirtualHost \"example.org\"\n")], "");
    assert_eq!(changed(&said), "+Include \"private-storage.cfg.lua\"\n");
    let old = "Component \"private.example.org\"\n";
    let files = [
        ("prosody.cfg.lua", "Include \"*.cfg.lua\"\n"),
        ("old.cfg.lua", old),
        ("private-storage.cfg.lua", old),
    ];
    let said = advised_prosody(&files, "");
    let taken =
        "- old.cfg.lua, line 1: `Component \"private.example.org\"`: take out what is said of";
    assert!(said.contains(taken), "{said}");
    assert_eq!(said.matches("take out").count(), 1, "ours stays: {said}");
}

#[test]
fn a_file_without_an_end_of_line_is_changed_like_others() {
    let source = Source {
        path: PathBuf::from("/x"),
        text: "a: b".to_owned(),
        edits: Vec::new(),
    };
    let mut source = source;
    source.put_at_the_end("c: d\n".to_owned());
    assert_eq!(source.edited(), "a: b\nc: d\n");
}
