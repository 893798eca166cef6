//! The rows of the contract through the socket once more, with the program on PostgreSQL: each with a
//! database of its own, which begins empty.

mod stage;

#[path = "../../scripted/addresses.rs"]
mod addresses;
#[path = "../../scripted/commands.rs"]
mod commands;
#[path = "../../scripted/delegated.rs"]
mod delegated;
#[path = "../../scripted/direct.rs"]
mod direct;
#[path = "../../scripted/everything_else.rs"]
mod everything_else;
#[path = "../../scripted/forget.rs"]
mod forget;
#[path = "../../scripted/limits.rs"]
mod limits;

use stage::{Stage, set};

/// However many sets are under way at once, and whatever happens in between.
#[test]
fn quotas_are_exact_and_survive_a_restart() {
    let mut stage = Stage::with("[limits]\nmax_user_elements = 20\n");
    let sets: String = (0..50)
        .map(|n| set(&format!("{n}"), &format!("<a{n} xmlns='urn:x'>1</a{n}>")))
        .collect();
    stage.send(sets);
    let answers: Vec<String> = (0..50).map(|_| stage.next()).collect();
    let stored = answers.iter().filter(|a| a.contains("type='result'"));
    assert_eq!(stored.count(), 20, "{answers:#?}");
    assert_eq!(stage.rows("xps_element"), 20);

    stage.component.kill();
    stage.component.restart();
    stage.let_in_again();
    stage.send(set("1", "<b xmlns='urn:x'>1</b>"));
    let refused = stage.next();
    assert!(
        refused.contains("limits.max_user_elements allows 20"),
        "{refused}"
    );
    stage.store("<a0 xmlns='urn:x'/>");
    stage.store("<b xmlns='urn:x'>1</b>");
}

/// What is stored is in the database, and nowhere on this machine.
#[test]
fn the_folder_holds_no_data() {
    let mut stage = Stage::new();
    stage.store("<a xmlns='urn:x'>kept elsewhere</a>");
    assert_eq!(stage.rows("xps_element"), 1);
    stage.component.kill();
    let data = stage.component.folder().join("data");
    let files = std::fs::read_dir(data).into_iter().flatten().flatten();
    for file in files {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("kept elsewhere"), "{:?}", file.path());
    }
    stage.component.restart();
    stage.let_in_again();
    stage.fetch("<a xmlns='urn:x'/>", "<a xmlns='urn:x'>kept elsewhere</a>");
}
