//! Whether it is alive and ready: over HTTP, on the control socket, and by `healthcheck`.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::stage::{Stage, get, set};
use crate::store::faulty::FaultyDisk;
use crate::support::clock::{Ticks, eventually};
use crate::support::component::{Component, Options};
use crate::support::router::{PATIENCE, Router, Session};
use crate::support::web::{self, Answer};
use crate::support::{ports, server};

/// How long the service may show no sign of life.
const STUCK: Duration = Duration::from_secs(30);

/// A served host says that it delegates.
pub fn delegate(session: &mut Session, host: &str) {
    session.send(format!(
        "<message to='private.localhost' from='{host}'>\
         <delegation xmlns='urn:xmpp:delegation:2'>\
         <delegated namespace='jabber:iq:private'/></delegation></message>"
    ));
}

fn ok() -> Answer {
    told(200, "ok")
}

fn told(status: u16, body: &str) -> Answer {
    let body = body.to_owned();
    Answer { status, body }
}

/// Runs `healthcheck` beside the component.
fn healthcheck(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    command
        .current_dir(folder)
        .args(["--config", "component.toml", "healthcheck"])
        .args(arguments);
    command.output().expect("the program runs")
}

#[track_caller]
fn assert_unhealthy(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(69));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(why) && told.lines().count() == 1, "{told}");
}

#[test]
fn it_is_ready_while_it_is_logged_in() {
    let router = Router::new();
    let mut options = Options::at(router.address());
    let address = ports::address(ports::free());
    options.extra = format!("[http]\nlisten = \"{address}\"\n");
    let component = Component::start(options);
    let folder = component.folder();
    let mut session = router.accept();
    assert!(session.next().contains("<stream:stream"));
    assert_eq!(web::get(address, "/livez"), ok());
    let connecting = format!("connecting to the server at {}", router.address());
    assert_eq!(web::get(address, "/readyz"), told(503, &connecting));
    assert_unhealthy(&healthcheck(folder, &["--ready"]), &connecting);
    assert!(healthcheck(folder, &[]).status.success());

    session.die();
    drop(router.let_in());
    component.wait_for_log("logged in", PATIENCE);
    drop(router);
    let lost = || web::get(address, "/readyz");
    eventually("the loss is told", || {
        lost().body.contains("next attempt in")
    });
    assert_eq!(lost().status, 503);
    assert_eq!(
        web::get(address, "/livez"),
        ok(),
        "a server is no part of it"
    );
}

#[test]
fn the_command_says_nothing_when_all_is_well() {
    let mut stage = Stage::new();
    delegate(&mut stage, server::HOST);
    stage.expect_nothing();
    for arguments in [&[][..], &["--ready"]] {
        let output = healthcheck(stage.component.folder(), arguments);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn the_command_knows_that_nothing_runs() {
    let mut stage = Stage::new();
    let folder = stage.component.folder().to_owned();
    let none = format!("no service runs on {}/data", folder.display());
    let socket = folder.join("data/control.sock");
    assert!(socket.exists());
    assert!(stage.component.stop().success());
    assert!(!socket.exists(), "it is removed in the end");
    assert_unhealthy(&healthcheck(&folder, &[]), &none);

    stage.component.restart();
    stage.let_in_again();
    stage.component.kill();
    assert!(socket.exists());
    assert_unhealthy(&healthcheck(&folder, &[]), &none);
    stage.component.restart();
    stage.let_in_again();
    assert!(healthcheck(&folder, &[]).status.success());
}

/// It can still say so itself: what answers is neither of the two that must move.
#[test]
fn a_service_whose_disk_is_stuck_is_not_alive() {
    let disk = FaultyDisk::new();
    let address = ports::address(ports::free());
    let mut stage = Stage::configured(|options| {
        options.under = disk.under();
        options.access = "delegation = \"none\"".to_owned();
        options.extra = format!("[http]\nlisten = \"{address}\"\n");
    });
    stage.store("<a xmlns='urn:x'>text</a>");
    let live = || web::control(&disk.store(), "/livez");
    assert_eq!(live(), ok());
    disk.hang("fsync");
    stage.send(set("1", "<a xmlns='urn:x'>more</a>"));
    let deadline = Instant::now() + STUCK + PATIENCE;
    while live() == ok() {
        assert!(Instant::now() < deadline, "it seems alive");
        std::thread::sleep(Duration::from_millis(200));
    }
    let told = live();
    assert_eq!(told.status, 503);
    assert!(told.body.contains("is the disk stuck?"), "{told:?}");
    // The page was green, and said that users are served.
    let page = web::get(address, "/").body;
    assert!(page.contains("Stuck: users are not served."), "{page}");
    assert!(!page.contains("Ready"), "{page}");
    disk.heal();
    eventually("it lives", || live() == ok());
}

/// A service that hangs takes the connection and never answers.
#[test]
fn the_command_does_not_wait_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("data")).expect("a folder");
    let toml = "[component]\njid = \"private.localhost\"\nsecret = \"s3cret\"\n";
    fs::write(folder.path().join("component.toml"), toml).expect("a file");
    let _silent = UnixListener::bind(folder.path().join("data/control.sock")).expect("a socket");
    assert_unhealthy(&healthcheck(folder.path(), &[]), "does not answer within");
}

