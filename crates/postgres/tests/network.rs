//! The network between the store and the servers fails in its own ways.

use std::time::Duration;

use super::load::Load;
use super::support::{assert_sound, pause, store_at, try_set, wait_until};
use xps_postgres_testing::{DATABASE, Pair, Proxy, Server, Way};
use xps_store::suite::get;

/// Each way, and back, under load. No acknowledgement is lost, and nothing is done twice.
fn disturb(way: Way, is_cut: bool) {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let stores = [store_at(&[proxy.port()]), store_at(&[server.port()])];
    let load = Load::start(&stores);
    load.goes_on_for(100);
    proxy.set(way);
    if is_cut {
        proxy.cut();
    }
    wait_until("it is noticed", || stores[0].failed());
    pause(Duration::from_millis(500));
    proxy.set(Way::Open);
    wait_until("it is over", || !stores[0].failed());
    load.goes_on_for(500);
    let told = load.end(&stores[0]);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&server, DATABASE);
}

#[test]
fn a_network_that_swallows_everything() {
    disturb(Way::Swallows, false);
}

#[test]
fn a_network_that_swallows_the_answers() {
    disturb(Way::Deaf, false);
}

#[test]
fn a_network_that_is_cut() {
    disturb(Way::Closed, true);
}

/// A firewall that forgets connections: what goes over them disappears, and new ones work.
#[test]
fn connections_that_were_forgotten_are_made_again() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let store = store_at(&[proxy.port()]);
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    proxy.forget();
    assert_eq!(try_set(&store, "a@x", "2"), Ok(()));
    assert_eq!(get(&store, "a@x", "n", None), "2");
    assert_sound(&server, DATABASE);
}

/// The old primary answers at once, and nothing that is sent to it is ever done; the new one takes longer to be asked than
/// others are waited for once a primary is found.
#[test]
fn a_distant_primary_is_found_beside_an_old_one() {
    let pair = Pair::start();
    let proxy = Proxy::to(pair.b.port());
    let store = store_at(&[pair.a.port(), proxy.port()]);
    assert_eq!(try_set(&store, "a@x", "1"), Ok(()));
    proxy.set(Way::Far);
    pair.b.promote();
    assert_eq!(try_set(&store, "a@x", "2"), Ok(()));
    assert_eq!(pair.b.sql(DATABASE, "select text from xps_element"), "2");
}

/// Answers of the primary disappear, and another takes its place: what is in doubt is settled there.
#[test]
fn what_is_in_doubt_is_settled_at_the_next_primary() {
    let mut pair = Pair::start();
    let proxy = Proxy::to(pair.a.port());
    let stores = [(); 2].map(|()| store_at(&[proxy.port(), pair.b.port()]));
    let load = Load::start(&stores);
    load.goes_on_for(100);
    proxy.set(Way::Deaf);
    pause(Duration::from_secs(1));
    pair.a.kill();
    pair.b.promote();
    load.goes_on_for(500);
    let told = load.end(&stores[0]);
    assert_eq!(told.unreachable, 0, "{told:?}");
    assert_sound(&pair.b, DATABASE);
}
