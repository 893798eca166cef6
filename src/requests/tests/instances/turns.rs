//! One user's bookmarks on two instances in the same moment.

use super::*;

/// A get and a set that wait in vain, one after the other.
const PLAYED: Duration = Duration::from_secs(25);

/// A client adds a room by one instance, which takes its time; another is shown that room by the other one meanwhile, and
/// deletes it. The rooms in the node then.
fn deleted_while_it_is_added(keeps_turns: bool) -> Vec<String> {
    let mut rooms = Vec::new();
    played(async || {
        let mut cluster = Cluster::new(2);
        if !keeps_turns {
            cluster.store.keep_no_turns();
        }
        cluster.asks(0, 'c', None).await;
        cluster.instances[0].sends(Some(&room("a@m")));
        let fetch = cluster.instances[0].iq().await;
        cluster.instances[1].resource = 'd';
        cluster.instances[1].sends(None);
        sleep(Duration::from_secs(3)).await;
        let said = cluster.goes_on(0, &fetch).await;
        let [read] = &*said else { panic!("{said:?}") };
        sleep(Duration::from_secs(3)).await;
        // It was not to be had in time, so the store answers.
        let said = cluster.instances[1].said().await;
        assert!(said.last().unwrap().contains("jid='a@m'"), "{said:?}");
        cluster.instances[1].sends(Some(""));
        let said = cluster.instances[1].said().await;
        assert_eq!(said.is_empty(), keeps_turns, "{said:?}");
        for iq in said {
            // There is nothing to retract yet.
            cluster.goes_on(1, &iq).await;
        }
        let mut said = cluster.goes_on(0, read).await;
        while let Some(iq) = said
            .iter()
            .find(|it| it.contains("<privileged_iq"))
            .cloned()
        {
            said = cluster.goes_on(0, &iq).await;
        }
        cluster.settles().await;
        rooms = cluster.rooms().into_iter().map(str::to_owned).collect();
        let seen = cluster.asks(0, 'e', None).await;
        assert_eq!(seen.contains("a@m"), !rooms.is_empty(), "{seen}");
    });
    rooms
}

/// One client deleted a room that another was just adding by another instance. That one had nothing to retract yet, and the
/// room was published after that: it was back.
#[test]
fn a_room_that_is_deleted_while_it_is_added_stays_deleted() {
    assert_eq!(deleted_while_it_is_added(true), [""; 0]);
    // What it would be like otherwise.
    assert_eq!(deleted_while_it_is_added(false), ["a@m"]);
}

/// Of two instances that brought the same bookmarks into step, the later one noted what it had begun with, and a room
/// that was deleted came back.
#[test]
fn what_another_instance_has_noted_meanwhile_is_not_undone() {
    played(async || {
        let mut cluster = Cluster::new(2);
        let both = [room("a@m"), room("b@m")].concat();
        cluster.asks(0, 'c', Some(&both)).await;
        cluster.asks(1, 'd', None).await;
        // One begins to delete a room, and fetches the node.
        cluster.instances[0].resource = 'c';
        cluster.instances[0].sends(Some(&room("b@m")));
        let fetch = cluster.instances[0].iq().await;
        // The other is to add one, and waits.
        let more = [room("a@m"), room("b@m"), room("d@m")].concat();
        cluster.instances[1].sends(Some(&more));
        assert_eq!(cluster.instances[1].said().await, [""; 0]);
        cluster.goes_on_to_the_end(0, fetch).await;
        cluster.settles().await;
        assert_eq!(cluster.rooms(), ["b@m", "d@m"]);
        for (instance, client) in [(0, 'c'), (1, 'd'), (0, 'e')] {
            let seen = cluster.asks(instance, client, None).await;
            assert!(!seen.contains("a@m") && seen.contains("d@m"), "{seen}");
        }
        assert_eq!(cluster.rooms(), ["b@m", "d@m"]);
    });
}

/// The primary of the database was replaced while a room was being added: somebody else may have the turn by now.
#[test]
fn whoever_has_lost_the_turn_changes_nothing_more() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.asks(0, 'c', None).await;
        cluster.instances[0].sends(Some(&room("a@m")));
        let fetch = cluster.instances[0].iq().await;
        cluster.store.lose_turns();
        let said = cluster.goes_on(0, &fetch).await;
        let [told] = &*said else { panic!("{said:?}") };
        assert!(told.contains("type='result'"), "it is stored: {told}");
        assert_eq!(cluster.rooms(), [""; 0]);
        // The next request does the rest.
        assert!(cluster.asks(1, 'd', None).await.contains("a@m"));
        assert_eq!(cluster.rooms(), ["a@m"]);
    });
}

/// An instance that hangs in somebody's turn holds up that user for a while, and nobody else.
#[test]
fn whoever_waits_for_another_instance_is_answered_and_holds_up_nobody() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.asks(0, 'c', Some(&room("a@m"))).await;
        let owner = Owner::new("u@h").unwrap();
        let hold = cluster.instances[0].storage.turn(&owner, Instant::now());
        let hold = hold.await.unwrap().expect("nobody has it");
        let stage = &mut cluster.instances[1];
        stage.sends(None);
        stage.many_ask(1);
        let iq = stage.iq().await;
        assert!(iq.contains("u0@h"), "{iq}");
        let asked = Instant::now();
        let seen = stage.asks(None, ALL).await;
        assert!(seen.contains("a@m"), "the store answers: {seen}");
        let told = stage.asks(Some(&room("b@m")), ALL).await;
        assert!(told.contains("resource-constraint"), "{told}");
        assert!(asked.elapsed() < PLAYED);
        drop(hold);
        assert!(cluster.asks(1, 'c', None).await.contains("a@m"));
        let list = Store::on(cluster.store.clone()).amount(&owner).unwrap();
        assert_eq!(list.elements, 1);
        assert_eq!(cluster.rooms(), ["a@m"], "nothing was stored");
    });
}
