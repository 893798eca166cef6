//! Turns of reading and writing on one link.

use std::future::pending;
use std::io;

use tokio::task::yield_now;

use crate::link::{Inbound, Incoming, Outbound};
use crate::replies::Replies;

/// What was done with the link.
pub enum Turn {
    Read(Incoming),
    /// Something was written, or could not be.
    Wrote(io::Result<()>),
}

/// Reads, if it is to be, or writes, if there is something to write. Where both can be done they have
/// turns: long answers to some must not keep others from being heard.
pub async fn turn(
    wrote: bool,
    inbound: &mut Inbound,
    reading: bool,
    outbound: &mut Outbound,
    replies: &Replies,
) -> Turn {
    let writing = !(replies.is_empty() && outbound.is_done());
    if wrote && writing {
        // As long as something can be written nobody would look what has come.
        yield_now().await;
    }
    let read = async {
        match reading {
            true => Turn::Read(inbound.read().await),
            false => pending().await,
        }
    };
    let write = async {
        match writing {
            true => Turn::Wrote(replies.write(outbound).await),
            false => pending().await,
        }
    };
    if wrote {
        tokio::select! { biased; turn = read => turn, turn = write => turn }
    } else {
        tokio::select! { biased; turn = write => turn, turn = read => turn }
    }
}
