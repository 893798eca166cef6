//! The README's first command works.

use std::path::Path;
use std::process::Command;

#[test]
fn the_demonstration_shows_a_bookmark_come_back() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/try");
    let output = Command::new(script)
        .arg("--once")
        .output()
        .expect("bash runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{errors}");
    let bookmark = "<conference autojoin='false' jid='room@rooms.example'";
    assert_eq!(shown.matches(bookmark).count(), 2, "{shown}");
    assert!(shown.contains("PEP has it too"), "{shown}");
}
