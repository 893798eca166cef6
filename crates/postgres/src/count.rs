//! How much is stored altogether, told by one instance of all.
//!
//! Whoever holds the counter counts and tells; the others tell nothing. It is held for a while, and falls to another when
//! its holder has gone.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::error::Trouble;
use super::slot::Ready;
use super::state::State;
use super::whole;
use super::wire::Parameters;
use xps_base::random;

/// How often it is counted, how long that may take, and after how long without a sign of its holder another takes the
/// counter.
const EVERY: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(30);
const HELD_SECONDS: i64 = 150;

/// Counts again and again.
pub(crate) async fn run(state: Rc<State>) {
    // Not the name of the instance: two may have the same by mistake.
    let holder = format!("{:016x}", random::number());
    loop {
        let Ok(ready) = timeout(EVERY, state.aside.ready()).await else {
            state.shared.observe(|it| it.stored(None));
            continue;
        };
        let stored = count(&ready, &holder).await.unwrap_or_else(|trouble| {
            tracing::debug!("what is stored cannot be counted: {trouble}");
            None
        });
        state.shared.observe(|it| it.stored(stored));
        sleep(EVERY).await;
    }
}

/// The bytes and the owners; `None` if that is for another to tell.
async fn count(ready: &Ready, holder: &str) -> Result<Option<(u64, u64)>, Trouble> {
    let parameters: &Parameters<'_> = &[&holder, &HELD_SECONDS];
    let held = ready
        .wire
        .query(&ready.statements.counter, parameters)
        .await?;
    if held.is_empty() {
        return Ok(None);
    }
    let totals = whole::count(ready, PATIENCE).await?;
    Ok(Some((totals.amount.bytes, totals.owners)))
}
