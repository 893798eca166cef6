//! Connections that a simulator plays, for the thread that it runs on. No build for use has any of this.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::endpoint::Endpoint;

/// The half of a connection that is read.
pub struct Reads(pub Box<dyn AsyncRead + Unpin>);

/// The half that is written.
pub struct Writes(pub Box<dyn AsyncWrite + Unpin>);

/// What becomes of an attempt to connect.
pub type Dialled = Pin<Box<dyn Future<Output = io::Result<(Reads, Writes)>>>>;

type Dial = Rc<dyn Fn(&Endpoint) -> Dialled>;

thread_local! {
    static DIAL: RefCell<Option<Dial>> = const { RefCell::new(None) };
}

/// Who connects on this thread from now on connects by this.
pub fn connect_by(dial: impl Fn(&Endpoint) -> Dialled + 'static) {
    DIAL.with_borrow_mut(|it| *it = Some(Rc::new(dial)));
}

/// From now on as ever.
pub fn connect_as_ever() {
    DIAL.with_borrow_mut(|it| *it = None);
}

/// A played connection, if it is made within this time; `None` where nothing is played.
pub(crate) async fn dial(
    server: &Endpoint,
    within: Duration,
) -> Option<io::Result<(Reads, Writes)>> {
    let dial = DIAL.with_borrow(Clone::clone)?;
    let dialled = timeout(within, dial(server)).await;
    Some(dialled.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())))
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reads")
    }
}

impl fmt::Debug for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writes")
    }
}
