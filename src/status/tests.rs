use chrono::DateTime;

use super::*;

fn status(needs: Needs) -> Status {
    status_over(Place::Folder("data".to_owned()), needs)
}

fn status_over(store: Place, needs: Needs) -> Status {
    let facts = Facts {
        jid: "private.example.org".to_owned(),
        server: "127.0.0.1:5347".to_owned(),
        store,
    };
    let served = Served {
        domains: vec!["example.org".to_owned(), "example.net".to_owned()],
        needs,
        bookmarks: true,
    };
    Status::new(facts, served, Store::in_memory())
}

#[test]
fn the_line_follows_the_link() {
    let status = status(Needs::One);
    assert_eq!(
        status.to_string(),
        "connecting to the server at 127.0.0.1:5347"
    );
    status.up();
    assert_eq!(
        status.to_string(),
        "logged in as private.example.org; not delegated by any domain"
    );
    status.delegated("example.org");
    assert_eq!(
        status.to_string(),
        "logged in as private.example.org; delegated by example.org, not by example.net"
    );
    status.delegated("example.net");
    assert_eq!(
        status.to_string(),
        "logged in as private.example.org; delegated by example.net, example.org"
    );
    status.down("the server closed the stream", Duration::from_millis(3500));
    assert_eq!(
        status.to_string(),
        "the server closed the stream; next attempt in 3.5 s"
    );
    status.up();
    assert!(status.to_string().ends_with("not delegated by any domain"));
    status.stopping();
    assert_eq!(status.to_string(), "stopping");
}

#[test]
fn ready_is_who_serves_somebody() {
    let [none, one, all] = [Needs::Nothing, Needs::One, Needs::All].map(status);
    for status in [&none, &one, &all] {
        assert!(status.ready().is_err());
        status.up();
    }
    assert_eq!(none.ready(), Ok(()));
    let told = "not delegated by example.org, example.net";
    for status in [&one, &all] {
        assert_eq!(status.ready(), Err(told.to_owned()));
        status.delegated("example.net");
    }
    assert_eq!(one.ready(), Ok(()));
    assert_eq!(all.ready(), Err("not delegated by example.org".to_owned()));
    all.delegated("example.org");
    assert_eq!(all.ready(), Ok(()));
    for status in [&one, &all] {
        status.delegation_ended("example.net");
        assert!(status.ready().is_err());
    }
    none.stopping();
    assert!(none.ready().is_err());
}

#[test]
fn what_is_known_is_read_again() {
    let at =
        |seconds: i64| DateTime::from_timestamp(1_796_000_000 + seconds, 0).unwrap_or_default();
    let mut known = Known {
        version: "0.1.0".to_owned(),
        pid: 1,
        started: at(0),
        not_alive: None,
        not_ready: Some("the \"server\" says\n<no>".to_owned()),
        link: KnownLink {
            jid: "private.example.org".to_owned(),
            server: "127.0.0.1:5347".to_owned(),
            is_up: false,
            stands_by: false,
            since: at(1),
            why: Some("the \"server\" says\n<no>".to_owned()),
            next_attempt: Some(at(2)),
        },
        domains: Vec::new(),
        store: KnownStore {
            place: Place::Folder("/data".to_owned()),
            format: 1,
            failed: false,
            stored: None,
            disk_bytes: None,
        },
        limits: Vec::new(),
    };
    let read = |known: &Known| Known::read(&known.write().to_string());
    assert_eq!(read(&known).as_ref(), Some(&known));

    let states = [
        Bookmarks::InStep,
        Bookmarks::Off,
        Bookmarks::NoAccess,
        Bookmarks::Silent,
    ];
    for (delegates, bookmarks) in [None, Some(true), Some(false), None]
        .into_iter()
        .zip(states)
    {
        known.domains.push(KnownDomain {
            name: "exämple.org".to_owned(),
            delegates,
            grants: delegates.is_some(),
            bookmarks,
        });
    }
    known.link.stands_by = true;
    known.store.place = Place::Database("private_storage at db1:5432".to_owned());
    let (bytes, owners) = (u64::MAX, 3);
    known.store.stored = Some(KnownStored { bytes, owners });
    known.store.disk_bytes = Some(0);
    known.limits.push(KnownLimit {
        name: "disk".to_owned(),
        refused: 7,
        last: at(3),
    });
    assert_eq!(read(&known).as_ref(), Some(&known));

    // As releases before this one wrote it, and without a part that has to be there.
    assert_eq!(Known::read("up logged in as private.example.org"), None);
    let mut value = known.write();
    value["link"] = serde_json::Value::Null;
    assert_eq!(Known::read(&value.to_string()), None);
}

/// What was told last was when the last attempt had failed, not since when there was no link.
#[test]
fn a_link_is_down_since_it_was_lost() {
    let status = status(Needs::Nothing);
    let pause = Duration::from_secs(1);
    let down = || match status.now().link {
        Link::Down { since, next, .. } => (since, next),
        link => panic!("{link:?}"),
    };
    status.down("refused", pause);
    assert_eq!(down().0, status.started(), "there never was one");
    status.up();
    status.down("lost", pause);
    let (since, next) = down();
    assert!(since > status.started());
    assert_eq!(next, since + pause);
    status.down("refused", 2 * pause);
    let (still, later) = down();
    assert_eq!(still, since);
    assert!(later >= next + pause);
}

#[test]
fn an_instance_that_stands_by_is_not_ready_and_says_why() {
    let database = Place::Database("private_storage at db1:5432, db2:5432".to_owned());
    let status = status_over(database, Needs::Nothing);
    let every = Duration::from_secs(5);
    status.up();
    status.granted("example.org", true);
    status.down("lost", Duration::from_secs(1));
    let lost = match status.now().link {
        Link::Down { since, .. } => since,
        link => panic!("{link:?}"),
    };
    status.stand_by(every);
    let line = "standing by: another instance is connected to 127.0.0.1:5347 as \
                private.example.org; trying every 5 s";
    assert_eq!(status.to_string(), line);
    assert_eq!(status.ready(), Err(line.to_owned()));
    assert_eq!(status.live(), Ok(()));
    status.stand_by(every);
    let Link::Standby { since, .. } = status.now().link else {
        panic!("{:?}", status.now().link);
    };
    assert_eq!(since, lost, "since then there is no link");
    status.up();
    assert_eq!(status.ready(), Ok(()));
}
