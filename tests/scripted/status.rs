//! How the running service is, at a glance: `status`, what `check` shows of it, and the page.

use std::path::Path;
use std::process::Command;

use chrono::DateTime;
use serde_json::Value;

use super::bookmarks::pep::grant;
use super::health::delegate;
use super::stage::{Stage, set};
use crate::store::faulty::{EIO, FaultyDisk};
use crate::support::clock::eventually;
use crate::support::server::{HOST, OTHER_HOST, SECRET};
use crate::support::{ports, web};

/// What a command says beside the component, as a terminal that knows UTF-8 shows it, and how it ends.
fn said(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"))
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .args(["--config", "component.toml"])
        .args(arguments)
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "", "{arguments:?}");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), told)
}

/// The status as machines read it.
#[track_caller]
fn json(folder: &Path, code: i32) -> Value {
    let (exit, told) = said(folder, &["status", "--json"]);
    assert_eq!(exit, Some(code), "{told}");
    serde_json::from_str(&told).expect("JSON")
}

/// It ends with this code, and says these lines among others, in this order.
#[track_caller]
fn says(folder: &Path, arguments: &[&str], code: i32, lines: &[&str]) -> String {
    let (exit, told) = said(folder, arguments);
    let mut rest = told.lines();
    for line in lines {
        assert!(
            rest.any(|it| it.starts_with(line)),
            "{line:?} is not in its place in\n{told}"
        );
    }
    assert_eq!(exit, Some(code), "{told}");
    told
}

/// There was no way to ask a running service how it is: its link, delegation and grant by domain, and
/// since when.
#[test]
fn an_administrator_sees_at_a_glance_how_it_is() {
    let mut stage = Stage::with("[limits]\nmax_user_elements = 1\n");
    let folder = stage.component.folder().to_owned();
    let data = folder.join("data").canonicalize().expect("a folder");
    let address = stage.router.address();
    let not_served = format!("✗ delegation: none from {HOST}: ");
    let link = format!("✓ link: logged in to {address} as private.localhost since 20");
    stage.expect_nothing();
    let told = says(
        &folder,
        &["status"],
        69,
        &[
            "✓ service: version 0.1.0, runs since 20",
            &link,
            &not_served,
            "✓ limits: none was reached since the start",
            "✗ not ready: not delegated by",
        ],
    );
    assert!(!told.contains("bookmarks of"), "first things first: {told}");

    delegate(&mut stage, HOST);
    delegate(&mut stage, OTHER_HOST);
    stage.send(grant(HOST));
    let element = "<a xmlns='urn:x'>text</a>";
    stage.store(element);
    stage.send(set("over", "<b xmlns='urn:x'>text</b>"));
    assert!(stage.next().contains("resource-constraint"));
    let store = format!(
        "✓ store: {} (format 1) holds {} bytes of 1 user, and takes ",
        data.display(),
        element.len()
    );
    let served = [
        &link,
        "✓ delegation: localhost",
        "✓ delegation: test2.localhost",
        "✓ bookmarks of localhost: kept in step with PEP",
        "! bookmarks of test2.localhost: not kept in step with PEP: the component has no access to it",
        &store,
        "! limits: max_user_elements: 1 request refused since the start, the last 20",
        "✓ ready: users are served",
    ];
    says(&folder, &["status"], 0, &served);
    let known = json(&folder, 0);
    for (pointer, value) in [
        ("/running", true.into()),
        ("/version", env!("CARGO_PKG_VERSION").into()),
        ("/alive", true.into()),
        ("/ready", true.into()),
        ("/not_ready_because", Value::Null),
        ("/link/up", true.into()),
        ("/link/jid", "private.localhost".into()),
        ("/link/server", address.to_string().into()),
        ("/link/down_because", Value::Null),
        ("/domains/0/name", HOST.into()),
        ("/domains/0/delegates", true.into()),
        ("/domains/0/grants", true.into()),
        ("/domains/0/bookmarks", "in step".into()),
        ("/domains/1/grants", false.into()),
        ("/domains/1/bookmarks", "no access".into()),
        ("/store/path", data.display().to_string().into()),
        ("/store/format", 1.into()),
        ("/store/failed", false.into()),
        ("/store/stored_bytes", element.len().into()),
        ("/store/stored_owners", 1.into()),
        ("/limits/0/name", "max_user_elements".into()),
        ("/limits/0/refused", 1.into()),
        ("/limits/1", Value::Null),
    ] {
        let found = known.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(*found, value, "{pointer} in {known:#}");
    }
    for pointer in ["/started", "/link/since", "/limits/0/last"] {
        let time = known.pointer(pointer).and_then(Value::as_str);
        let time = time.unwrap_or_else(|| panic!("{pointer} in {known:#}"));
        assert!(time.len() == 20 && time.ends_with('Z'), "{pointer}: {time}");
    }
    let taken = known["store"]["disk_bytes"].as_u64().expect("a number");
    assert!(taken > 1 << 20, "the ballast alone: {taken}");

    // `check` shows the same, and says of itself only what it was asked for.
    let store = "✓ store: ";
    let told = says(
        &folder,
        &["check"],
        0,
        &[&["✓ configuration: ", store], &served[..]].concat(),
    );
    assert!(told.contains(", in use by the service (pid "), "{told}");
    says(
        &folder,
        &["check", "--connect"],
        0,
        &[&[store], &served[..]].concat(),
    );

    // Nobody listens there any more.
    let ended = std::mem::replace(&mut stage.router, crate::support::router::Router::new());
    drop(ended);
    stage.lose_link();
    let refused = || {
        json(&folder, 69)["link"]["down_because"]
            .to_string()
            .contains("refused")
    };
    eventually("it is refused", refused);
    let down = "link: down since 20";
    let told = says(
        &folder,
        &["status"],
        69,
        &[
            &format!("✗ {down}"),
            "✗ not ready: there is no link to the server",
        ],
    );
    assert!(
        told.contains("Connection refused") && !told.contains("delegation"),
        "{told}"
    );
    says(
        &folder,
        &["check"],
        0,
        &[
            "✓ configuration: ",
            store,
            &format!("! {down}"),
            "! not ready",
        ],
    );
    says(
        &folder,
        &["check", "--connect"],
        69,
        &[&format!("✗ {down}"), "✗ not ready"],
    );
    let known = json(&folder, 69);
    assert_eq!(known["link"]["up"], false);
    assert_eq!(known["domains"][0]["delegates"], false);
    assert_eq!(known["limits"][0]["refused"], 1);

    assert!(stage.component.stop().success());
    says(
        &folder,
        &["status"],
        69,
        &["✗ service: no service runs on "],
    );
    let known = json(&folder, 69);
    assert_eq!(
        (&known["running"], &known["ready"]),
        (&false.into(), &false.into())
    );
    let why = known["not_ready_because"].as_str().unwrap_or_default();
    assert!(why.starts_with("no service runs on "), "{known:#}");
}

