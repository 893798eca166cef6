use super::*;

/// The lines that follow the least that must be said.
pub fn config(more: &str) -> Config {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = format!("component.jid = \"private.example.org\"\n{more}");
    std::fs::write(file.path(), text).expect("a written file");
    Config::load(Some(file.path()), [("", "")]).expect("a configuration")
}

pub const SECRET: &str = "component.secret = \"s3cret\"\n";
pub const OFF: &str = "bookmarks.mode = \"off\"\n";

fn version(text: &str) -> Option<EjabberdVersion> {
    Some(EjabberdVersion::read(text).expect("a version"))
}

/// What every ejabberd can take.
const EJABBERD: &str = r#"listen:
  -
    port: 5347
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    global_routes: false
    hosts:
      "private.example.org":
        password: "s3cret"
acl:
  private_component:
    server: "private.example.org"
access_rules:
  delegate_private:
    allow: private_component
append_host_config:
  "example.org":
    modules:
      mod_delegation:
        namespaces:
          "jabber:iq:private":
            access: delegate_private
"#;

/// What only newer ones can.
const EJABBERDS_GRANT: &str = r#"      mod_privilege:
        iq:
          "http://jabber.org/protocol/pubsub":
            both: delegate_private
          "http://jabber.org/protocol/pubsub#owner":
            both: delegate_private
"#;

