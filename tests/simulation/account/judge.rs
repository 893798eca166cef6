//! What old clients are answered, and what may stand in it.

use minidom::Element;

use super::{Account, List, Old, Open};
use crate::chaos::request::Outcome;
use crate::simulation::owner::Reply;
use crate::simulation::predicate::{self, Violation, holds};
use crate::support::answers;

impl Account {
    /// Takes the answer to the request of this number.
    pub fn answered(&mut self, number: u64, reply: &Reply<'_>) -> Result<String, Violation> {
        let is_its = |it: &Old| it.open.as_ref().is_some_and(|it| it.number == number);
        let Some(client) = self.old.iter().position(is_its) else {
            if let Some(it) = self.given_up.remove(&number)
                && it.process == reply.process
            {
                self.closed.insert(number, (reply.line, reply.process));
                let late = it.stores.into_iter().flatten().map(|(room, _)| room);
                self.old[it.client].told.extend(late);
                return Ok(format!("{}-{number} is answered too late", self.name));
            }
            let closed = self.closed.get(&number);
            let is_again = closed
                .is_some_and(|(line, process)| *line != reply.line && *process == reply.process);
            holds(is_again, predicate::ONCE, || {
                format!(
                    "{}-{number} is answered, and nobody waits for it",
                    self.name
                )
            })?;
            return Ok(format!("{}-{number} is answered once more", self.name));
        };
        let Some(open) = self.old[client].open.take() else {
            return Ok(String::new());
        };
        holds(open.process == reply.process, predicate::ASKED, || {
            format!("{} was asked of another process", open.envelope.id)
        })?;
        self.closed.insert(number, (reply.line, reply.process));
        let outcome = open
            .envelope
            .open(reply.answer)
            .map_err(|why| Violation::new(predicate::ADDRESSED, why))?;
        // Where the process has not asked PEP, it may have forgotten what it had shown.
        let asked = self.last_iqs.get(&reply.process);
        self.old[client].by = Some(reply.process).filter(|_| asked >= Some(&open.sent));
        self.judge(client, &open, outcome, reply)
    }

    fn judge(
        &mut self,
        client: usize,
        open: &Open,
        outcome: Outcome,
        reply: &Reply<'_>,
    ) -> Result<String, Violation> {
        let id = &open.envelope.id;
        self.look_what_is_there();
        if self.last_iq >= open.sent {
            self.stepped = open.sent;
        }
        match (&open.stores, outcome) {
            (Some(list), Outcome::Done) => {
                self.old[client].told = list.keys().cloned().collect();
                if reply.trouble >= open.sent {
                    // Nothing may have been noted of it.
                    self.all_are_wanted(list);
                }
                Ok(format!("{id} is stored"))
            }
            (None, Outcome::Fetched(children)) => {
                let list = self.read(id, &children)?;
                let old = &mut self.old[client];
                old.told = list.keys().cloned().collect();
                old.ahead.retain(|room, name| list.get(room) == Some(name));
                let told = format!("{id} shows {list:?}");
                old.known = Some(list.clone());
                self.shown[client] = Some(list);
                Ok(told)
            }
            (_, Outcome::Refused(why)) => {
                let is_broken = reply.trouble >= open.sent
                    && ["internal-server-error", "resource-constraint"].contains(&&*why);
                let rooms = open.stores.as_ref().map_or(0, List::len);
                let are_many = rooms > self.node.max_rooms && why == "resource-constraint";
                // Of an owner's requests a second may be too much.
                let is_too_much = reply.is_narrow && why == "resource-constraint";
                // Another instance may be busy with the other client's all the time, or wait for PEP.
                let is_busy = self.last_iq.max(reply.pep_works_since) >= open.sent;
                let has_waited = reply.waited_since.is_some_and(|it| open.sent <= it)
                    && open.stores.is_some()
                    && is_busy
                    && why == "resource-constraint";
                let is_due = is_broken || are_many || is_too_much || has_waited;
                holds(is_due, predicate::REASON, || {
                    format!("{id} is refused with {why}")
                })?;
                let goes_on = self.goes_on && self.choice.percent(50);
                let old = &mut self.old[client];
                old.known = open.before.clone().filter(|_| goes_on);
                old.by = None;
                if open.stores.is_some() {
                    self.stored = None;
                }
                Ok(format!("{id} is refused: {why}"))
            }
            (stores, outcome) => Err(Violation::new(
                predicate::STORED,
                format!("{id} ({stores:?}) has the outcome {outcome:?}"),
            )),
        }
    }

    /// What an answer shows: rooms of this account alone, each as somebody has put it.
    fn read(&self, id: &str, children: &[Element]) -> Result<List, Violation> {
        let mut list = List::new();
        let [storage] = children else {
            return Err(Violation::new(
                predicate::STORED,
                format!("{id} brought {children:?}"),
            ));
        };
        for conference in storage.children() {
            let room = conference.attr("jid").unwrap_or_default();
            let name = conference.attr("name").unwrap_or_default();
            let said = self.said.get(room);
            holds(
                said.is_some_and(|it| it.contains(name)),
                predicate::OWN,
                || {
                    format!(
                        "{id} shows what nobody of {} has said: {}",
                        self.name,
                        answers::text(conference)
                    )
                },
            )?;
            let before = list.insert(room.to_owned(), name.to_owned());
            holds(before.is_none(), predicate::STORED, || {
                format!("{id} shows {room} twice")
            })?;
        }
        Ok(list)
    }

    /// All old clients are about to ask; those that wait for nothing.
    pub fn look_through(&mut self) -> Vec<usize> {
        self.shown.fill(None);
        for client in 0..self.old.len() {
            self.give_up(client, |_| true);
        }
        (0..self.old.len()).collect()
    }

    /// Whether all old clients were shown what modern ones see.
    pub fn sees_the_same(&self) -> Result<(), Violation> {
        let rooms = self.node.rooms();
        for (shown, old) in self.shown.iter().zip(&self.old) {
            let Some(shown) = shown else { continue };
            // Where the node takes no more, clients are shown both.
            let is_both = (self.node.is_open && !self.node.may_be_corrected)
                || shown.len() > self.node.max_rooms;
            let are_shown = rooms.keys().all(|it| shown.contains_key(it));
            let is_so = *shown == rooms || is_both && are_shown;
            holds(is_so, predicate::IN_STEP, || {
                format!(
                    "{}/{} is shown {shown:?}, and the node has {rooms:?}",
                    self.name, old.resource
                )
            })?;
        }
        Ok(())
    }
}
