//! What is read for writing: what owners have, and what became of a write.

use futures_util::future::join;

use super::error::Trouble;
use super::known::Known;
use super::settle::Stamps;
use super::slot::Ready;
use super::wire::Parameters;
use xps_store::Amount;

/// The most that the names of what is read at once may come to, in bytes, beside those of one owner.
const NAMES_BYTES: i64 = 32 * 1024 * 1024;

/// What these owners have, as of one moment: the first of them at least. Whoever answers from it alone has to have it
/// proved.
pub(crate) async fn known(ready: &Ready, owners: &[&str]) -> Result<Vec<Option<Known>>, Trouble> {
    let parameters: &Parameters<'_> = &[&owners, &NAMES_BYTES];
    let rows = ready.wire.query(&ready.statements.load, parameters).await?;
    let mut all = vec![Some(Known::default()); owners.len()];
    for row in &rows {
        let Some(known) = place(row.try_get(0)?).and_then(|at| all.get_mut(at)) else {
            continue;
        };
        if !row.try_get::<_, bool>(6)? {
            *known = None;
        }
        let Some(known) = known else { continue };
        known.stamp = row.try_get(1)?;
        let names: (Option<&str>, Option<&str>) = (row.try_get(2)?, row.try_get(3)?);
        let sizes: (Option<i32>, Option<i32>) = (row.try_get(4)?, row.try_get(5)?);
        if let ((Some(namespace), Some(name)), (Some(bytes), Some(elements))) = (names, sizes) {
            let size = Amount {
                bytes: u64::try_from(bytes).unwrap_or_default(),
                elements: u64::try_from(elements).unwrap_or_default(),
            };
            known.put(namespace, name, Some(size));
        }
    }
    Ok(all)
}

/// The stamps of an owner's row and note; those that are there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) owner: Option<Stamps>,
    pub(crate) note: Option<i64>,
}

/// The stamps of these owners, proved.
pub(crate) async fn marks(ready: &Ready, owners: &[&str]) -> Result<Vec<Marks>, Trouble> {
    let parameters: &Parameters<'_> = &[&owners];
    let (rows, proof) = join(
        ready.wire.query(&ready.statements.stamps, parameters),
        ready.wire.query(&ready.statements.proof, &[]),
    )
    .await;
    let rows = rows?;
    proof?;
    let mut all = vec![Marks::default(); owners.len()];
    for row in &rows {
        let Some(marks) = place(row.try_get(0)?).and_then(|at| all.get_mut(at)) else {
            continue;
        };
        let stamps: (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        if let (Some(stamp), Some(was)) = stamps {
            marks.owner = Some(Stamps { stamp, was });
        }
        marks.note = row.try_get(3)?;
    }
    Ok(all)
}

/// The server counts from 1 on.
fn place(at: i64) -> Option<usize> {
    usize::try_from(at).ok()?.checked_sub(1)
}
