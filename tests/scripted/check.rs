//! `check`: what each line says when its thing is wrong.

mod database;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::stage::get;
use crate::support::clock::Ticks;
use crate::support::component::{Options, check, check_in};
use crate::support::ports;
use crate::support::router::{HEADER, Router, Session};

/// Every line but the first three, which are about the configuration, the store, and what is done next.
fn router_lines(said: &str) -> Vec<&str> {
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("✓ configuration: "), "{said}");
    assert!(lines[1].starts_with("✓ store: "), "{said}");
    assert!(
        lines[2].starts_with("· connecting: this logs in as "),
        "{said}"
    );
    lines[3..].to_vec()
}

fn connect(options: &Options) -> String {
    let (code, said) = check(options, &["--connect"]);
    assert_eq!(code, Some(69), "{said}");
    said
}

/// Checks a server that does this with the connection.
fn connect_to(play: impl FnOnce(Router) + Send + 'static) -> String {
    let router = Router::new();
    let options = Options::at(router.address());
    let played = thread::spawn(move || play(router));
    let said = connect(&options);
    played.join().expect("no panic there");
    said
}

#[test]
fn a_mistake_in_the_configuration_ends_it() {
    let mut options = Options::at(ports::address(1));
    options.extra = "[limit]\n[log]\nlevel = \"loud\"\n".to_owned();
    let (code, said) = check(&options, &["--connect"]);
    assert_eq!(code, Some(78));
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("✗ configuration: /") && lines[0].contains("/component.toml:"),
        "{said}"
    );
    assert!(lines[1].contains("log.level: found \"loud\""), "{said}");
    assert_eq!(
        lines[2..],
        ["· store, name, connection, stream, secret, delegation: not tried"]
    );
    let (_, said) = check(&options, &[]);
    assert!(said.ends_with("· store: not tried\n"), "{said}");
}

#[test]
fn a_store_that_cannot_be_opened_ends_it() {
    let options = Options::at(ports::address(1));
    let path = [("PRIVATE_STORAGE_STORAGE_PATH", "/proc/none")];
    let (code, said) = check_in(&options, &["--connect"], &path);
    assert_eq!(code, Some(74), "{said}");
    assert!(
        said.contains("✗ store: cannot make the folder /proc/none"),
        "{said}"
    );
    assert!(said.ends_with("· name, connection, stream, secret, delegation: not tried\n"));
}

#[test]
fn a_name_that_nobody_knows() {
    let options = Options::at(ports::address(1));
    let server = [("PRIVATE_STORAGE_COMPONENT_SERVER", "nobody.invalid:5347")];
    let (code, said) = check_in(&options, &["--connect"], &server);
    assert_eq!(code, Some(69), "{said}");
    let lines = router_lines(&said);
    assert!(
        lines[0].starts_with("✗ name: cannot resolve nobody.invalid: "),
        "{said}"
    );
    assert_eq!(
        lines[1..],
        ["· connection, stream, secret, delegation: not tried"]
    );
}

#[test]
fn a_port_that_is_closed() {
    let address = ports::address(ports::free());
    let said = connect(&Options::at(address));
    let lines = router_lines(&said);
    assert_eq!(lines[0], "✓ name: 127.0.0.1 is an address");
    let refused = format!("✗ connection: cannot connect to {address}: Connection refused");
    assert!(lines[1].starts_with(&refused), "{said}");
    assert_eq!(lines[2..], ["· stream, secret, delegation: not tried"]);
}

#[test]
fn a_port_where_nothing_is_ever_said() {
    let said = connect_to(|router| {
        router.accept().expect_end();
    });
    let lines = router_lines(&said);
    assert!(lines[1].starts_with("✓ connection: 127.0.0.1:"), "{said}");
    assert!(lines[1].ends_with(" accepted the connection"), "{said}");
    assert!(lines[2].starts_with("✗ stream: 127.0.0.1:"), "{said}");
    assert!(lines[2].contains("said nothing: is this the server's component port?"));
    assert_eq!(lines[3..], ["· secret, delegation: not tried"]);
}