#[test]
fn where_delegation_is_required_every_domain_must_have_delegated() {
    let mut stage = Stage::with_access("delegation = \"required\"");
    let data = stage.component.folder().join("data");
    let [first, second] = [server::HOST, server::OTHER_HOST];
    stage.expect_nothing();
    let missing = format!("not delegated by {first}, {second}");
    assert_eq!(web::control(&data, "/readyz"), told(503, &missing));
    delegate(&mut stage, second);
    stage.expect_nothing();
    let missing = format!("not delegated by {first}");
    assert_eq!(web::control(&data, "/readyz"), told(503, &missing));
    delegate(&mut stage, first);
    stage.expect_nothing();
    assert_eq!(web::control(&data, "/readyz"), ok());
    stage.lose_link();
    stage.let_in_again();
    stage.expect_nothing();
    assert_eq!(web::control(&data, "/readyz").status, 503, "a new link");
}

/// Nobody was served, and every light was green.
#[test]
fn ready_is_who_serves_somebody() {
    let mut stage = Stage::new();
    let folder = stage.component.folder().to_owned();
    stage.expect_nothing();
    let nobody = format!("not delegated by {}, {}", server::HOST, server::OTHER_HOST);
    assert_unhealthy(&healthcheck(&folder, &["--ready"]), &nobody);
    delegate(&mut stage, server::OTHER_HOST);
    stage.expect_nothing();
    assert!(
        healthcheck(&folder, &["--ready"]).status.success(),
        "one is served"
    );

    // Users ask the component by its own address.
    let mut stage = Stage::with_access("delegation = \"none\"");
    stage.expect_nothing();
    let data = stage.component.folder().join("data");
    assert_eq!(web::control(&data, "/readyz"), ok());
    let metrics = web::control(&data, "/metrics").body;
    assert!(!metrics.contains("private_storage_delegated{"), "{metrics}");
}

#[test]
fn the_control_socket_is_for_its_user_alone() {
    let stage = Stage::new();
    let data = stage.component.folder().join("data");
    let socket = fs::metadata(data.join("control.sock")).expect("a socket");
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
}

