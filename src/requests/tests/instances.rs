//! Several instances over one store: bookmarks of one user who is on both, and of one whose instance is taken over.

mod edits;
mod turns;

use std::mem::swap;
use std::sync::Arc;

use super::*;
use crate::store::suite::Distant;

/// Instances over one store, and the one node that there is.
struct Cluster {
    store: Arc<Distant>,
    instances: Vec<Stage>,
    /// How each reaches the store.
    ways: Vec<Arc<Distant>>,
    node: Option<Vec<String>>,
}

impl Cluster {
    fn new(instances: usize) -> Self {
        let store = Distant::by_caller();
        let ways: Vec<_> = (0..instances).map(|_| store.of_another()).collect();
        let over = |way: &Arc<Distant>| Stage::over(Store::on(way.clone()), &[]);
        Self {
            instances: ways.iter().map(over).collect(),
            ways,
            node: Some(Vec::new()),
            store,
        }
    }

    /// What an instance says to this, once nothing more can be done at once.
    async fn hears(&self, instance: usize, xml: &str) -> Vec<String> {
        let stage = &self.instances[instance];
        stage.hears(xml);
        stage.said().await
    }

    /// The server says that it has read what an instance has said. What that says then.
    async fn confirms(&self, instance: usize) -> Vec<String> {
        let stage = &self.instances[instance];
        stage.requests.replies_were_read(None);
        stage.said().await
    }

    /// What it says to the node's answer to this.
    async fn goes_on(&mut self, instance: usize, iq: &str) -> Vec<String> {
        let answer = self.does(instance, iq);
        self.hears(instance, &answer).await
    }

    /// What the node answers to this, which nobody hears yet.
    fn does(&mut self, instance: usize, iq: &str) -> String {
        let stage = &mut self.instances[instance];
        swap(&mut self.node, &mut stage.node);
        let answer = stage.node_answers(iq);
        swap(&mut self.node, &mut stage.node);
        answer
    }

    /// The same, and so on until nothing more is asked of the node.
    async fn goes_on_to_the_end(&mut self, instance: usize, iq: String) {
        let mut next = Some(iq);
        while let Some(iq) = next {
            let said = self.goes_on(instance, &iq).await;
            next = said.into_iter().find(|it| it.contains("<privileged_iq"));
        }
    }

    /// All of them go on until nothing is under way.
    async fn settles(&mut self) {
        while self.is_busy() {
            // Whoever waits for another asks for the turn now and then.
            sleep(Duration::from_millis(20)).await;
            for instance in 0..self.instances.len() {
                for said in self.instances[instance].said().await {
                    if said.contains("<privileged_iq") {
                        self.goes_on_to_the_end(instance, said).await;
                    }
                }
            }
        }
    }

    /// A client asks for bookmarks, or stores these, and nothing else is done until it is over.
    async fn asks(&mut self, instance: usize, client: char, set: Option<&str>) -> String {
        let stage = &mut self.instances[instance];
        swap(&mut self.node, &mut stage.node);
        stage.resource = client;
        let answer = stage.asks(set, ALL).await;
        swap(&mut self.node, &mut self.instances[instance].node);
        answer
    }

    /// The process is killed, and another begins.
    fn dies(&mut self, instance: usize) {
        let way = self.store.of_another();
        self.instances[instance] = Stage::over(Store::on(way.clone()), &[]);
        // Its tasks are still there, and can do nothing any more.
        std::mem::replace(&mut self.ways[instance], way).set_away(true);
    }

    /// Whether anything is under way.
    fn is_busy(&self) -> bool {
        let mut instances = self.instances.iter();
        instances.any(|it| it.requests.count() > 0)
    }

    fn rooms(&self) -> Vec<&str> {
        self.node.iter().flatten().map(String::as_str).collect()
    }
}

