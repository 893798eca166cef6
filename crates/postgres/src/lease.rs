//! For how long what the primary says needs no proof of its own.
//!
//! A commit that the synchronous standbys have confirmed proves that none of them had been promoted when it was sent.
//! A server that has been promoted is not used by any instance until [`GRACE`] after it was first seen (`finder`), so nothing
//! can have been acknowledged elsewhere for that long after the commit was sent. What is asked within [`LEASE`] after it
//! therefore sees all that anybody was told before.
//!
//! Time is the machine's uptime, which goes on while the process is stopped or the machine suspended, and which nobody sets.

use std::cell::Cell;
use std::time::Duration;

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
    last: Cell<Option<(u64, Duration)>>,
    is_renewed: Cell<bool>,
}

impl Lease {
    /// A commit that was sent to this primary at this moment has been confirmed.
    pub(crate) fn prove(&self, epoch: u64, sent: Duration) {
        if self.last.get().is_none_or(|last| last < (epoch, sent)) {
            self.last.set(Some((epoch, sent)));
        }
    }

    /// Whether what was asked at this moment may be answered by this primary, over a connection that was made at that one,
    /// without another proof. After a crash a server shows what was committed and never confirmed, so no proof from before it
    /// counts.
    pub(crate) fn covers(&self, epoch: u64, made: Duration, asked: Duration) -> bool {
        let last = self.last.get();
        last.is_some_and(|(of, sent)| of == epoch && made <= sent && asked <= sent + LEASE)
    }

    /// Whether it is time for another proof, and nobody sees to it yet. Whoever is told so has to.
    pub(crate) fn is_to_be_renewed(&self, now: Duration) -> bool {
        let is_old = |(_, sent)| now >= sent + RENEW;
        self.last.get().is_some_and(is_old) && !self.is_renewed.replace(true)
    }

    pub(crate) fn was_renewed(&self) {
        self.is_renewed.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);
    const BEFORE: Duration = Duration::from_secs(999);

    #[test]
    fn a_proof_lasts_from_when_it_was_sent_and_for_one_primary() {
        let lease = Lease::default();
        assert!(!lease.covers(1, BEFORE, NOW));
        lease.prove(1, NOW);
        assert!(lease.covers(1, BEFORE, NOW) && lease.covers(1, BEFORE, NOW + LEASE));
        assert!(!lease.covers(1, BEFORE, NOW + LEASE + Duration::from_millis(1)));
        assert!(
            !lease.covers(2, BEFORE, NOW),
            "of another primary nothing is known"
        );
        // One that was sent earlier, and answered late, takes nothing away.
        lease.prove(1, NOW - LEASE);
        assert!(lease.covers(1, BEFORE, NOW + LEASE));
        lease.prove(2, NOW);
        lease.prove(1, NOW + LEASE);
        assert!(
            lease.covers(2, BEFORE, NOW) && !lease.covers(1, BEFORE, NOW),
            "nor one of the primary before"
        );
    }

    /// The server may have crashed between.
    #[test]
    fn a_proof_says_nothing_of_a_connection_that_was_made_later() {
        let lease = Lease::default();
        lease.prove(1, NOW);
        let later = NOW + Duration::from_millis(1);
        assert!(!lease.covers(1, later, later));
        lease.prove(1, later);
        assert!(lease.covers(1, later, later));
    }

    #[test]
    fn no_lease_is_longer_than_a_promoted_server_waits() {
        assert!(LEASE < GRACE);
    }

    #[test]
    fn one_at_a_time_renews() {
        let lease = Lease::default();
        assert!(
            !lease.is_to_be_renewed(NOW),
            "nobody has asked for anything yet"
        );
        lease.prove(1, NOW - RENEW);
        assert!(lease.is_to_be_renewed(NOW));
        assert!(!lease.is_to_be_renewed(NOW));
        lease.was_renewed();
        assert!(lease.is_to_be_renewed(NOW));
        lease.prove(1, NOW);
        lease.was_renewed();
        assert!(!lease.is_to_be_renewed(NOW));
    }
}
