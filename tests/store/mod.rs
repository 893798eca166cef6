//! What befalls a store: full and failing disks, damaged files, kills, lost power.
//!
//! People trust the answer "stored". Each test here has the disk do what disks do, and then holds
//! the program to three promises: what it acknowledged is there; what it cannot tell it refuses to
//! tell, and never calls it "nothing stored"; and whoever runs it reads in one line what is wrong
//! and what to do.

mod broken;
mod compacted;
mod damaged;
mod displaced;
pub mod faulty;
mod folder;
mod full;
mod killed;
mod power;
mod short;
mod small_disk;

use std::path::Path;
use std::time::Duration;

use crate::scripted::stage::{Stage, get, set};
use crate::support::component::{Component, Options};
use crate::support::router::{HEADER, PATIENCE, Router, Session};

/// More than one answer holds, so that there is something to lose.
const LIMITS: &str = "[limits]\nmax_namespace_bytes = 8000000\nmax_user_bytes = 8000000\n";

/// Has the component keep its store in this folder: the environment wins over its file.
fn keeping(folder: &Path) -> Vec<String> {
    let variable = format!("PRIVATE_STORAGE_STORAGE_PATH={}", folder.display());
    vec!["env".to_owned(), variable]
}

/// A component started by way of these programs, and its server.
fn stage(under: Vec<String>) -> Stage {
    Stage::configured(|options| {
        options.under = under;
        options.extra = LIMITS.to_owned();
    })
}

/// How much is tried, and with which seed: the scripts `prove-…` ask for more.
fn from_environment(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name}={value}")),
        Err(_) => otherwise,
    }
}

/// Starts a component that must refuse the store, and returns what it says.
#[track_caller]
fn refused(under: Vec<String>) -> String {
    match start(under) {
        Start::Refused(said) => said,
        Start::Serves(stage) => panic!("it runs: {:#?}", stage.component.log()),
    }
}

/// How a start went.
enum Start {
    Serves(Box<Stage>),
    Refused(String),
}

/// Starts a component that may refuse the store.
#[track_caller]
fn start(under: Vec<String>) -> Start {
    let router = Router::new();
    let mut options = Options::at(router.address());
    options.under = under;
    options.extra = LIMITS.to_owned();
    let mut component = Component::start(options);
    loop {
        if let Some(status) = component.exited() {
            let said = component.wait_for_log("ERROR", PATIENCE);
            // Another folder has to be configured where this one is somebody else's.
            let code = if said.contains("this program did not") {
                78
            } else {
                74
            };
            assert_eq!(status.code(), Some(code), "{said}");
            return Start::Refused(said);
        }
        if let Some(mut session) = router.accept_within(Duration::from_millis(20)) {
            assert!(session.next().contains("<stream:stream"), "no header");
            session.send(HEADER);
            assert!(session.next().starts_with("<handshake>"), "no handshake");
            session.send("<handshake/>");
            return Start::Serves(Box::new(Stage {
                router,
                session,
                component,
            }));
        }
    }
}

/// Sends a set of Alice's, and returns the answer.
#[track_caller]
fn try_set(session: &mut Session, elements: &str) -> String {
    session.send(set("set", elements));
    session.next()
}

/// Sends a get of Alice's, and returns the answer.
#[track_caller]
fn try_get(session: &mut Session, element: &str) -> String {
    session.send(get("get", element));
    session.next()
}

fn is_result(answer: &str) -> bool {
    answer.contains("type='result'")
}

/// Insists on `type`, `code` and condition of an error.
#[track_caller]
fn assert_error(answer: &str, kind: &str, condition: &str) {
    let kind = format!("<error type='{kind}' code='500'>");
    assert!(
        answer.contains(&kind) && answer.contains(&format!("<{condition} ")),
        "{answer}"
    );
}

#[track_caller]
fn assert_failed(answer: &str) {
    assert_error(answer, "cancel", "internal-server-error");
}

#[track_caller]
fn assert_full(answer: &str) {
    assert_error(answer, "wait", "resource-constraint");
    assert!(answer.contains("storage"), "{answer}");
}

/// An element with this content, `number` its name.
fn numbered(number: usize, text: &str) -> String {
    format!("<n{number} xmlns='urn:x'>{text}</n{number}>")
}
