//! What became of a write whose answer was lost: the stamps tell.
//!
//! A write leaves its stamp in the owner's row, and beside it the one that it was planned over. Stamps are random and
//! never come again, so a row tells of the last two writes. Where more have followed nobody can tell: then the write is
//! not done again, and whoever asked for it learns that it is not known.
//!
//! As long as the row bears what the write was planned over, the write may still happen: the server that lost us may go
//! on with it. So it is sent again until it is done or can happen no more, or nobody waits for it.
//!
//! The row of an owner stays when nothing is left of what they have, as otherwise one that begins could happen twice:
//! done, removed by somebody else, and begun anew by who did not get the answer. [`sweep`](super::sweep) removes the row
//! later than anybody waits.

/// The stamps of an owner's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    pub(crate) stamp: i64,
    pub(crate) was: i64,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    /// It has not happened; what it was planned over may be there no more.
    NotDone,
    Unknown,
}

/// Judges a write that was planned over the stamp `was`, 0 where there was no row, by the owner's row of now.
pub(crate) fn judge(was: i64, stamp: i64, row: Option<Stamps>) -> Verdict {
    let row = row.unwrap_or(Stamps { stamp: 0, was: 0 });
    if row.stamp == stamp || row.was == stamp {
        Verdict::Done
    } else if row.stamp == was || row.was == was {
        Verdict::NotDone
    } else {
        Verdict::Unknown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAS: i64 = 10;
    const OURS: i64 = 11;

    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// The write of which we ask arrives, as often as it was sent.
        Ours,
        /// Another writes, or removes.
        Others,
    }

    /// The row after these events, and how often ours took effect.
    fn run(was: i64, events: &[Event]) -> (Option<Stamps>, usize) {
        let mut row = (was != 0).then_some(Stamps { stamp: was, was: 9 });
        let (mut done, mut next) = (0, 100);
        for event in events {
            let before = row.map_or(0, |row| row.stamp);
            let stamp = match event {
                Event::Ours if before == was => {
                    done += 1;
                    OURS
                }
                Event::Ours => continue,
                Event::Others => {
                    next += 1;
                    next
                }
            };
            row = Some(Stamps { stamp, was: before });
        }
        (row, done)
    }

    proptest! {
        /// Whatever else happens, and however often it is sent, it is done once at most, and no verdict is wrong.
        #[test]
        fn no_verdict_is_wrong(
            was in prop::sample::select(vec![0, WAS]),
            events in prop::collection::vec(
                prop::sample::select(vec![Event::Ours, Event::Others]), 0..6,
            ),
        ) {
            let (row, done) = run(was, &events);
            prop_assert!(done <= 1);
            match judge(was, OURS, row) {
                Verdict::Done => prop_assert_eq!(done, 1),
                Verdict::NotDone => prop_assert_eq!(done, 0),
                Verdict::Unknown => {}
            }
        }
    }

    #[test]
    fn what_others_have_touched_once_is_never_unknown() {
        use Event::{Others, Ours};
        for was in [0, WAS] {
            for events in [
                &[][..],
                &[Ours],
                &[Others],
                &[Ours, Others],
                &[Others, Ours],
            ] {
                let (row, done) = run(was, events);
                let wanted = match done {
                    0 => Verdict::NotDone,
                    _ => Verdict::Done,
                };
                assert_eq!(judge(was, OURS, row), wanted, "{was} {events:?}");
            }
        }
        let gone = judge(WAS, OURS, None);
        assert_eq!(gone, Verdict::Unknown, "somebody has removed the row");
    }
}
