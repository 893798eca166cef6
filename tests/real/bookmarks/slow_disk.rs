//! A disk that takes its time, as others keep it busy: what is noted about bookmarks gets there later
//! than the next request.

use std::sync::atomic::{AtomicBool, Ordering};

use super::old::Old;
use super::room::room;
use super::stage::{GRANTING, Stage};
use crate::support::answers::succeeded;
use crate::support::component::Options;

const NOTE: &str = "<note xmlns='urn:test:note'>x</note>";

#[test]
fn what_is_deleted_right_after_a_set_does_not_come_back() {
    let slow = "strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:delay_enter=50000";
    let stage = Stage::with(GRANTING, |server| Options {
        under: slow.split(' ').map(str::to_owned).collect(),
        ..Options::at(server.component_address())
    });
    let (mut old, mut modern) = stage.user();
    let others: [Old; 4] = std::array::from_fn(|_| stage.user().0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for mut other in others {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    succeeded(&other.client().set("", NOTE));
                }
            });
        }
        let came_back = (0..12).find(|number| {
            let tea = room("tea").name(&number.to_string());
            old.set([&tea, &room("chess")]);
            modern.retract(&tea);
            old.rooms() != [room("chess")] || modern.rooms() != [room("chess")]
        });
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(came_back, None);
    });
}
