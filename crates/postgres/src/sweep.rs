//! Removes the rows of owners who have nothing any more.
//!
//! Such a row tells what became of writes that are in doubt (`settle`), so it goes much later than anybody waits for one, as
//! machines may be halted meanwhile. Each instance does it: what another has removed, or who has come back, is not found
//! any more.

use std::rc::Rc;

use tokio::time::sleep;

use super::error::Trouble;
use super::slot::Ready;
use super::state::State;
use super::wire::Parameters;

/// For how many times as long as a request waits nothing may have come of an owner: a day.
const AGE: u32 = 24 * 60 * 60 / 25;

/// How many are remembered, and removed together.
const MOST: i64 = 50_000;

/// Owners who had nothing, and the stamps of their rows then.
#[derive(Default)]
struct Seen {
    owners: Vec<String>,
    stamps: Vec<i64>,
}

/// Does so again and again.
pub(crate) async fn run(state: Rc<State>) {
    let mut seen = Seen::default();
    loop {
        sleep(state.settings.hold * AGE).await;
        let ready = state.aside.ready().await;
        seen = match go_on(&ready, &seen).await {
            Ok(seen) => seen,
            Err(trouble) => {
                tracing::debug!("owners who have nothing are not removed: {trouble}");
                Seen::default()
            }
        };
    }
}

/// Removes those of whom nothing has come since. Those who have nothing now.
async fn go_on(ready: &Ready, seen: &Seen) -> Result<Seen, Trouble> {
    if !seen.owners.is_empty() {
        let parameters: &Parameters<'_> = &[&seen.owners, &seen.stamps];
        ready
            .wire
            .query(&ready.statements.sweep, parameters)
            .await?;
    }
    let rows = ready.wire.query(&ready.statements.empty, &[&MOST]).await?;
    let mut seen = Seen::default();
    for row in &rows {
        seen.owners.push(row.try_get(0)?);
        seen.stamps.push(row.try_get(1)?);
    }
    Ok(seen)
}
