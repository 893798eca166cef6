use super::*;

fn status(needs: Needs) -> Status {
    let facts = Facts {
        jid: "private.example.org".to_owned(),
        server: "127.0.0.1:5347".to_owned(),
    };
    let served = Served {
        domains: vec!["example.org".to_owned(), "example.net".to_owned()],
        needs,
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
    let status = status(Needs::One);
    for _ in 0..2 {
        let known = status.known();
        assert_eq!(Known::read(&known.write()), Some(known));
        status.up();
        status.delegated("example.org");
        status.granted("example.org", true);
    }
    let known = status.known();
    assert_eq!(
        (known.is_up, known.not_ready, known.domains.len()),
        (true, None, 2)
    );
    assert!(known.domains[0].delegates && known.domains[0].grants);
    assert_eq!(Known::read("there is /livez, /readyz and /metrics"), None);
}
