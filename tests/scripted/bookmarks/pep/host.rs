//! A host that grants, and keeps the nodes of its users.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::{ALICE, Asked, BOOKMARKS, NODE, PUBSUB, Step, grant, storage};
use crate::fidelity::writing;
use crate::scripted::stage::{self, Stage};
use crate::support::router::{parse, ping_id};

/// A component, and the server as a host that grants and keeps its users' nodes.
pub struct Host {
    stage: Stage,
    /// By user: items by id, each whole.
    pub nodes: BTreeMap<String, Vec<(String, String)>>,
    /// The rooms of which it takes no change.
    pub refuses: Vec<String>,
    /// All that was asked and answered.
    pub asked: Vec<Asked>,
    /// Whether answers may come again, because the link was lost that took them.
    again: bool,
}

impl Host {
    /// One that grants all.
    pub fn new() -> Host {
        Host::on(Stage::new())
    }

    /// The same, on a stage of the test's own.
    pub fn on(mut stage: Stage) -> Host {
        stage.send(grant("localhost"));
        Host {
            stage,
            nodes: BTreeMap::new(),
            refuses: Vec::new(),
            asked: Vec::new(),
            again: false,
        }
    }

    /// The link is lost, and the next one granted again.
    #[track_caller]
    pub fn lose_link_for_a_while(&mut self) {
        self.stage.lose_link();
        self.stage.let_in_again();
        self.again = true;
        self.stage.send(grant("localhost"));
    }

    /// A room comes into Alice's node by another client.
    pub fn keep(&mut self, jid: &str, xml: String) {
        put(self.nodes.entry(ALICE.to_owned()).or_default(), jid, xml);
    }

    /// The ids in Alice's node.
    pub fn kept(&self) -> Vec<&str> {
        let items = self.nodes.get(ALICE).into_iter().flatten();
        items.map(|(id, _)| &**id).collect()
    }

    /// Sends this, and plays the host until its answer comes.
    #[track_caller]
    pub fn request(&mut self, id: &str, iq: String) -> String {
        self.stage.send(iq);
        loop {
            let xml = self.stage.next();
            match Asked::read(&xml) {
                Some(asked) => self.answer(asked),
                None if parse(&xml).attr("id") == Some(id) => return xml,
                None => assert!(self.again, "{xml}"),
            }
        }
    }

    /// Alice sets her bookmarks, which succeeds; what was asked for it.
    #[track_caller]
    pub fn set(&mut self, content: &str) -> Vec<Step> {
        let before = self.asked.len();
        let set = stage::set("set", &storage(content));
        let answer = self.request("set", set);
        assert_eq!(parse(&answer).attr("type"), Some("result"), "{answer}");
        self.steps_since(before)
    }

    /// Alice gets her bookmarks: the answer.
    #[track_caller]
    pub fn get(&mut self) -> String {
        self.request("get", stage::get("get", BOOKMARKS))
    }

    /// The component asks within a second whether what it has said has arrived, and is told. It says nothing else
    /// meanwhile.
    #[track_caller]
    pub fn confirm(&mut self) {
        self.stage.answers_pings = false;
        let ping = ping_id(&self.stage.next()).expect("a ping");
        self.stage.answer_ping(&ping);
        self.stage.answers_pings = true;
        self.stage.component.wait_until_idle();
    }

    /// Plays the host until nothing more is asked for.
    #[track_caller]
    pub fn settle(&mut self) {
        // What an answer gives rise to may come behind the answer to a ping that was read with it,
        // but not behind that to a second one.
        let mut quiet = 0;
        while quiet < 2 {
            self.stage.send(
                "<iq type='get' id='settled?' from='localhost' to='private.localhost'>\
                 <ping xmlns='urn:xmpp:ping'/></iq>",
            );
            let mut asked = 0;
            loop {
                let xml = self.stage.next();
                let Some(step) = Asked::read(&xml) else {
                    assert_eq!(parse(&xml).attr("id"), Some("settled?"), "{xml}");
                    break;
                };
                self.answer(step);
                asked += 1;
            }
            quiet = if asked == 0 { quiet + 1 } else { 0 };
        }
    }

    /// What was asked after the first so many, but for items that were read again.
    pub fn steps_since(&self, first: usize) -> Vec<Step> {
        let steps = self.asked[first..].iter().map(|asked| &asked.step);
        let steps = steps.filter(|step| !matches!(step, Step::Reread(_)));
        steps.cloned().collect()
    }

    /// Answers as a PEP service does.
    pub fn answer(&mut self, asked: Asked) {
        let node = self.nodes.get_mut(&asked.owner);
        let answer = match (&asked.step, node) {
            (Step::Publish(id) | Step::Retract(id), _) if self.refuses.contains(id) => {
                asked.error("error", "not-allowed")
            }
            (Step::Fetch | Step::Reread(_) | Step::Retract(_), None) => {
                asked.error("result", "item-not-found")
            }
            (Step::Fetch, Some(node)) => {
                let items: Vec<&str> = node.iter().map(|(_, xml)| &**xml).collect();
                asked.items(&items.concat())
            }
            (Step::Reread(id), Some(node)) => {
                let item = node.iter().find(|(known, _)| known == id);
                asked.items(item.map_or("", |(_, xml)| xml))
            }
            (Step::Publish(id), node) => {
                let publish = asked.payload.children().next();
                let item = publish.and_then(|publish| publish.children().next());
                let item = writing::plain(item.expect("an item"));
                match node {
                    Some(node) => put(node, id, item),
                    None => {
                        let node = vec![(id.clone(), item)];
                        self.nodes.insert(asked.owner.clone(), node);
                    }
                }
                asked.result(&format!(
                    "<pubsub xmlns='{PUBSUB}'><publish node='{NODE}'><item id='{id}'/></publish>\
                     </pubsub>"
                ))
            }
            (Step::Retract(id), Some(node)) => {
                let before = node.len();
                node.retain(|(known, _)| known != id);
                match node.len() < before {
                    true => asked.result(""),
                    false => asked.error("result", "item-not-found"),
                }
            }
            (Step::ReadOptions | Step::Configure, _) => asked.result(""),
        };
        self.stage.send(answer);
        self.asked.push(asked);
    }
}

fn put(node: &mut Vec<(String, String)>, id: &str, xml: String) {
    node.retain(|(known, _)| known != id);
    node.push((id.to_owned(), xml));
}

impl Deref for Host {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Host {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}
