//! A second connection of ours that ends: ejabberd then takes grant and delegation from both.

use super::stage::{GRANTING, On, Stage};
use crate::support::client::PATIENCE;
use crate::support::component::{self, Component};

/// As where a link dies unseen, and its end is noticed when the next one is long up.
#[test]
fn who_is_left_is_served_again() {
    let stage = Stage::new(On::Ejabberd, GRANTING);
    for _ in 0..3 {
        let options = component::Options::at(stage.server.component_address());
        let mut second = Component::start(options);
        second.wait_for_log("logged in", PATIENCE);
        second.kill();
        stage.wait_for(GRANTING);
    }
}