#[test]
fn strangers_reach_the_four_paths_and_no_other() {
    let address = ports::address(ports::free());
    let mut stage = Stage::with(&format!("[http]\nlisten = \"{address}\"\n"));
    delegate(&mut stage, server::HOST);
    stage.expect_nothing();
    for path in ["/", "/livez", "/readyz", "/metrics"] {
        assert_eq!(web::get(address, path).status, 200, "{path}");
    }
    let data = stage.component.folder().join("data");
    let status = web::control(&data, "/status");
    assert_eq!(status.status, 200);
    assert!(status.body.contains("logged in as private.localhost"));
    for path in ["/status", "/known", "//", "/livez/", "/../livez"] {
        assert_eq!(web::get(address, path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = web::ask(web::connect(address), method, "/livez");
        assert_eq!(answer.status, 405, "{method}");
    }
    let head = web::ask(web::connect(address), "HEAD", "/livez");
    assert_eq!(head, told(200, ""));
}

/// Connections that say nothing, say it slowly or never end: the service goes on, and so do
/// others who ask, as soon as those have had their time.
#[test]
fn a_stranger_on_the_port_hurts_nobody() {
    let address = ports::address(ports::free());
    let mut stage = Stage::with(&format!("[http]\nlisten = \"{address}\"\n"));
    let silent: Vec<_> = (0..100).map(|_| web::connect(address)).collect();
    let mut endless = web::connect(address);
    let flood = std::thread::spawn(move || {
        let mut sent = 0;
        let _ = endless.write_all(b"GET /livez HTTP/1.1\r\n");
        while sent < 64 << 20 && endless.write_all(&[b'x'; 65536]).is_ok() {
            sent += 65536;
        }
        sent
    });
    stage.send(get("1", "<a xmlns='urn:x'/>"));
    assert!(stage.next().contains("id='1'"));
    assert!(healthcheck(stage.component.folder(), &[]).status.success());
    drop(silent);
    assert_eq!(web::get(address, "/livez"), ok());
    assert!(flood.join().expect("no panic") < 8 << 20, "it was read");
}

#[test]
fn a_header_must_come_soon() {
    let address = ports::address(ports::free());
    let _stage = Stage::with(&format!("[http]\nlisten = \"{address}\"\n"));
    let mut slow = web::connect(address);
    slow.write_all(b"GET /livez HT").expect("it reads");
    let ticks = Ticks::start();
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("it is closed");
    assert!(
        ticks.passed() < Duration::from_secs(9),
        "{:?}",
        ticks.passed()
    );
}

#[test]
fn a_port_that_is_taken_is_78_and_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.extra = format!("[http]\nlisten = \"{address}\"\n");
    let mut component = Component::start(options);
    let line = component.wait_for_log("http.listen", PATIENCE);
    assert!(line.contains(&address.to_string()), "{line}");
    eventually("it ends", || component.exited().is_some());
    let code = component.exited().and_then(|status| status.code());
    assert_eq!(code, Some(78));
}

/// The address of a socket has room for some 108 bytes.
#[test]
fn the_folder_may_have_a_long_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = folder.path().join("x".repeat(200));
    let variable = format!("PRIVATE_STORAGE_STORAGE_PATH={}", long.display());
    let mut stage = Stage::configured(|options| {
        options.under = vec!["env".to_owned(), variable];
    });
    delegate(&mut stage, server::HOST);
    stage.expect_nothing();
    let toml = format!(
        "[component]\njid = \"private.localhost\"\nsecret = \"s3cret\"\n\
         [storage]\npath = {long:?}\n"
    );
    fs::write(folder.path().join("component.toml"), toml).expect("a file");
    let output = healthcheck(folder.path(), &["--ready"]);
    assert!(output.status.success(), "{output:?}");
}

/// What bears the socket's name may be somebody's: it is left alone, and the service runs.
#[test]
fn what_is_no_socket_is_left_alone() {
    let mut stage = Stage::new();
    assert!(stage.component.stop().success());
    let file = stage.component.folder().join("data/control.sock");
    fs::write(&file, "a file").expect("a file");
    stage.component.restart();
    stage.let_in_again();
    let line = stage.component.wait_for_log("no control socket", PATIENCE);
    assert!(
        line.contains("WARN") && line.contains("not a socket"),
        "{line}"
    );
    assert!(stage.component.stop().success());
    assert_eq!(fs::read_to_string(&file).expect("a file"), "a file");
}
