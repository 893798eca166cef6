//! What is counted, as Prometheus reads it.

mod pep;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::health::delegate;
use super::stage::{Stage, get, request, set};
use crate::store::faulty::{EIO, FaultyDisk};
use crate::support::router::PATIENCE;
use crate::support::{server, web};

/// All metrics of a component at one moment.
pub struct Scrape(String);

impl Scrape {
    #[track_caller]
    pub fn of(stage: &Stage) -> Scrape {
        Scrape::at(&stage.component.folder().join("data"))
    }

    #[track_caller]
    fn at(folder: &Path) -> Scrape {
        let answer = web::control(folder, "/metrics");
        assert_eq!(answer.status, 200);
        Scrape(answer.body)
    }

    /// Scrapes until this holds.
    #[track_caller]
    pub fn when(stage: &Stage, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        Scrape::when_at(&stage.component.folder().join("data"), holds)
    }

    #[track_caller]
    fn when_at(folder: &Path, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let scrape = Scrape::at(folder);
            if holds(&scrape) {
                return scrape;
            }
            assert!(Instant::now() < deadline, "{}", scrape.0);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The value of a series, without its prefix.
    fn value(&self, series: &str) -> Option<f64> {
        let series = format!("private_storage_{series} ");
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(&series))?;
        value.parse().ok()
    }

    pub fn holds(&self, expected: &[(&str, f64)]) -> bool {
        let holds = |(series, value): &(&str, f64)| self.value(series) == Some(*value);
        expected.iter().all(holds)
    }

    #[track_caller]
    pub fn assert(&self, expected: &[(&str, f64)]) {
        for (series, value) in expected {
            assert_eq!(self.value(series), Some(*value), "{series} in\n{}", self.0);
        }
    }

    /// The names of all metrics.
    fn names(&self) -> BTreeSet<&str> {
        let lines = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        lines.filter_map(|line| line.split(' ').next()).collect()
    }
}

/// What must not be complained of, and what promtool says of it.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = streams.stderr(Stdio::piped()).args(arguments).spawn();
    let mut child = child.expect("promtool, of the package prometheus");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}");
}

fn outcome(kind: &str, via: &str, outcome: &str) -> String {
    format!("requests_total{{kind=\"{kind}\",outcome=\"{outcome}\",via=\"{via}\"}}")
}

#[test]
fn prometheus_reads_it_without_complaint() {
    let mut stage = Stage::new();
    promtool(&["check", "metrics"], &(Scrape::of(&stage).0 + "\n"));
    stage.store("<a xmlns='urn:x'>text</a>");
    delegate(&mut stage, server::HOST);
    stage.expect_nothing();
    let scrape = Scrape::when(&stage, |scrape| scrape.value("stored_bytes").is_some());
    promtool(&["check", "metrics"], &(scrape.0 + "\n"));
}

#[test]
fn requests_are_counted_by_kind_way_and_outcome() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>text</a>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>text</a>");
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>text</a>");
    stage.send(request("get", "none", "alice@localhost", ""));
    stage.next();
    stage.send(request(
        "set",
        "stranger",
        "mallory@elsewhere",
        "<a xmlns='urn:x'/>",
    ));
    stage.next();
    for namespace in [
        "http://jabber.org/protocol/disco#info",
        "urn:xmpp:ping",
        "urn:unknown",
    ] {
        let name = if namespace.ends_with("ping") {
            "ping"
        } else {
            "query"
        };
        stage.send(format!(
            "<iq type='get' id='small' from='alice@localhost' to='private.localhost'>\
             <{name} xmlns='{namespace}'/></iq>"
        ));
        stage.next();
    }
    stage.send(
        "<iq type='set' id='outer' from='localhost' to='private.localhost'>\
         <delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <iq xmlns='jabber:client' type='get' id='inner' from='alice@localhost/phone'>\
         <query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></iq>\
         </forwarded></delegation></iq>",
    );
    assert!(stage.next().contains(">text</a>"));

    let scrape = Scrape::of(&stage);
    for (kind, via, named, times) in [
        ("set", "direct", "result", 1.0),
        ("get", "direct", "result", 2.0),
        ("get", "direct", "bad-format", 1.0),
        ("set", "direct", "service-unavailable", 1.0),
        ("disco", "direct", "result", 1.0),
        ("ping", "direct", "result", 1.0),
        ("other", "direct", "service-unavailable", 1.0),
        ("get", "delegated", "result", 1.0),
        ("set", "delegated", "result", 0.0),
    ] {
        scrape.assert(&[(&outcome(kind, via, named), times)]);
    }
    let all = scrape.0.lines();
    let all = all.filter_map(|line| line.strip_prefix("private_storage_requests_total{"));
    let all: f64 = all
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert_eq!(all, 9.0, "each once");
    scrape.assert(&[
        ("request_duration_seconds_count{kind=\"get\"}", 4.0),
        ("request_duration_seconds_count{kind=\"set\"}", 2.0),
        ("store_group_sets_count", 1.0),
        ("store_sync_duration_seconds_count", 1.0),
        ("requests_in_flight", 0.0),
        ("open_bytes", 0.0),
    ]);
    assert!(!scrape.0.contains("alice") && !scrape.0.contains("mallory"));
}