/// A service whose store has failed has left it, to open it again. So `check` opened it instead, called it
/// good, and the service found it in use.
#[test]
fn a_store_that_has_failed_is_what_check_tells_first() {
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| {
        options.under = disk.under();
        options.access = "delegation = \"none\"".to_owned();
    });
    let folder = stage.component.folder().to_owned();
    let toml = std::fs::read_to_string(folder.join("component.toml")).expect("it is ours");
    let elsewhere = format!("path = {:?}", disk.store());
    std::fs::write(
        folder.join("component.toml"),
        toml.replace("path = \"data\"", &elsewhere),
    )
    .expect("it is ours");
    let none = "· delegation: none is expected";
    says(
        &folder,
        &["status"],
        0,
        &[none, "✓ ready: users are served"],
    );
    disk.fail(&["write", "fsync"], EIO);
    stage.send(set("1", "<a xmlns='urn:x'>text</a>"));
    assert!(stage.next().contains("internal-server-error"));
    let failed = format!(
        "✗ store: {} has failed; the log says why",
        disk.store().display()
    );
    says(&folder, &["status"], 69, &[&failed, "✗ not ready: "]);
    says(&folder, &["check"], 74, &[&failed, "✗ not ready: "]);
    assert_eq!(json(&folder, 69)["store"]["failed"], true);
}

