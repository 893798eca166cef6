//! The database fails while users work, and no promise is broken: nothing that was acknowledged is lost,
//! nothing takes effect twice or late, no set is there in part, and everybody has an answer within 30 s,
//! if only that it has to be tried again.
//!
//! Here a primary with a synchronous standby, and whoever promotes it is the test. `patroni` has the same
//! with a database that fails over by itself; it takes long, and `scripts/prove-failover` runs it.

mod absent;
mod bounds;
mod cable;
mod load;
mod owner;
mod pair;
#[cfg_attr(
    not(feature = "patroni"),
    allow(dead_code, reason = "only scripts/prove-failover runs it")
)]
mod patroni;
mod tally;
