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

use crate::scripted::durable::{TWENTY, after_a_restart_it_is_still_full, fifty_sets_at_once};
use stage::Stage;

/// However many sets are under way at once, and whatever happens in between.
#[test]
fn quotas_are_exact_and_survive_a_restart() {
    let mut stage = Stage::with(TWENTY);
    fifty_sets_at_once(&mut stage);
    assert_eq!(stage.rows("xps_element"), 20);
    after_a_restart_it_is_still_full(&mut stage);
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
