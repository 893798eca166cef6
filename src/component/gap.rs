//! Why there is no link, and how long it is until the next attempt.

use std::time::Duration;

use super::backoff::Backoff;
use super::event::Event;
use crate::link::ConnectError;

/// How long there is no link where one is made again on purpose: the server has to see that the last is
/// gone.
const BETWEEN: Duration = Duration::from_secs(1);

/// Why there is no link.
pub enum Gap {
    /// It was given up, for another login.
    Anew,
    /// The server has another instance's, as it says, and it is tried this often to follow it.
    Standby { said: String, every: Duration },
    /// A login failed, or a link was lost.
    Down {
        why: String,
        /// Whether it is the stream itself that the server refused.
        stream: bool,
    },
}

impl Gap {
    /// After an attempt that ended like this, where an instance that finds another one in its place stands by,
    /// and tries again this often.
    pub fn after_attempt(error: &ConnectError, standby: Option<Duration>) -> Self {
        match (standby, error.conflict()) {
            (Some(every), Some(said)) => Self::Standby { said, every },
            _ => Self::Down {
                why: error.to_string(),
                stream: error.is_about_the_stream(),
            },
        }
    }

    /// After a link was lost.
    pub fn after_link(why: String) -> Self {
        let stream = false;
        Self::Down { why, stream }
    }

    /// What to tell of it, and how long to wait.
    pub fn told(self, backoff: &mut Backoff) -> (Event, Duration) {
        match self {
            Self::Anew => (Event::Left { pause: BETWEEN }, BETWEEN),
            Self::Standby { said, every } => {
                // The server is there; if it goes away now, that has nothing to do with earlier times.
                backoff.start_again();
                (Event::Standby { said, every }, every)
            }
            Self::Down { why, stream } => {
                let pause = backoff.next();
                (Event::Down { why, stream, pause }, pause)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Endpoint, StreamError};

    const EVERY: Duration = Duration::from_secs(5);

    fn refused(condition: &str) -> ConnectError {
        let server = Endpoint::Tcp {
            host: "localhost".to_owned(),
            port: 5347,
        };
        let error = StreamError {
            condition: condition.to_owned(),
            text: Some("Component already\nconnected".to_owned()),
        };
        ConnectError::Refused(server, "private.example.org".to_owned(), error)
    }

    fn told(error: &ConnectError, standby: Option<Duration>, backoff: &mut Backoff) -> Event {
        let (event, pause) = Gap::after_attempt(error, standby).told(backoff);
        match &event {
            Event::Standby { every, .. } => assert_eq!(pause, *every),
            Event::Down { pause: told, .. } => assert_eq!(pause, *told),
            event => panic!("{event:?}"),
        }
        event
    }

    /// The pause after a conflict grew to a minute, so long could the next instance leave users alone.
    #[test]
    fn an_instance_that_stands_by_tries_again_as_often_as_before() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            let event = told(&refused("conflict"), Some(EVERY), &mut backoff);
            let said = "the server says conflict (\"Component already\\nconnected\")".to_owned();
            assert_eq!(event, Event::Standby { said, every: EVERY });
        }
    }

    #[test]
    fn only_a_conflict_is_stood_by_for_and_only_where_instances_share_what_is_stored() {
        let mut backoff = Backoff::default();
        for (condition, standby) in [("conflict", None), ("host-unknown", Some(EVERY))] {
            let event = told(&refused(condition), standby, &mut backoff);
            assert!(matches!(event, Event::Down { .. }), "{event:?}");
        }
    }

    #[test]
    fn a_server_that_is_away_after_a_conflict_is_tried_soon() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            told(&refused("not-authorized"), Some(EVERY), &mut backoff);
        }
        told(&refused("conflict"), Some(EVERY), &mut backoff);
        let (_, pause) = Gap::after_link("lost".to_owned()).told(&mut backoff);
        assert!(pause <= Duration::from_secs(1), "{pause:?}");
    }
}