#[test]
fn refusals_are_counted_by_their_limit() {
    let mut stage = Stage::with(
        "[limits]\nmax_stanza_bytes = 10000\nmax_depth = 16\nmax_namespace_bytes = 1024\n\
         max_user_bytes = 2048\nmax_user_elements = 4\n",
    );
    let long = |bytes| "x".repeat(bytes);
    let deep = "<d xmlns='urn:x'>".to_owned() + &"<d>".repeat(20) + &"</d>".repeat(20) + "</d>";
    let many: String = (0..5)
        .map(|number| format!("<n{number} xmlns='urn:x'>x</n{number}>"))
        .collect();
    let some = |namespace: &str| format!("<a xmlns='urn:{namespace}'>{}</a>", long(900));
    stage.send(set("1", &some("one")));
    stage.send(set("2", &some("two")));
    for refused in [
        long(20_000),
        deep,
        format!("<{} xmlns='urn:x'>x</{0}>", long(1025)),
        format!("<a xmlns='urn:x'>{}</a>", long(1024)),
        some("three"),
        many,
    ] {
        stage.send(set("refused", &refused));
    }
    for _ in 0..8 {
        stage.next();
    }
    let scrape = Scrape::of(&stage);
    scrape.assert(&[
        ("refused_total{limit=\"max_stanza_bytes\"}", 1.0),
        ("refused_total{limit=\"max_depth\"}", 1.0),
        ("refused_total{limit=\"name_bytes\"}", 1.0),
        ("refused_total{limit=\"max_namespace_bytes\"}", 1.0),
        ("refused_total{limit=\"max_user_bytes\"}", 1.0),
        ("refused_total{limit=\"max_user_elements\"}", 1.0),
        ("refused_total{limit=\"max_user_open_bytes\"}", 0.0),
        ("refused_total{limit=\"disk\"}", 0.0),
        (&outcome("set", "direct", "result"), 2.0),
    ]);
}

#[test]
fn what_is_stored_is_known_and_followed() {
    let mut stage = Stage::new();
    let (one, two) = ("<a xmlns='urn:x'>text</a>", "<b xmlns='urn:y'>longer</b>");
    let stored = |bytes: usize, owners: usize| {
        move |scrape: &Scrape| {
            let value = |name| scrape.value(name);
            value("stored_bytes") == Some(bytes as f64)
                && value("stored_owners") == Some(owners as f64)
        }
    };
    Scrape::when(&stage, stored(0, 0));
    stage.store(&format!("{one}{two}"));
    stage.send(request("set", "bob", "bob@localhost/desk", one));
    stage.next();
    let all = 2 * one.len() + two.len();
    Scrape::when(&stage, stored(all, 2));

    stage.component.restart();
    stage.let_in_again();
    Scrape::when(&stage, stored(all, 2));
    stage.send(request(
        "set",
        "bob",
        "bob@localhost/desk",
        "<a xmlns='urn:x'/>",
    ));
    stage.next();
    Scrape::when(&stage, stored(one.len() + two.len(), 1));
    stage.store("<b xmlns='urn:y'/>");
    Scrape::when(&stage, stored(one.len(), 1));
}

#[test]
fn links_and_delegations_are_told() {
    let mut stage = Stage::with_access("delegation = \"required\"");
    stage.expect_nothing();
    let [first, second] = [server::HOST, server::OTHER_HOST];
    let delegated = |host: &str| format!("delegated{{domain=\"{host}\"}}");
    delegate(&mut stage, first);
    stage.expect_nothing();
    Scrape::of(&stage).assert(&[
        ("link_up", 1.0),
        ("ready", 0.0),
        (&delegated(first), 1.0),
        (&delegated(second), 0.0),
        ("logins_total", 1.0),
        ("link_losses_total", 0.0),
    ]);
    delegate(&mut stage, second);
    stage.expect_nothing();
    Scrape::of(&stage).assert(&[("ready", 1.0), (&delegated(second), 1.0)]);
    stage.lose_link();
    Scrape::when(&stage, |scrape| {
        scrape.holds(&[
            ("link_up", 0.0),
            ("link_losses_total", 1.0),
            (&delegated(first), 0.0),
        ])
    });
    stage.let_in_again();
    stage.expect_nothing();
    Scrape::of(&stage).assert(&[("logins_total", 2.0), ("login_failures_total", 0.0)]);
}

