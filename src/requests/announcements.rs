//! What hosts that delegate to us are told to announce, and when.
//!
//! A host asks when we have logged in, and says what it grants at the very same moment, in any order.
//! - Whether its users' bookmarks are kept in step goes by the grant. So what depends on that is
//!   answered with the grant, or once the host has answered a ping that was sent behind its question: it has
//!   said then what it had to say.
//! - With mod_privilege, ejabberd (26.07) drops what we send to a host until that host has granted us
//!   something. An answer that came too early would leave it without delegation for as long as the link
//!   lasts; so it is given again with the grant. Where the first was heard, the second is an answer to
//!   nothing.

use std::time::Duration;

use crate::clock::Instant;
use crate::replies::Replies;
use crate::service::Announcement;

/// How many are kept, and how long they may be, in bytes. A host asks twice, and briefly.
const MAX_KEPT: usize = 1024;
const MAX_BYTES: usize = 4096;

/// How long an answer waits at most.
const WAIT: Duration = Duration::from_millis(300);

const PREFIX: &str = "announced-";

/// What hosts have asked on this link.
#[derive(Debug)]
pub struct Announcements {
    asked: Vec<Asked>,
    pings: u64,
    replies: Replies,
}

#[derive(Debug)]
struct Asked {
    announcement: Announcement,
    /// The ping that the answer waits for, and until when; `None` once it was given.
    waits: Option<(u64, Instant)>,
}

impl Announcements {
    /// Nobody has asked yet.
    pub fn new(replies: Replies) -> Self {
        Self {
            asked: Vec::new(),
            pings: 0,
            replies,
        }
    }

    /// A new link. What was answered on the last is not answered once more. What has waited since then waits for what
    /// the hosts say on this one: Prosody asks once, and not again.
    pub fn logged_in(&mut self) {
        for asked in std::mem::take(&mut self.asked) {
            if asked.waits.is_some() {
                self.asked(asked.announcement, false, true);
            }
        }
    }

    /// A host asks; whether bookmarks are kept in step there is known by this. Where that may yet change,
    /// the answer waits for what the host says, if it depends on it.
    pub fn asked(&mut self, announcement: Announcement, in_step: bool, may_change: bool) {
        let waits = announcement.depends_on_step() && may_change;
        if waits && self.has_room_for(&announcement) {
            self.pings += 1;
            let ping = announcement.ping(&format!("{PREFIX}{}", self.pings));
            self.replies.request(ping);
            let waits = Some((self.pings, Instant::now() + WAIT));
            self.asked.push(Asked {
                announcement,
                waits,
            });
        } else {
            self.give(announcement, in_step);
        }
    }

    /// This host has granted something: what it has asked is answered, or answered once more.
    pub fn granted(&mut self, host: &str, in_step: bool) {
        let its_own = self.asked.extract_if(.., |it| it.announcement.host == host);
        for asked in its_own {
            let answered = asked.announcement.answer(in_step);
            match asked.waits {
                Some(_) => self.replies.send(answered),
                // It is counted already.
                None => self.replies.with(|outbox| outbox.push(answered.reply)),
            }
        }
    }

    /// Somebody has answered an IQ of this id: what has waited for that is answered.
    pub fn answered(&mut self, id: &str, from: &str, in_step: impl Fn(&str) -> bool) {
        let number = id.strip_prefix(PREFIX).and_then(|it| it.parse().ok());
        if number.is_some() {
            let is_its_own = |it: &Announcement, ping| Some(ping) == number && it.host == from;
            self.give_all(|it, (ping, _)| is_its_own(it, ping), in_step);
        }
    }

    /// What has waited for long enough is answered.
    pub fn poll(&mut self, now: Instant, in_step: impl Fn(&str) -> bool) {
        if self.due().is_some_and(|due| due <= now) {
            self.give_all(|_, (_, until)| until <= now, in_step);
        }
    }

    /// When the first has waited for long enough.
    pub fn due(&self) -> Option<Instant> {
        let waiting = self.asked.iter().filter_map(|it| it.waits);
        waiting.map(|(_, until)| until).min()
    }

    fn give_all(
        &mut self,
        which: impl Fn(&Announcement, (u64, Instant)) -> bool,
        in_step: impl Fn(&str) -> bool,
    ) {
        let taken = self.asked.extract_if(.., |it| {
            it.waits.is_some_and(|waits| which(&it.announcement, waits))
        });
        for asked in taken.collect::<Vec<Asked>>() {
            let in_step = in_step(&asked.announcement.host);
            self.give(asked.announcement, in_step);
        }
    }

    /// Answers, and keeps what may have to be answered once more.
    fn give(&mut self, announcement: Announcement, in_step: bool) {
        self.replies.send(announcement.answer(in_step));
        if announcement.may_be_lost() && self.has_room_for(&announcement) {
            self.asked.push(Asked {
                announcement,
                waits: None,
            });
        }
    }

    fn has_room_for(&self, announcement: &Announcement) -> bool {
        self.asked.len() < MAX_KEPT && announcement.around() <= MAX_BYTES
    }
}