/// It waits for the end of a request's line, which never comes.
#[test]
fn the_port_of_a_web_server() {
    let port = ports::free();
    let mut server = Command::new("python3")
        .args([
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            &port.to_string(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(ports::address(port)).is_err() {
        assert!(Instant::now() < deadline, "no web server");
        thread::sleep(Duration::from_millis(20));
    }
    let said = connect(&Options::at(ports::address(port)));
    let _ = server.kill();
    let _ = server.wait();
    assert!(said.contains("✗ stream: "), "{said}");
    assert!(said.contains("component port?"), "{said}");
}

/// It said that the server speaks XMPP with components.
#[test]
fn the_port_for_other_servers() {
    let said = connect_to(|router| {
        let mut session = router.accept();
        session.next();
        session.send(
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
             id='it'><stream:error><unsupported-stanza-type \
             xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
        );
        session.die();
    });
    let lines = router_lines(&said);
    assert!(!said.contains("speaks XMPP with components"), "{said}");
    assert!(
        lines[2].starts_with("✗ stream: ")
            && lines[2].contains("speaks XMPP with other servers and not with components"),
        "{said}"
    );
}

#[test]
fn a_login_that_is_never_answered() {
    let said = connect_to(|router| {
        let mut session = router.accept();
        session.next();
        session.send(HEADER);
        session.expect_end();
    });
    let lines = router_lines(&said);
    assert_eq!(lines[2], "✓ stream: the server speaks XMPP with components");
    assert!(lines[3].starts_with("✗ secret: "), "{said}");
    assert!(lines[3].contains("did not answer the login"), "{said}");
    assert_eq!(lines[4..], ["· delegation: not tried"]);
}

#[test]
fn a_link_that_breaks_behind_the_login() {
    let said = connect_to(|router| router.let_in().die());
    let lines = router_lines(&said);
    assert_eq!(lines[3], "✓ secret: accepted for private.localhost");
    assert!(lines[4].starts_with("✗ delegation: "), "{said}");
}

/// Delegates as `host`.
fn advertise(session: &mut Session, host: &str) {
    session.send(format!(
        "<message to='private.localhost' from='{host}'><delegation xmlns='urn:xmpp:delegation:2'>\
         <delegated namespace='jabber:iq:private'/></delegation></message>"
    ));
}

/// It serves while it looks; one domain delegates, of the other nothing is known.
#[test]
fn it_serves_while_it_looks_and_names_the_domains() {
    for (access, code, sign) in [("delegation = \"required\"", 69, '✗'), ("", 0, '!')] {
        let router = Router::new();
        let mut options = Options::at(router.address());
        options.access = access.to_owned();
        let played = thread::spawn(move || {
            let mut session = router.let_in();
            advertise(&mut session, "localhost");
            session.send(get("1", "<a xmlns='urn:x'/>"));
            session.next_with("type='result' id='1'");
            session.expect_end();
        });
        let (exit, said) = check(&options, &["--connect"]);
        played.join().expect("no panic there");
        assert_eq!(exit, Some(code), "{said}");
        let lines = router_lines(&said);
        assert_eq!(lines[4], "✓ delegation: localhost");
        let none = format!("{sign} delegation: none from test2.localhost: ");
        assert!(lines[5].starts_with(&none), "{said}");
        assert!(
            lines[5].contains("mod_privilege"),
            "it answered nothing: {said}"
        );
        assert!(lines[6].starts_with("! bookmarks of localhost: "), "{said}");
    }
}

/// Nobody else's answer counts, and all that is known is enough to end at once.
#[test]
fn what_the_hosts_say_of_themselves_is_used() {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.domains = vec!["localhost".to_owned()];
    let played = thread::spawn(move || {
        let mut session = router.let_in();
        for (kind, answer) in [
            (
                "jabber:iq:private",
                "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            ),
            (
                "disco#info",
                "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im' name='ejabberd'/></query>",
            ),
            (
                "jabber:iq:version",
                "<query xmlns='jabber:iq:version'><name>ejabberd</name><version>23.01</version></query>",
            ),
        ] {
            let question = session.next_with(kind);
            let value = |name: &str| {
                let at = question.find(name).expect(name) + name.len();
                question[at..]
                    .split('\'')
                    .next()
                    .expect("a value")
                    .to_owned()
            };
            let (id, to) = (value(" id='"), value(" to='"));
            let outcome = if answer.starts_with("<error") {
                "error"
            } else {
                "result"
            };
            for from in ["mallory@localhost", &to] {
                let payload = if *from == to {
                    answer
                } else {
                    "<mallory xmlns='urn:x'/>"
                };
                session.send(format!("<iq type='{outcome}' id='{id}' from='{from}' to='private.localhost'>{payload}</iq>"));
            }
        }
        advertise(&mut session, "localhost");
        session.expect_end();
    });
    let ticks = Ticks::start();
    let (exit, said) = check(&options, &["--connect"]);
    let took = ticks.passed();
    played.join().expect("no panic there");
    assert_eq!(exit, Some(0), "{said}");
    assert!(took < Duration::from_secs(5), "it waits for nothing");
    let lines = router_lines(&said);
    assert_eq!(lines[4], "✓ delegation: localhost");
    assert!(lines[5].starts_with("! delegation: until this login, mod_private of localhost"));
    let why_not = "! bookmarks of localhost: ";
    assert!(
        lines[6].starts_with(why_not) && lines[6].contains("25.03"),
        "23.01 cannot grant it: {said}"
    );
}

/// Without a word about UTF-8, it says all in ASCII.
#[test]
fn other_locales_are_spared_the_signs() {
    let folder = tempfile::tempdir().expect("a folder");
    for (locale, signs) in [
        ("C", ["[ok] ", "[x] ", "[-] "]),
        ("de_DE.utf8", ["✓ ", "✗ ", "· "]),
    ] {
        let output = program(folder.path())
            .env("LC_ALL", locale)
            .args(["check", "--connect"])
            .output()
            .expect("the program runs");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(said.is_ascii(), locale == "C", "{said}");
        for sign in signs {
            assert!(said.contains(sign), "{said}");
        }
    }
}

/// The program, configured by the environment alone; its port is closed.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    command
        .current_dir(folder)
        .env("PRIVATE_STORAGE_COMPONENT_JID", "private.localhost")
        .env("PRIVATE_STORAGE_COMPONENT_SECRET", "s3cret")
        .env("PRIVATE_STORAGE_COMPONENT_SERVER", "127.0.0.1:1")
        .env("PRIVATE_STORAGE_STORAGE_PATH", folder.join("service/data"));
    command
}

/// Where nobody can tell whose the store is to be.
#[test]
fn root_says_what_it_has_made_for_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = rustix::process::geteuid().is_root();
    for is_new in [true, false] {
        let output = program(folder.path()).arg("check").output();
        let said = output.expect("the program runs").stdout;
        let said = String::from_utf8_lossy(&said);
        let told =
            said.contains("was just created and belongs to root; if the service runs as another");
        assert_eq!(told, root && is_new, "{said}");
    }
}

/// Root makes nothing in the folder of a service that the service could not open. (Only root can
/// become somebody else; whoever else runs the tests finds the folder its own already.)
#[test]
fn root_becomes_the_owner_of_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, open).expect("a folder of ours");
    std::fs::create_dir(path.join("service")).expect("a folder");
    let root = rustix::process::geteuid().is_root();
    let user = if root {
        54_321
    } else {
        rustix::process::geteuid().as_raw()
    };
    if root {
        chown(path.join("service"), Some(user), Some(user)).expect("root may");
    }
    for _ in 0..2 {
        let output = program(path)
            .arg("check")
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(
            said.contains(&format!("(as its owner, user {user})")),
            root,
            "{said}"
        );
        let mut files = 0;
        for file in walk(&path.join("service")) {
            let owner = std::fs::metadata(&file).expect("a file").uid();
            assert_eq!(owner, user, "{}", file.display());
            files += 1;
        }
        assert!(files > 3, "no store was made");
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => all.extend(walk(&path)),
            path => all.push(path),
        }
    }
    all
}