/// The client of an instance that was killed had deleted a room, and that came back: nobody knew any more that
/// it had been shown.
#[test]
fn whoever_takes_over_knows_what_clients_were_shown() {
    for dies in [true, false] {
        played(async || {
            let mut cluster = Cluster::new(2);
            cluster.node = Some(vec!["a@m".to_owned(), "b@m".to_owned()]);
            cluster.asks(0, 'c', None).await;
            cluster.confirms(0).await;
            if dies {
                cluster.dies(0);
            }
            cluster.asks(1, 'c', Some(&room("a@m"))).await;
            assert_eq!(cluster.rooms(), ["a@m"], "{dies}");
            // And back again, where something else is remembered.
            cluster.confirms(1).await;
            cluster.instances[0].logs_in();
            cluster.asks(0, 'c', Some("")).await;
            assert_eq!(cluster.rooms(), [""; 0], "{dies}");
        });
    }
}

/// An instance died before its answer got to the client, which then stored a list without what it had never seen:
/// another client's room was deleted.
#[test]
fn what_a_client_may_not_have_seen_it_does_not_delete() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.confirms(0).await;
        cluster.node = Some(vec!["a@m".to_owned(), "b@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.dies(0);
        cluster
            .asks(1, 'c', Some(&[room("a@m"), room("c@m")].concat()))
            .await;
        assert_eq!(cluster.rooms(), ["a@m", "b@m", "c@m"]);
    });
}

/// A client had set a room and was never told whether it was stored, for its instance died just then. So it went on from
/// the list it had before, and the room was deleted, though a modern client had renamed it meanwhile.
#[test]
fn what_a_client_was_never_told_it_does_not_delete() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.asks(0, 'c', None).await;
        cluster.confirms(0).await;
        cluster.asks(0, 'c', Some(&room("a@m"))).await;
        cluster.dies(0);
        cluster.asks(1, 'c', Some(&room("b@m"))).await;
        assert_eq!(cluster.rooms(), ["a@m", "b@m"]);
        // What it was told it knows.
        cluster.confirms(1).await;
        cluster.dies(1);
        cluster.asks(0, 'c', Some("")).await;
        assert_eq!(cluster.rooms(), ["a@m"]);
    });
}

/// A client deleted all the rooms that it had been shown, added one, and those came back: nothing in its list said
/// that it had seen them.
#[test]
fn what_got_through_counts_whatever_is_stored_then() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.confirms(0).await;
        cluster.dies(0);
        cluster.asks(1, 'c', Some(&room("b@m"))).await;
        assert_eq!(cluster.rooms(), ["b@m"]);
    });
}

/// A client went to another instance and came back, and the first one went by what it remembered of it: what the other
/// had shown it and it then deleted came back, and what it had not seen since was deleted.
#[test]
fn what_another_instance_has_noted_counts_before_what_is_remembered() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.node = Some(vec!["b@m".to_owned()]);
        cluster.asks(1, 'c', None).await;
        cluster.confirms(1).await;
        cluster.node = Some(vec!["a@m".to_owned(), "b@m".to_owned()]);
        cluster.asks(0, 'c', Some("")).await;
        assert_eq!(cluster.rooms(), ["a@m"]);
    });
}

/// A client was shown what the store alone had, and its instance was killed before that was noted. What it had seen
/// before was taken for deleted.
#[test]
fn whatever_a_client_is_shown_is_noted_first() {
    for keeps in [true, false] {
        played(async || {
            let mut cluster = Cluster::new(1);
            cluster.node = Some(vec!["a@m".to_owned()]);
            cluster.asks(0, 'c', None).await;
            let stage = &mut cluster.instances[0];
            if keeps {
                stage.sends(None);
                stage.iq().await;
            }
            cluster.ways[0].set_silent(true);
            stage.requests.link_ended();
            if !keeps {
                stage.sends(None);
            }
            assert_eq!(stage.said().await, [""; 0], "{keeps}");
            cluster.ways[0].set_silent(false);
            assert_eq!(stage.said().await.len(), 1, "{keeps}");
        });
    }
}

/// What is queued when a link is lost may never get through, and what is confirmed on the next says nothing of it.
#[test]
fn what_was_lost_with_a_link_never_counts() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.instances[0].requests.replies_were_lost();
        cluster.asks(0, 'd', None).await;
        cluster.confirms(0).await;
        cluster.dies(0);
        cluster.asks(1, 'c', Some("")).await;
        assert_eq!(cluster.rooms(), ["a@m"]);
        cluster.asks(1, 'd', Some("")).await;
        assert_eq!(cluster.rooms(), [""; 0]);
    });
}

