use std::path::PathBuf;

use super::super::tests::{OFF, SECRET, config};
use super::super::{EjabberdVersion, ejabberd as printed_alone};
use super::{Advice, Source, ejabberd, prosody};

/// A folder of the server's, with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a written file");
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

/// Hosts that are not ours were overlooked. Measured: while any host has mod_privilege, 24.10 to 24.12 serve no
/// component, and from 25.03 on a host that gives us no privilege is not delegated.
#[test]
fn mod_privilege_counts_on_any_host() {
    let module = "mod_privilege:\n        message:\n          outgoing: x\n";
    let least = "      mod_privilege:\n        iq:\n          \"jabber:iq:private\":\n            \
                 both: delegate_private\n";
    // Of the top level ours has none, where it has a list of its own.
    let top = format!(
        "{INCLUDED}host_config:\n  example.org:\n    modules:\n      mod_ping: {{}}\nmodules:\n      {module}"
    );
    let others = ["host_config", "append_host_config"]
        .map(|it| format!("{INCLUDED}\n\n\n{it}:\n  other.example:\n    modules:\n      {module}"));
    for (yaml, line) in [(&top, 7), (&others[0], 8), (&others[1], 8)] {
        for harmful in [(24, 10), (24, 12)] {
            let advice = advised(yaml, "", harmful);
            let (year, month) = harmful;
            let said = format!("- ejabberd.yml, line {line}: ejabberd {year}.{month} drops all");
            assert!(advice.changes.contains(&said), "{}", advice.changes);
            assert!(!has(&advice.file, "mod_privilege"));
        }
        let advice = advised(yaml, OFF, NEW);
        assert!(advice.file.ends_with(least), "{}", advice.file);
        assert!(
            advice.file.contains("another host loads it"),
            "{}",
            advice.file
        );
        assert!(advice.changes.starts_with("Nothing"), "{}", advice.changes);
        let advice = advised(yaml, OFF, (23, 1));
        assert!(!has(&advice.file, "mod_privilege"));
        let advice = advised(yaml, "", NEW);
        assert_eq!(advice.file.matches("mod_privilege:").count(), 1);
        assert!(!advice.file.contains(least), "{}", advice.file);
    }
    let all = format!("{top}append_host_config:\n  other.example:\n    modules:\n      {module}");
    let said = advised(&all, "", (24, 12)).changes;
    assert_eq!(said.matches("drops all").count(), 2, "{said}");
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

/// What was added for a component on one host gave it access to what the users of all others keep in PEP, and
/// nobody was told.
#[test]
fn a_privilege_of_every_host_is_told() {
    let yaml = format!("hosts: [example.org, other.example, third.example]\n{INCLUDED}{SLIDGE}");
    let warned = |hosts: &str| {
        format!(
            "ejabberd.yml, line 5: it is for every host: the component gets access to {hosts} as well. Give them \
             modules of their own in host_config"
        )
    };
    let said = advised(&yaml, "", NEW).changes;
    assert!(
        said.contains(&warned("other.example, third.example")),
        "{said}"
    );
    // One that has a list of its own has none of these, and so has one whose version takes no privilege.
    let own = "host_config:\n  other.example:\n    modules:\n      mod_ping: {}\n";
    let said = advised(&format!("{yaml}{own}"), "", NEW).changes;
    assert!(said.contains(&warned("third.example")), "{said}");
    let said = advised(&yaml, "", (23, 1)).changes;
    assert!(said.starts_with("Nothing"), "{said}");
    let all = "access.domains = [\"example.org\", \"other.example\", \"third.example\"]\n";
    let said = advised(&yaml, all, NEW).changes;
    assert!(!said.contains("By hand"), "{said}");
}

/// slidge's documentation has its listener on port 5347 of 127.0.0.1, as we have. ejabberd did not start with
/// both ("Overlapping listeners").
#[test]
fn a_port_that_another_listener_has_is_told() {
    let yaml = |listener: &str| {
        format!("{INCLUDED}listen:\n  - port: 5222\n    module: ejabberd_c2s\n  - {listener}\n")
    };
    let component = "module: ejabberd_service, hosts: {slidge.example.org: {password: x}}";
    let (anywhere, v6, socket) = (
        "component.server = \"ejabberd:5347\"\n",
        "component.server = \"[::1]:5347\"\n",
        "component.server = \"unix:/run/it.sock\"\n",
    );
    for (listener, ours, is_taken) in [
        ("port: 5347, ip: 127.0.0.1", "", true),
        ("port: 5347, ip: '::ffff:127.0.0.1'", "", true),
        ("port: 5347", "", true),
        ("port: 5347, ip: 0.0.0.0, transport: tcp", "", true),
        ("port: 5347, ip: '::'", "", true),
        ("port: 5347, ip: 192.0.2.1", anywhere, true),
        ("port: 5347, ip: '::'", v6, true),
        ("port: 'unix:/run/it.sock'", socket, true),
        ("port: 5347, ip: 0.0.0.0", v6, false),
        ("port: 5347, ip: 192.0.2.1", "", false),
        ("port: 5348, ip: 127.0.0.1", "", false),
        ("port: 5347, transport: udp", "", false),
        ("port: 5347", socket, false),
    ] {
        let said = advised(&yaml(&format!("{{{listener}, {component}}}")), ours, NEW).changes;
        let told = "- ejabberd.yml, line 5: this listener has the ";
        assert_eq!(said.contains(told), is_taken, "{listener}: {said}");
        assert_eq!(said.starts_with("Nothing"), !is_taken, "{said}");
    }
    // Where another component is on the same one, ours cannot leave it alone.
    let both = "{port: 5347, hosts: {slidge.example.org: {}, private.example.org: {}}}";
    let said = advised(&yaml(both), "", NEW).changes;
    for part in [
        "take private.example.org out",
        "has the port of the printed",
    ] {
        assert!(said.contains(part), "{said}");
    }
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
    let said = "- ejabberd.yml, line 4: take this listener out: ";
    assert!(advice.changes.contains(said), "{}", advice.changes);
    assert!(
        !advice.changes.contains("has the port"),
        "{}",
        advice.changes
    );
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

/// A module at the end of the file is changed, and the include comes behind it: it came in between.
#[test]
fn the_end_of_the_file_stays_the_end() {
    let advice = advised(
        "hosts: [example.org]\nmodules:\n  mod_delegation: {}",
        OFF,
        NEW,
    );
    assert_eq!(
        changed(&advice.changes),
        "-  mod_delegation: {}\n+  mod_delegation:\n+    namespaces:\n+      \"jabber:iq:private\":\n\
         +        access: delegate_private\n+include_config_file: private-storage.yml\n"
    );
}

/// The password was on the terminal, as one of the lines around the change.
#[test]
fn what_may_be_a_secret_is_not_shown() {
    let said = advised(
        "hosts: [x]\nloglevel: info\nsql_password: hunter2\n",
        "",
        NEW,
    )
    .changes;
    assert!(!said.contains("hunter2"), "{said}");
    assert!(
        said.contains("@@ -3,0 +4 @@\n+include_config_file"),
        "{said}"
    );
    let said = advised("redis: \"redis://me:hunter2@x\"\nb: 1\nc: 1\n", "", NEW).changes;
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("\n b: 1\n c: 1\n+include"), "{said}");
    let said = advised("a: 1\nb: 1\nc: \"http://x/\"\n", "", NEW).changes;
    assert!(
        said.contains("\n a: 1\n b: 1\n c: \"http://x/\"\n+include"),
        "{said}"
    );
    // Without an end of line, the line itself would have to be changed.
    let said = advised("hosts: [x]\nSQL_Password: hunter2", "", NEW).changes;
    assert!(!said.contains("hunter2"), "{said}");
    let by_hand = "By hand:\n- ejabberd.yml, line 2, behind it: put this:\ninclude_config_file: private-storage.yml\n";
    assert!(said.ends_with(by_hand), "{said}");
    let lua = "VirtualHost \"a\"\nComponent \"b\"\n  component_secret = \"hunter2\"";
    let said = advised_prosody(&[("prosody.cfg.lua", lua)], OTHER_PORT);
    assert!(!said.contains("hunter2"), "{said}");
    let by_hand = "- prosody.cfg.lua, above all lines: put this:\ncomponent_ports = {";
    assert!(said.contains(by_hand), "{said}");
}

/// The whole file was shown as changed, and patched it had lost its ends of line.
#[test]
fn ends_of_line_stay_what_they_are() {
    let yaml = "hosts: [example.org]\r\nmodules:\r\n  mod_delegation: {}\r\n  mod_ping: {}\r\n";
    let said = advised(yaml, OFF, NEW).changes;
    let lines: Vec<&str> = said
        .split('\n')
        .filter(|it| it.starts_with(['+', '-', ' ']))
        .collect();
    let added = lines.iter().filter(|it| it.starts_with('+')).count();
    assert_eq!((lines.len(), added), (11, 6), "{said}");
    assert!(lines.iter().skip(2).all(|it| it.ends_with('\r')), "{said}");
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
const OTHER_PORT: &str = "component.server = \"localhost:8888\"\n";
const OTHER_ADDRESS: &str = "component.server = \"10.0.0.1:5347\"\n";
/// With another file that is included.
const CONF_D: &str = "conf.d/other.cfg.lua";

/// What is said of this file, beside one with nothing in it.
fn of_main(main: &str, ours: &str) -> String {
    let main = format!("{main}Include \"conf.d/*.cfg.lua\"\n");
    advised_prosody(&[("prosody.cfg.lua", &main), (CONF_D, "")], ours)
}

const NOTHING: &str = "Nothing has to be changed in prosody.cfg.lua.\n";

/// What was added took the defaults away from other components.
#[test]
fn prosody_is_told_where_to_listen() {
    let files = [("prosody.cfg.lua", MAIN), (CONF_D, "")];
    assert_eq!(advised_prosody(&files, ""), NOTHING);
    let said = advised_prosody(&files, OTHER_PORT);
    assert_eq!(
        changed(&said),
        "+component_ports = { 5347, 8888 } -- 5347 for other components\n"
    );
    assert!(
        said.contains("\n+component_ports")
            && said.find("+component_ports") < said.find("VirtualHost"),
        "{said}"
    );
    let said = of_main("component_ports = { 1 }\n", OTHER_PORT);
    let by_hand = "Read prosody.cfg.lua, and changed nothing.\n\nBy hand:\n\
                   - prosody.cfg.lua, line 1: add 8888 to component_ports\n";
    assert_eq!(said, by_hand);
    let said = of_main("local_interfaces = { \"10.0.0.2\" }\n", OTHER_ADDRESS);
    assert_eq!(
        changed(&said),
        "+component_interfaces = { \"10.0.0.2\", \"10.0.0.1\" } -- 10.0.0.2 for other components; \
         the link is not encrypted: keep it private\n"
    );
    // What we need may have been taken away, although it is the default.
    let said = of_main("local_interfaces = { \"10.0.0.2\" }\n", "");
    assert!(
        changed(&said).contains("\"10.0.0.2\", \"127.0.0.1\""),
        "{said}"
    );
    let said = of_main(
        "component_ports = { 1 }\ncomponent_interfaces = \"10.0.0.2\"\n",
        "",
    );
    assert!(
        said.contains("line 1: add 5347 to component_ports\n"),
        "{said}"
    );
    assert!(
        said.contains("line 2: add \"127.0.0.1\" to component_interfaces\n"),
        "{said}"
    );
}

/// A change above the first line was lost.
#[test]
fn prosody_is_told_what_to_put_above_the_first_line() {
    for main in ["VirtualHost \"example.org\"\n", ""] {
        let said = advised_prosody(&[("prosody.cfg.lua", main)], OTHER_PORT);
        assert_eq!(
            changed(&said),
            "+component_ports = { 5347, 8888 } -- 5347 for other components\n\
             +Include \"private-storage.cfg.lua\"\n"
        );
        let before = said.find("+component_ports") < said.find(" VirtualHost");
        assert_eq!(before, !main.is_empty(), "{said}");
    }
}

/// 15348 counted as 5348, and so did a line about one host.
#[test]
fn prosodys_ports_and_addresses_are_compared_whole() {
    for there in [
        "component_ports = { 18888, \"x8888\" }\n",
        "component_ports = 88\n",
        "component_ports = { -- 8888\n 1 --[[ 8888\n ]] }\n",
    ] {
        let said = of_main(there, OTHER_PORT);
        assert!(
            said.contains("line 1: add 8888 to component_ports\n"),
            "{there}: {said}"
        );
    }
    for there in [
        "component_ports = 8888\n",
        "component_ports = { \"8888\" }\n",
        "component_ports = {\n  5347;\n  8888; -- ours\n}\n",
        "log = { info = \"a--b\" }; component_ports = { 8888 }\n",
        "VirtualHost \"a\" {\n x = { 1 } }\ncomponent_ports = { 8888 }\n",
        "component_ports { 8888 }\n",
    ] {
        assert_eq!(of_main(there, OTHER_PORT), NOTHING, "{there}");
    }
    for there in [
        "VirtualHost \"a\"\n  component_ports = { 8888 }\n",
        "Component (\"a\") \"muc\"\n  component_ports = { 8888 }\n",
        "x = { component_ports = { 8888 } }\n",
        "x = [[\ncomponent_ports = { 8888 }\n]] y = [==[ ]] component_ports = 8888 ]==]\n",
        "x = 'a\\'' --[=[\ncomponent_ports = { 8888 }\n]=]\n",
        "my_component_ports = { 8888 }\n",
    ] {
        let said = of_main(there, OTHER_PORT);
        assert!(
            changed(&said).starts_with("+component_ports"),
            "{there}: {said}"
        );
    }
    for (there, has) in [
        ("\"10.0.0.1\"", true),
        ("'*'", true),
        ("\"0.0.0.0\"", true),
        ("\"::\"", false),
        ("\"110.0.0.1\"", false),
    ] {
        let there = format!("component_interfaces = {{ {there} }}\n");
        assert_eq!(of_main(&there, OTHER_ADDRESS) == NOTHING, has, "{there}");
    }
}

/// A file that is included begins with a global part of its own.
#[test]
fn included_files_of_prosodys_are_read_like_the_first() {
    let main = "Include \"a.lua\"\nVirtualHost \"x\"\nInclude 'conf.d/o?h*.cfg.lua'\nInclude(\"*.cfg.lua\")\n";
    let files = |a, other| {
        [
            ("prosody.cfg.lua", main),
            ("a.lua", a),
            (CONF_D, other),
            ("conf.d/x.lua", "component_ports = { 8888 }\n"),
        ]
    };
    let said = advised_prosody(
        &files("", "component_ports = { 8888 }\nHost \"y\""),
        OTHER_PORT,
    );
    assert_eq!(said, NOTHING);
    let said = advised_prosody(
        &files("", "Host \"y\"\ncomponent_ports = { 8888 }\n"),
        OTHER_PORT,
    );
    assert!(changed(&said).starts_with("+component_ports"), "{said}");
    let deeper = "component_ports = { 1 }\nInclude \"conf.d/x.lua\"\nInclude \"a.lua\"\n";
    let said = advised_prosody(
        &files(deeper, "\ncomponent_ports = { 18888 }\n"),
        OTHER_PORT,
    );
    assert_eq!(
        said.split_once("By hand:\n").map(|it| it.1),
        Some(
            "- a.lua, line 1: add 8888 to component_ports\n\
             - conf.d/other.cfg.lua, line 2: add 8888 to component_ports\n"
        ),
        "{said}"
    );
}

/// What could not be read was passed over without a word.
/// It was read again and again, by ever longer paths.
#[test]
fn a_file_of_prosodys_that_includes_itself_is_read_once() {
    let itself = "component_ports = { 9999 }\nInclude \"../conf.d/a.cfg.lua\"\n";
    let main = "Include \"conf.d/a.cfg.lua\"\nVirtualHost \"example.org\"\n";
    let files = [("prosody.cfg.lua", main), ("conf.d/a.cfg.lua", itself)];
    let told = advised_prosody(&files, OTHER_PORT);
    assert_eq!(
        told.matches("add 8888 to component_ports").count(),
        1,
        "{told}"
    );
}

#[test]
fn what_of_prosodys_cannot_be_read_is_said() {
    let main = "Include \"conf.d/*.cfg.lua\"\nInclude \"absent/*.lua\"\nInclude \"absent.lua\"\n";
    let folder = folder(&[("prosody.cfg.lua", main)]);
    std::fs::create_dir_all(folder.path().join(CONF_D)).expect("what is no file");
    let path = folder.path().join("prosody.cfg.lua");
    let said = prosody(&config(SECRET), &path)
        .expect("it can be read")
        .changes;
    for path in [CONF_D, "absent/*.lua", "absent.lua"] {
        let path = folder.path().join(path);
        let path = path.display();
        assert!(
            said.contains(&format!("- {path} cannot be read: ")),
            "{said}"
        );
    }
    assert_eq!(
        said.matches("says something of private.example.org")
            .count(),
        3
    );
}

/// Only in double quotes was it found, and once in each file.
#[test]
fn prosody_is_told_what_to_include_and_what_to_take_out() {
    let said = advised_prosody(&[("prosody.cfg.lua", "VirtualHost \"example.org\"\n")], "");
    assert_eq!(changed(&said), "+Include \"private-storage.cfg.lua\"\n");
    let old = "Component 'private.example.org'\nComponent [[Private.Example.Org]] {\n}\n\
               Component(\"private.example.org\")\nVirtualHost \"private.example.org\"\n\
               -- Component \"private.example.org\"\nadmins = { \"private.example.org\" }\n";
    let files = [
        ("prosody.cfg.lua", "Include \"*.cfg.lua\"\n"),
        ("old.cfg.lua", old),
        ("private-storage.cfg.lua", old),
    ];
    let said = advised_prosody(&files, "");
    let taken = [1, 2, 4, 5].map(|line| {
        format!(
            "- old.cfg.lua, line {line}: take out what is said of private.example.org there: it is in the \
             printed file\n"
        )
    });
    assert_eq!(
        said.split_once("By hand:\n").map(|it| it.1),
        Some(&*taken.concat()),
        "{said}"
    );
}

/// Of net_multiplex the port is set in our file, and in theirs for another component.
#[test]
fn what_both_files_of_prosodys_set_is_told() {
    let tls = "component.server = \"localhost:5348\"\ncomponent.tls = \"on\"\n";
    assert_eq!(of_main("component_ports = { 1 }\n", tls), NOTHING);
    let said = of_main("ssl_ports = { 5349 }\n", tls);
    let told =
        "- prosody.cfg.lua, line 1: ssl_ports is in the printed file too, and of two such lines";
    assert!(said.contains(told), "{said}");
}

#[test]
fn a_file_without_an_end_of_line_is_changed_like_others() {
    let mut source = Source {
        path: PathBuf::from("/x"),
        text: "a: b".to_owned(),
        edits: Vec::new(),
    };
    source.put_behind(0, "0\n".to_owned());
    assert_eq!(source.edited(), "0\na: b");
    source.put_at_the_end("c: d\n".to_owned());
    assert_eq!(source.edited(), "0\na: b\nc: d\n");
}