/// An answer of over 64 KiB was read as none: such a service was told to be of another release.
#[test]
fn a_thousand_domains_are_served_as_well_as_two() {
    let mut stage = Stage::configured(|options| {
        let more = (0..1_000).map(|number| format!("domain-{number:04}.example"));
        options.domains.extend(more);
    });
    delegate(&mut stage, HOST);
    stage.store("<a xmlns='urn:x'>text</a>");
    let told = says(
        stage.component.folder(),
        &["status"],
        0,
        &["✓ delegation: localhost", "✓ ready: users are served"],
    );
    assert!(told.contains("none from domain-0999.example"), "{told}");
}

/// Whoever can reach the port can read the page: what `/metrics` tells, and no more.
#[test]
fn the_page_tells_no_more_than_the_metrics() {
    let address = ports::address(ports::free());
    let mut stage = Stage::configured(|options| {
        options.domains.push("müller.localhost".to_owned());
        options.extra =
            format!("[http]\nlisten = \"{address}\"\n[limits]\nmax_namespace_bytes = 1024\n");
    });
    delegate(&mut stage, HOST);
    stage.send(grant(HOST));
    let element = "<name xmlns='urn:of-alice'>content</name>";
    stage.store(element);
    stage.send(set(
        "2",
        &format!("<name xmlns='urn:of-alice'>{}</name>", "x".repeat(1024)),
    ));
    assert!(stage.next().contains("not-acceptable"));
    let page = || web::ask_for_all(web::connect(address), "GET", "/");
    let counted = format!("{} bytes of 1 user", element.len());
    eventually("it is counted", || page().1.body.contains(&counted));

    let (head, answer) = page();
    assert_eq!(answer.status, 200);
    let head = head.to_ascii_lowercase();
    for header in [
        "content-type: text/html; charset=utf-8",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'; style-src 'unsafe-inline'; ",
    ] {
        assert!(
            head.contains(&format!("\r\n{header}")),
            "{header} is not in {head}"
        );
    }
    let page = answer.body;
    for part in [
        "<title>Private storage: ready</title>",
        "Ready: users are served.",
        "</b> logged in since <time datetime=\"20",
        "<th scope=\"row\">localhost</th>",
        "<th scope=\"row\">müller.localhost</th>",
        "in step with PEP",
        "not in step: no access to PEP",
        "does not delegate",
        "<th scope=\"row\">max_namespace_bytes</th>",
        "1 request",
    ] {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
    let port = stage.router.address().port().to_string();
    let folder = stage.component.folder().display().to_string();
    let metrics = web::get(address, "/metrics").body;
    for secret in [
        "alice",
        "content<",
        "urn:of",
        "private.localhost",
        SECRET,
        &port,
        &folder,
        "/data",
        "127.0.0.1",
    ] {
        assert!(!page.contains(secret), "{secret:?} is in {page}");
        assert!(!metrics.contains(secret), "{secret:?} is in {metrics}");
    }
    for active in [
        "<script", "<img", "<form", "<iframe", "http:", "https:", "src=", "url(", "@import",
    ] {
        assert!(!page.contains(active), "{active:?} is in {page}");
    }
    let times = page.split("datetime=\"").skip(1);
    let times: Vec<&str> = times.filter_map(|it| it.split('"').next()).collect();
    // The last is that of the page itself.
    let [of_theirs @ .., _] = &*times else {
        panic!("no times in {page}");
    };
    assert_eq!(of_theirs.len(), 3, "{times:?}");
    for time in of_theirs {
        let time = DateTime::parse_from_rfc3339(time).expect("a time");
        let value = format!(" {}", time.timestamp());
        assert!(metrics.contains(&value), "{time} is not in {metrics}");
    }

    stage.lose_link();
    let down = || web::get(address, "/");
    eventually("it is told", || {
        down().body.contains("</b> not logged in since")
    });
    let page = down();
    assert_eq!(page.status, 200, "the page itself is there");
    let not_ready = "<title>Private storage: not ready</title>";
    assert!(page.body.contains(not_ready), "{}", page.body);
    assert!(page.body.contains("not known without a link"));
    assert!(
        page.body.contains("<a href=\"readyz\">Why?</a>"),
        "{}",
        page.body
    );
    assert!(!page.body.contains(&port), "{}", page.body);

    let ask = |method| web::ask_for_all(web::connect(address), method, "/");
    let (head, answer) = ask("HEAD");
    assert_eq!((answer.status, &*answer.body), (200, ""));
    assert!(
        head.to_ascii_lowercase()
            .contains("content-security-policy")
    );
    assert_eq!(ask("POST").1.status, 405);
}
