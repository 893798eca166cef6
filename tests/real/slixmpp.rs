//! An independent client, in another language: nothing of it is ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::{self, Stage};
use crate::support::server::{COMPONENT, PASSWORD};

#[test]
fn slixmpp_stores_and_fetches_on_prosody() {
    stores_and_fetches(stage::prosody());
}

#[test]
fn slixmpp_stores_and_fetches_on_ejabberd() {
    stores_and_fetches(stage::ejabberd());
}

fn stores_and_fetches(stage: &Stage) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/slixmpp_client.py");
    for way in ["", COMPONENT] {
        let address = stage.server.client_address();
        let output = Command::new(python())
            .arg(&script)
            .args([&address.ip().to_string(), &address.port().to_string()])
            .args([&stage.newcomer(), PASSWORD, way])
            .output()
            .expect("the interpreter runs");
        assert!(
            output.status.success(),
            "to '{way}': {}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The interpreter of the virtual environment beside cargo's own output.
pub fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: scripts/test makes it, with slixmpp inside",
        python.display()
    );
    python
}
