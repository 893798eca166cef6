//! What became of a write whose answer was lost: the stamps tell.
//!
//! A write leaves its stamp in the owner's row, and beside it the one that it was planned over. Stamps are random and
//! never come again, so a row tells of the last two writes. Where more have followed, or the row was removed and begun
//! anew, nobody can tell: then the write is not done again, and whoever asked for it learns that it is not known.
//!
//! As long as the row bears what the write was planned over, the write may still happen: the server that lost us may go
//! on with it. So it is sent again until it is done or can happen no more.

use super::plan::Effect;

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

/// Judges a write that would have this effect, planned over the stamp `was`, by the owner's row of now.
pub(crate) fn judge(effect: Effect, was: i64, stamp: i64, row: Option<Stamps>) -> Verdict {
    match (effect, row) {
        (Effect::None, _) | (Effect::End, None) => Verdict::Done,
        (Effect::Begin | Effect::GoOn, Some(row)) if row.stamp == stamp || row.was == stamp => {
            Verdict::Done
        }
        (Effect::GoOn | Effect::End, Some(row)) if row.stamp == was || row.was == was => {
            Verdict::NotDone
        }
        // What was there has gone, and others have begun anew.
        (Effect::End, Some(row)) if row.was == 0 => Verdict::Done,
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAS: i64 = 10;
    const OURS: i64 = 11;

    /// What others and the lost write do to a row, as the database would.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Ours,
        Write,
        Remove,
    }

    /// The row after these events; how often ours took effect; and whether it still can.
    fn run(effect: Effect, events: &[Event]) -> (Option<Stamps>, bool, bool) {
        let begun = effect != Effect::Begin;
        let mut row = begun.then_some(Stamps { stamp: WAS, was: 9 });
        let (mut done, mut next) = (false, 100);
        let applies = |row: Option<Stamps>| match effect {
            Effect::Begin => row.is_none(),
            Effect::GoOn | Effect::End => row.is_some_and(|row| row.stamp == WAS),
            Effect::None => true,
        };
        for event in events {
            match event {
                Event::Ours if !done && applies(row) => {
                    done = true;
                    row = (effect != Effect::End).then_some(Stamps {
                        stamp: OURS,
                        was: if begun { WAS } else { 0 },
                    });
                }
                Event::Ours => {}
                Event::Write => {
                    let was = row.map_or(0, |row| row.stamp);
                    row = Some(Stamps { stamp: next, was });
                    next += 1;
                }
                Event::Remove => row = None,
            }
        }
        (row, done, applies(row))
    }

    proptest! {
        /// Whatever else happens, no verdict is wrong. `End` counts as done once nothing is left of what it was planned
        /// over, whoever did it.
        #[test]
        fn no_verdict_is_wrong(
            effect in prop::sample::select(vec![Effect::Begin, Effect::GoOn, Effect::End]),
            events in prop::collection::vec(
                prop::sample::select(vec![Event::Ours, Event::Write, Event::Remove]), 0..6,
            ),
        ) {
            let (row, done, _) = run(effect, &events);
            let was = if effect == Effect::Begin { 0 } else { WAS };
            match judge(effect, was, OURS, row) {
                Verdict::Done if effect == Effect::End => {
                    let removed = events.iter().any(|it| matches!(it, Event::Remove));
                    prop_assert!(done || removed);
                }
                Verdict::Done => prop_assert!(done),
                Verdict::NotDone => prop_assert!(!done),
                Verdict::Unknown => {}
            }
        }
    }

    #[test]
    fn what_nobody_else_touched_is_never_unknown() {
        for effect in [Effect::GoOn, Effect::End] {
            for events in [
                &[][..],
                &[Event::Ours],
                &[Event::Write],
                &[Event::Ours, Event::Write],
            ] {
                let (row, done, _) = run(effect, events);
                let verdict = judge(effect, WAS, OURS, row);
                let wanted = if done {
                    Verdict::Done
                } else {
                    Verdict::NotDone
                };
                assert_eq!(verdict, wanted, "{effect:?} {events:?}");
            }
        }
        let (row, ..) = run(Effect::Begin, &[Event::Ours]);
        assert_eq!(judge(Effect::Begin, 0, OURS, row), Verdict::Done);
    }
}