/// Clients of one user on two instances wrote the same note, and each forgot about the others'.
#[test]
fn what_several_clients_were_shown_is_noted_for_each() {
    played(async || {
        let mut cluster = Cluster::new(2);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.node = Some(vec!["a@m".to_owned(), "b@m".to_owned()]);
        cluster.asks(1, 'd', None).await;
        for instance in 0..2 {
            cluster.confirms(instance).await;
            cluster.dies(instance);
        }
        // What this one was not shown stays, and what the other was goes.
        cluster.asks(1, 'c', Some("")).await;
        assert_eq!(cluster.rooms(), ["b@m"]);
        cluster.asks(0, 'd', Some("")).await;
        assert_eq!(cluster.rooms(), [""; 0]);
    });
}

/// What was noted about the clients of somebody who is gone.
#[test]
fn nothing_is_left_of_what_a_removed_users_clients_were_shown() {
    played(async || {
        let mut cluster = Cluster::new(1);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        let notes = bookmarks::notes_of(&Owner::new("u@h").unwrap()).unwrap();
        let store = Store::on(cluster.store.clone());
        assert!(store.note(&notes).unwrap().is_some());
        let forget = "<iq type='set' id='gone' from='h' to='p.h'>\
                      <forget xmlns='urn:xmpp-private-storage:0' jid='u@h'/></iq>";
        cluster.hears(0, forget).await;
        assert_eq!(store.note(&notes), Ok(None));
    });
}

/// What a client was shown was being noted when its user was removed, and had to be noted anew, as others had noted
/// something just then: that note was left for ever.
#[test]
fn nothing_is_noted_of_what_clients_were_shown_once_their_user_is_removed() {
    played(async || {
        let mut cluster = Cluster::new(1);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.ways[0].set_silent(true);
        cluster.instances[0].sends(None);
        let iq = cluster.instances[0].iq().await;
        assert_eq!(cluster.goes_on(0, &iq).await, [""; 0]);

        let notes = bookmarks::notes_of(&Owner::new("u@h").unwrap()).unwrap();
        let store = Store::on(cluster.store.clone());
        store.put_note(notes.clone(), Some("another's".to_owned()), |_| {});
        let forget = "<iq type='set' id='gone' from='h' to='p.h'>\
                      <forget xmlns='urn:xmpp-private-storage:0' jid='u@h'/></iq>";
        let mut said = cluster.hears(0, forget).await;
        cluster.ways[0].set_silent(false);
        said.extend(cluster.instances[0].said().await);
        assert_eq!(said.len(), 2, "both are answered: {said:?}");
        assert_eq!(store.note(&notes), Ok(None));
    });
}

/// Two gets waited, and a set behind them that left a room alone; somebody else had deleted that, and the user's turn was lost.
/// The second get compared the list before the set's over what the set had noted, and noted what came of it: the set was
/// left to the next request, which knew nothing of that room any more, and published it.
#[test]
fn what_a_get_compares_whose_turn_is_lost_does_not_count_for_a_set_behind_it() {
    played(async || {
        let mut cluster = Cluster::new(1);
        cluster.node = Some(vec!["a@m".to_owned()]);
        cluster.asks(0, 'c', None).await;
        cluster.node = Some(Vec::new());
        let mut iqs = Vec::new();
        for (client, set) in [
            ('d', None),
            ('e', None),
            ('c', Some([room("a@m"), room("b@m")].concat())),
        ] {
            cluster.instances[0].resource = client;
            cluster.instances[0].sends(set.as_deref());
            iqs.extend(cluster.instances[0].said().await);
        }
        let [first] = &*iqs else { panic!("{iqs:?}") };
        let said = cluster.goes_on(0, first).await;
        let second = said.into_iter().find(|it| it.contains("<privileged_iq"));
        cluster.store.lose_turns();
        let second = second.expect("the other get's");
        cluster.goes_on_to_the_end(0, second).await;
        cluster.settles().await;
        cluster.asks(0, 'd', None).await;
        assert_eq!(cluster.rooms(), ["b@m"]);
    });
}
