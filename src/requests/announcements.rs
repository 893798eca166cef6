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

use std::time::{Duration, Instant};

use crate::link::Outbox;
use crate::service::Announcement;

/// How many are kept, and how long they may be, in bytes. A host asks twice, and briefly.
const MOST: usize = 1024;
const LONGEST: usize = 4096;

/// How long an answer waits at most.
const WAIT: Duration = Duration::from_millis(300);

const PREFIX: &str = "announced-";

/// What hosts have asked on this link.
#[derive(Debug, Default)]
pub struct Announcements {
    asked: Vec<Asked>,
    pings: u64,
}

#[derive(Debug)]
struct Asked {
    announcement: Announcement,
    /// The ping that the answer waits for, and until when; `None` once it was given.
    waits: Option<(u64, Instant)>,
}

impl Announcements {
    /// Keeps one that was answered, if it may have to be given again.
    pub fn keep(&mut self, announcement: Announcement) {
        if announcement.may_be_lost() && self.has_room_for(&announcement) {
            self.asked.push(Asked {
                announcement,
                waits: None,
            });
        }
    }

    /// Has one for which there is room wait for what its host says.
    pub fn hold(&mut self, announcement: Announcement, now: Instant, outbox: &mut Outbox) {
        self.pings += 1;
        outbox.push_request(announcement.ping(&format!("{PREFIX}{}", self.pings)));
        self.asked.push(Asked {
            announcement,
            waits: Some((self.pings, now + WAIT)),
        });
    }

    /// This host has granted something: what it has asked, and whether that was answered already.
    pub fn granted(&mut self, host: &str) -> Vec<(Announcement, bool)> {
        let its_own = self.asked.extract_if(.., |it| it.announcement.host == host);
        its_own
            .map(|it| (it.announcement, it.waits.is_none()))
            .collect()
    }

    /// Somebody has answered an IQ of this id: what has waited for that.
    pub fn answered(&mut self, id: &str, from: &str) -> Vec<Announcement> {
        let number = id.strip_prefix(PREFIX).and_then(|it| it.parse().ok());
        self.take(|it, (ping, _)| Some(ping) == number && it.host == from)
    }

    /// What has waited for long enough.
    pub fn late(&mut self, now: Instant) -> Vec<Announcement> {
        self.take(|_, (_, until)| until <= now)
    }

    /// When the first has waited for long enough.
    pub fn due(&self) -> Option<Instant> {
        let waiting = self.asked.iter().filter_map(|it| it.waits);
        waiting.map(|(_, until)| until).min()
    }

    /// Whether this one can be kept.
    pub fn has_room_for(&self, announcement: &Announcement) -> bool {
        self.asked.len() < MOST && announcement.around() <= LONGEST
    }

    fn take(&mut self, which: impl Fn(&Announcement, (u64, Instant)) -> bool) -> Vec<Announcement> {
        let taken = self.asked.extract_if(.., |it| {
            it.waits.is_some_and(|waits| which(&it.announcement, waits))
        });
        taken.map(|it| it.announcement).collect()
    }
}
