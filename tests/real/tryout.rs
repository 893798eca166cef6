//! The README's first command works.

use std::fs;
use std::path::Path;
use std::process::Command;

/// It built its program, without optimisation and with another allocator, over the one that tests
/// run: whatever came after it in the suite tested that one, and took half as much memory again.
#[test]
fn the_demonstration_shows_a_bookmark_come_back() {
    let under_test = || fs::metadata(env!("CARGO_BIN_EXE_xmpp-private-storage"))?.modified();
    let before = under_test().expect("a program");
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
    assert_eq!(under_test().expect("a program"), before);
}
