//! TLS beside a server that does what real ones do rarely.

use super::stage::{get, set};
use crate::support::certificates::Authority;
use crate::support::component::{Component, Options};
use crate::support::front::Front;
use crate::support::router::{PATIENCE, Router, Session};

/// The component, at a scripted server behind a front that speaks TLS.
struct Encrypted {
    session: Session,
    router: Router,
    component: Component,
    _front: Front,
}

impl Encrypted {
    fn new() -> Encrypted {
        let authority = Authority::new("ours");
        let router = Router::new();
        let front = Front::new(router.address(), &authority.sign("127.0.0.1"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), authority.pem()).expect("a written file");
        let mut options = Options::at(front.address());
        options.component = format!("tls = \"on\"\ntls_ca_file = {:?}", file.path());
        options.extra = "[limits]\nmax_user_open_bytes = 67108864\n".to_owned();
        let component = Component::start(options);
        let session = router.let_in();
        Encrypted {
            session,
            router,
            component,
            _front: front,
        }
    }
}

/// However late the server reads, it reads all.
#[test]
fn answers_wait_for_a_router_that_does_not_read() {
    let mut stage = Encrypted::new();
    let text = "v".repeat(300_000);
    let element = format!("<a xmlns='urn:x'>{text}</a>");
    stage.session.send(set("1", &element));
    stage.session.next();
    let requests: Vec<String> = (0..40)
        .map(|n| get(&format!("g{n}"), "<a xmlns='urn:x'/>"))
        .collect();
    stage.session.send(requests.concat());
    // All connections on the way fill up, and the component is stuck in the middle of an answer.
    stage.component.wait_until_idle();
    for n in 0..40 {
        let answer = stage.session.next_with(&format!("id='g{n}'"));
        assert!(answer.contains(&text), "answer {n} is another");
    }
}

/// It still reads while the server takes none of its answers: sets that come meanwhile are read.
#[test]
fn it_reads_while_it_cannot_write() {
    let mut stage = Encrypted::new();
    let text = "v".repeat(300_000);
    stage
        .session
        .send(set("1", &format!("<a xmlns='urn:x'>{text}</a>")));
    stage.session.next();
    let get = get("g", "<a xmlns='urn:x'/>");
    // 6 MiB of answers, which the connections on the way do not hold.
    stage.session.send(get.repeat(20));
    let set = set("s", &format!("<b xmlns='urn:y'>{text}</b>"));
    stage.session.send(set.repeat(20));
    let mut answers = 0;
    while answers < 40 {
        let answer = stage.session.next();
        answers += usize::from(answer.contains("type='result'"));
    }
}

/// A server that dies, and one that shuts down, close the connection without TLS's own farewell.
#[test]
fn the_end_of_the_connection_is_the_end_of_the_link() {
    let mut stage = Encrypted::new();
    stage.session.die();
    let line = stage.component.wait_for_log("next attempt in", PATIENCE);
    assert!(line.contains("the server closed the connection"), "{line}");
    let mut session = stage.router.let_in();
    session.send(get("back", "<a xmlns='urn:x'/>"));
    session.next_with("id='back'");
    assert_eq!(stage.component.stop().code(), Some(0));
    let sent = session.expect_end();
    assert_eq!(sent, ["</stream:stream>"]);
}

#[test]
fn plain_text_where_tls_was_asked_for_is_told() {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.component = "tls = \"on\"".to_owned();
    let component = Component::start(options);
    let mut session = router.accept();
    session.send("<?xml version='1.0'?><stream:stream>");
    component.wait_for_log("does not speak TLS", PATIENCE);
}

/// As OpenSSL answers plain text: an alert.
#[test]
fn tls_where_plain_text_was_asked_for_is_told() {
    let router = Router::new();
    let component = Component::start(Options::at(router.address()));
    let mut session = router.accept();
    session.next();
    session.send(b"\x15\x03\x03\x00\x02\x02\x46");
    let told = component.wait_for_log("it answered with TLS", PATIENCE);
    assert!(told.contains("component.tls is \"off\""), "{told}");
}
