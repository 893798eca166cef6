//! A store that comes back from a backup: what was deleted stays deleted; but where nothing is left that it
//! could have been deleted from, every room is there.

use std::fs;
use std::path::Path;

use super::room::{room, sorted};
use super::stage::{GRANTING, On, Stage, on_each_server};
use crate::commands::done;
use crate::support::answers::succeeded;

on_each_server! {
    what_was_deleted_stays_so_after_a_restore_and_a_new_server_has_every_room
}

fn what_was_deleted_stays_so_after_a_restore_and_a_new_server_has_every_room(on: On) {
    let mut stage = Stage::new(on, GRANTING);
    let jid = stage.newcomer();
    let [tea, chess] = ["tea", "chess"].map(|name| room(name).autojoin());
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    old.set([&tea, &chess]);
    modern.retract(&chess);
    let left = sorted([tea.clone()]);
    assert_eq!(old.rooms(), left);
    // What is noted of that is on the disk when a set that comes behind it is answered.
    succeeded(&old.client().set("", "<note xmlns='urn:test:note'>n</note>"));
    let backup = stage.component.folder().join("all");
    done(stage.component.folder(), &["backup", "all"]);

    come_back(&mut stage, &backup);
    let (mut old, mut modern) = (stage.old(&jid), stage.modern(&jid));
    assert_eq!(old.rooms(), left);
    assert_eq!(modern.rooms(), left);

    let mut anew = Stage::new(on, GRANTING);
    come_back(&mut anew, &backup);
    let (mut old, mut modern) = (anew.old(&jid), anew.modern(&jid));
    let all = sorted([tea, chess]);
    assert_eq!(old.rooms(), all);
    anew.until("all are in PEP", || modern.rooms() == all);
}

/// The component serves what is in this backup, and nothing else.
fn come_back(stage: &mut Stage, backup: &Path) {
    stage.component.stop();
    let folder = stage.component.folder().to_owned();
    fs::remove_dir_all(folder.join("data")).expect("the store");
    done(&folder, &["restore", backup.to_str().expect("UTF-8")]);
    stage.component.restart();
    stage.wait_for(GRANTING);
}