/// Without comments and empty lines: what the server reads.
fn read(block: &str, comment: &str) -> String {
    let lines = block
        .lines()
        .filter(|line| !line.starts_with(comment.trim()))
        .map(|line| line.split(comment).next().unwrap_or_default().trim_end());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn prosody_for_one_domain() {
    let file = prosody(&config(SECRET));
    assert_eq!(
        read(&file, "--"),
        r#"Component "private.example.org"
  component_secret = "s3cret"
  modules_enabled = { "private_storage" }
  private_storage_hosts = { "example.org" }
"#
    );
    assert!(file.contains("the bookmarks that users keep in PEP, and nothing\n-- else"));
    assert!(!file.contains("BY HAND"), "the default needs no word");
}

#[test]
fn prosody_keeps_bookmarks_where_the_component_leaves_pep_alone() {
    let file = prosody(&config(&format!("{SECRET}{OFF}")));
    assert!(file.ends_with("\n  private_storage_bookmarks = \"server\"\n"));
    assert!(file.contains("stay with Prosody's mod_bookmarks"));
}

#[test]
fn prosody_for_several_domains() {
    let more = format!("{SECRET}access.domains = [\"a.example\", \"b.example\"]\n");
    let file = prosody(&config(&more));
    assert!(file.contains("\n  private_storage_hosts = { \"a.example\", \"b.example\" }\n"));
    assert_eq!(file.matches("\nComponent ").count(), 1);
}

/// Others may have said where to listen already, and of two such lines the later one counts. The line took the
/// defaults away from other components.
#[test]
fn prosody_is_told_by_hand_where_to_listen_if_it_would_not_by_itself() {
    let by_hand = |server: &str| {
        let more = format!("{SECRET}component.server = \"{server}\"\n");
        let file = prosody(&config(&more));
        assert_eq!(read(&file, "--"), read(&prosody(&config(SECRET)), "--"));
        let lines = file.lines().filter_map(|line| line.strip_prefix("--   "));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        assert_eq!(lines.is_empty(), !file.contains("BY HAND"));
        lines
    };
    let none: [&str; 0] = [];
    assert_eq!(by_hand("localhost:5347"), none);
    assert_eq!(by_hand("[::1]:5347"), none);
    let port = "component_ports = { 5347, 8888 } -- 5347 for other components";
    assert_eq!(by_hand("localhost:8888"), [port]);
    assert_eq!(
        by_hand("192.0.2.1:5347"),
        [
            "component_interfaces = { \"127.0.0.1\", \"::1\", \"192.0.2.1\" } -- 127.0.0.1 and ::1 for other \
             components; the link is not encrypted: keep it private"
        ]
    );
    assert_eq!(
        by_hand("127.0.0.2:5347"),
        [
            "component_interfaces = { \"127.0.0.1\", \"::1\", \"127.0.0.2\" } -- 127.0.0.1 and ::1 for other \
             components"
        ]
    );
    assert_eq!(
        by_hand("prosody:8888"),
        [
            port,
            "component_interfaces = { \"::1\", \"*\" } -- ::1 for other components; better than \"*\": the one \
             address that the component connects to; the link is not encrypted: keep it private"
        ]
    );
}

#[test]
fn ejabberd_as_it_was_measured_to_work() {
    let block = ejabberd(&config(SECRET), None);
    assert_eq!(read(&block, "# "), EJABBERD);
    assert!(block.contains("mod_private, before ejabberd 24.06: take it out"));
    assert!(block.contains("\n#   include_config_file: /etc/ejabberd/private-storage.yml\n"));
    assert!(block.contains("# If another listener has port 5347 already"));
}

#[test]
fn ejabberd_is_told_what_becomes_of_its_own_private_storage() {
    let said = |of| ejabberd(&config(SECRET), version(of));
    assert!(said("24.05").contains("# mod_private: take it out"));
    assert!(said("24.06").contains("# mod_private: leave it in"));
}

#[test]
fn ejabberd_is_told_of_the_grant_what_its_version_can_take() {
    let pep = config(SECRET);
    let unknown = ejabberd(&pep, None);
    let commented = |line: &str| format!("      # {}\n", &line[6..]);
    let commented: String = EJABBERDS_GRANT.lines().map(commented).collect();
    assert!(unknown.contains(&commented), "{unknown}");
    assert!(unknown.contains("It needs ejabberd 25.03 or later"));
    assert!(unknown.contains("ALL that users keep in PEP"));

    for newer in ["25.03", "25.10-1+b1", "26.07"] {
        let block = ejabberd(&pep, version(newer));
        assert_eq!(
            read(&block, "# "),
            EJABBERD.to_owned() + EJABBERDS_GRANT,
            "{newer}"
        );
        assert!(block.contains("ALL that users keep in PEP"), "{newer}");
    }
    for (older, why) in [
        ("23.01-1+b1", "23.01 cannot give a component"),
        ("24.07", "24.07 cannot give a component"),
        ("24.10", "24.10 drops everything that the component"),
        ("24.12-3", "24.12 drops everything that the component"),
        ("25.02", "25.02 drops everything that the component"),
    ] {
        let block = ejabberd(&pep, version(older));
        assert_eq!(read(&block, "# "), EJABBERD, "{older}");
        assert!(block.contains(why), "{block}");
        assert!(!block.contains("mod_privilege:"), "{block}");
    }
}

#[test]
fn ejabberd_grants_nothing_where_bookmarks_stay_apart() {
    let off = config(&format!("{SECRET}{OFF}"));
    for version in [None, version("26.07")] {
        let block = ejabberd(&off, version);
        assert_eq!(read(&block, "# "), EJABBERD);
        assert!(!block.contains("mod_privilege:"), "{block}");
        assert!(
            block.contains("must also give the component a privilege"),
            "{block}"
        );
    }
}

#[test]
fn what_is_no_version_of_ejabberd() {
    for text in ["", "26", "13.0.6", "26.13", "v26.07", "latest"] {
        assert_eq!(EjabberdVersion::read(text), None, "{text}");
    }
    assert_eq!(EjabberdVersion(25, 3).to_string(), "25.03");
}

#[test]
fn ejabberd_for_several_domains() {
    let more = format!("{SECRET}access.domains = [\"a.example\", \"b.example\"]\n");
    let block = ejabberd(&config(&more), None);
    assert!(block.contains("\n  \"a.example\":\n    modules:\n"));
    assert!(block.contains("\n  \"b.example\":\n    modules:\n"));
    assert_eq!(block.matches("append_host_config:").count(), 1);
}

#[test]
fn ejabberd_listens_where_we_look_for_it() {
    for (server, ip, port) in [
        ("localhost:8888", "127.0.0.1", 8888),
        ("[::1]:5347", "::1", 5347),
        ("192.0.2.1:5347", "192.0.2.1", 5347),
        ("ejabberd:5347", "::", 5347),
    ] {
        let more = format!("{SECRET}component.server = \"{server}\"\n");
        let block = ejabberd(&config(&more), None);
        let expected = format!("    port: {port}\n    ip: \"{ip}\"\n");
        assert!(read(&block, "#").contains(&expected), "{block}");
    }
}

/// Prosody listens on its usual port without TLS whatever is printed, so it would not with TLS; and nobody was told why not.
#[test]
fn prosody_cannot_encrypt_where_it_listens_already() {
    for (server, is_taken) in [
        ("127.0.0.1:5347", true),
        ("[::1]:5347", true),
        ("prosody:5347", true),
        ("192.0.2.1:5347", false),
        ("127.0.0.1:5348", false),
    ] {
        let more = format!("{SECRET}component.server = \"{server}\"\ncomponent.tls = \"on\"\n");
        let file = prosody(&config(&more));
        let is_said = file.contains("Set component.server to another port, such as 5348");
        assert_eq!(is_said, is_taken, "{server}: {file}");
    }
}

#[test]
fn prosody_is_told_how_to_encrypt() {
    let block = |server: &str| {
        let more = format!("{SECRET}component.server = \"{server}\"\ncomponent.tls = \"on\"\n");
        prosody(&config(&more))
    };
    let listener = |ip: &str| {
        format!(
            "ssl_ports = {{ 5348 }}\n\
             ssl_interfaces = {{ \"{ip}\" }}\n\
             ssl_ssl = {{ certificate = \"/etc/prosody/certs/localhost.crt\"; -- put yours here\n\
             \x20           key = \"/etc/prosody/certs/localhost.key\" }}\n\n\
             Component "
        )
    };
    for (server, ip) in [
        ("localhost:5348", "127.0.0.1"),
        ("192.0.2.1:5348", "192.0.2.1"),
    ] {
        let block = block(server);
        assert!(block.contains(&listener(ip)), "{block}");
        assert!(block.contains("{ \"private_storage\", \"net_multiplex\" }"));
    }
    assert!(block("prosody:5348").contains("{ \"*\" } -- better than \"*\": the one address"));
}

#[test]
fn ejabberd_is_told_how_to_encrypt() {
    for (server, ip) in [
        ("192.0.2.1:5348", "\"192.0.2.1\"\n"),
        (
            "ejabberd:5348",
            "\"::\"   # every address; better: the one that the component connects to\n",
        ),
    ] {
        let more = format!("{SECRET}component.server = \"{server}\"\ncomponent.tls = \"on\"\n");
        let block = ejabberd(&config(&more), None);
        assert!(
            block.contains(&format!("    ip: {ip}    tls: true\n")),
            "{block}"
        );
        assert!(
            read(&block, "#").contains("    certfile: \"/etc/ejabberd/ejabberd.pem\"\n"),
            "{block}"
        );
    }
}

#[test]
fn a_socket_is_for_ejabberd_alone() {
    let more = format!("{SECRET}component.server = \"unix:/run/ejabberd/it.sock\"\n");
    let config = config(&more);
    let listener = "listen:\n  -\n    port: \"unix:/run/ejabberd/it.sock\"\n    \
                    module: ejabberd_service\n";
    assert!(read(&ejabberd(&config, None), "#").starts_with(listener));
    let block = prosody(&config);
    assert!(
        block.contains("set component.server to a port.\n"),
        "{block}"
    );
}

#[test]
fn any_secret_is_one_string_of_the_language() {
    // As TOML writes it: quotes, backslash, line ends, NUL before a digit, a bell, another
    // alphabet.
    let secret = r#"component.secret = "q\" a' b\\ n\nr\rz\u00001 \u0007 \u0085 \u2028 é#--]]""#;
    let config = config(&format!("{secret}\n"));
    let lua = r#""q\" a' b\\ n\nr\013z\0001 \007 "#;
    assert!(prosody(&config).contains(&format!(
        "component_secret = {lua}\u{85} \u{2028} é#--]]\"\n"
    )));
    let yaml = r#""q\" a' b\\ n\nr\u000dz\u00001 \u0007 \u0085 \u2028 é#--]]""#;
    assert!(ejabberd(&config, None).contains(&format!("password: {yaml}\n")));
}