/// What waits is seen while it waits: here for the disk.
#[test]
fn what_is_under_way_is_told() {
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| options.under = disk.under());
    disk.hang("fsync");
    stage.send(set("1", "<a xmlns='urn:x'>text</a>"));
    stage.send(get("2", "<a xmlns='urn:x'/>"));
    stage.expect_nothing();
    let scrape = Scrape::at(&disk.store());
    scrape.assert(&[("requests_in_flight", 2.0), ("store_failed", 0.0)]);
    assert!(
        scrape
            .value("open_bytes")
            .is_some_and(|bytes| bytes > 1000.0)
    );
    disk.heal();
    stage.next();
    stage.next();
}

/// What a broken store holds nobody knows, so it is not told until it was counted again.
#[test]
fn a_store_that_fails_is_told_and_counted_anew() {
    let disk = FaultyDisk::new();
    let mut stage = Stage::configured(|options| {
        options.under = disk.under();
        options.access = "delegation = \"none\"".to_owned();
    });
    let element = "<a xmlns='urn:x'>text</a>";
    stage.store(element);
    let known = |scrape: &Scrape| scrape.value("stored_bytes") == Some(element.len() as f64);
    Scrape::when_at(&disk.store(), known);
    disk.fail(&["write", "fsync"], EIO);
    stage.send(set("2", "<a xmlns='urn:x'>another</a>"));
    assert!(stage.next().contains("internal-server-error"));
    let scrape = Scrape::at(&disk.store());
    let failed = [
        ("store_failed", 1.0),
        ("ready", 0.0),
        ("store_failures_total", 1.0),
    ];
    scrape.assert(&failed);
    scrape.assert(&[(&outcome("set", "direct", "internal-server-error"), 1.0)]);
    assert_eq!(scrape.value("stored_bytes"), None);
    assert_eq!(scrape.value("stored_owners"), None);
    disk.heal();
    // A scrape reads one after the other: the store may have come back in the midst of one.
    let scrape = Scrape::when_at(&disk.store(), |scrape| {
        scrape.holds(&[("store_failed", 0.0), ("ready", 1.0)])
            && scrape.value("stored_owners").is_some()
    });
    scrape.assert(&[("stored_owners", 1.0)]);
}

/// Recorded queries, dashboards and alerts go by names and labels. These are of the commit before the
/// program became a workspace, and those that have come since.
#[test]
fn every_series_has_the_name_the_type_and_the_labels_that_it_has_always_had() {
    let mut stage = Stage::new();
    stage.expect_nothing();
    let scrape = Scrape::when(&stage, |scrape| scrape.value("stored_owners").is_some());
    let version = format!("{:?}", env!("CARGO_PKG_VERSION"));
    let lines = scrape.0.lines().filter(|line| !line.starts_with("# HELP"));
    let series = lines.map(|line| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') => series.replace(&version, "\"\""),
        _ => line.to_owned(),
    });
    let expected = std::fs::read_to_string(packaged("tests/fixtures/metrics.txt"));
    let expected = expected.expect("it is kept");
    assert_eq!(
        series.collect::<Vec<_>>(),
        expected.lines().collect::<Vec<_>>()
    );
}

fn packaged(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every word in a text that could be the name of a metric.
fn named(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("private_storage_") || word.starts_with("process_"))
        .map(|word| {
            let suffix = ["_bucket", "_sum", "_count"];
            let base = suffix.iter().find_map(|suffix| word.strip_suffix(suffix));
            base.unwrap_or(word).to_owned()
        })
        .collect()
}

/// A dashboard with a name that has changed shows nothing, and an alert never fires.
#[test]
fn what_is_packaged_uses_the_metrics_that_exist() {
    let mut stage = Stage::new();
    stage.expect_nothing();
    let scrape = Scrape::when(&stage, |scrape| scrape.value("stored_owners").is_some());
    let read = |path: &str| std::fs::read_to_string(packaged(path)).expect(path);
    let mut exist: BTreeSet<String> = scrape.names().into_iter().map(str::to_owned).collect();
    // `real/instances` holds this to what is told beside a database.
    exist.extend(named(&read("tests/fixtures/metrics-database.txt")));

    let dashboard = read("packaging/grafana/xmpp-private-storage.json");
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(parsed["panels"].as_array().is_some_and(|it| it.len() > 10));
    assert_eq!(named(&dashboard), exist, "the dashboard shows all there is");

    let rules = "packaging/prometheus/xmpp-private-storage.rules.yml";
    let used = named(&read(rules));
    assert!(!used.is_empty() && used.is_subset(&exist), "{used:?}");
    let rules = packaged(rules).display().to_string();
    promtool(&["check", "rules", &rules], "");
    let tests = packaged("packaging/prometheus/xmpp-private-storage.rules.test.yml");
    promtool(&["test", "rules", &tests.display().to_string()], "");

    assert_eq!(
        named(&read("docs/reference/metrics.md")),
        exist,
        "all are described"
    );
}
