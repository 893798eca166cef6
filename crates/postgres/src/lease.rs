//! For how long what the primary says needs no proof of its own.
//!
//! A commit that the synchronous standbys have confirmed proves that none of them had been promoted when it was sent.
//! A server that has been promoted is not used by any instance until [`GRACE`] after it was first seen (`finder`), so nothing
//! can have been acknowledged elsewhere for that long after the commit was sent. What is asked within [`LEASE`] after it
//! therefore sees all that anybody was told before.

use std::cell::Cell;
use std::time::Duration;

use xps_base::clock::Instant;

/// How long a proof lasts, from the moment in which it was sent.
pub(crate) const LEASE: Duration = Duration::from_millis(250);

/// How long a promoted server is left alone. Clocks of different machines need not agree; they only have to run at about
/// the same speed.
pub(crate) const GRACE: Duration = Duration::from_millis(300);

/// When a proof is renewed before it has run out.
const RENEW: Duration = Duration::from_millis(125);

/// The last proof.
#[derive(Default)]
pub(crate) struct Lease {
    /// To which primary it was sent, and when.
    last: Cell<Option<(u64, Instant)>>,
    is_renewed: Cell<bool>,
}

impl Lease {
    /// A commit that was sent to this primary at this moment has been confirmed.
    pub(crate) fn prove(&self, epoch: u64, sent: Instant) {
        if self.last.get().is_none_or(|last| last < (epoch, sent)) {
            self.last.set(Some((epoch, sent)));
        }
    }

    /// Whether what was asked at this moment may be answered by this primary without another proof.
    pub(crate) fn covers(&self, epoch: u64, asked: Instant) -> bool {
        let last = self.last.get();
        last.is_some_and(|(of, sent)| of == epoch && asked <= sent + LEASE)
    }

    /// Whether it is time for another proof, and nobody sees to it yet. Whoever is told so has to.
    pub(crate) fn is_to_be_renewed(&self) -> bool {
        let is_old = self
            .last
            .get()
            .is_some_and(|(_, sent)| sent.elapsed() >= RENEW);
        is_old && !self.is_renewed.replace(true)
    }

    pub(crate) fn was_renewed(&self) {
        self.is_renewed.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_lasts_from_when_it_was_sent_and_for_one_primary() {
        let lease = Lease::default();
        let sent = Instant::now();
        assert!(!lease.covers(1, sent));
        lease.prove(1, sent);
        assert!(lease.covers(1, sent) && lease.covers(1, sent + LEASE));
        assert!(!lease.covers(1, sent + LEASE + Duration::from_millis(1)));
        assert!(
            !lease.covers(2, sent),
            "of another primary nothing is known"
        );
        // One that was sent earlier, and answered late, takes nothing away.
        lease.prove(1, sent - LEASE);
        assert!(lease.covers(1, sent + LEASE));
        lease.prove(2, sent);
        lease.prove(1, sent + LEASE);
        assert!(
            lease.covers(2, sent) && !lease.covers(1, sent),
            "nor one of the primary before"
        );
    }

    #[test]
    fn no_lease_is_longer_than_a_promoted_server_waits() {
        assert!(LEASE < GRACE);
    }

    #[test]
    fn one_at_a_time_renews() {
        let lease = Lease::default();
        assert!(
            !lease.is_to_be_renewed(),
            "nobody has asked for anything yet"
        );
        lease.prove(1, Instant::now() - RENEW);
        assert!(lease.is_to_be_renewed());
        assert!(!lease.is_to_be_renewed());
        lease.was_renewed();
        assert!(lease.is_to_be_renewed());
        lease.prove(1, Instant::now());
        lease.was_renewed();
        assert!(!lease.is_to_be_renewed());
    }
}
