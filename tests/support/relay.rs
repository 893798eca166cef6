//! Stands between the component and its server, and breaks their link where a test wants it to, or holds
//! each stanza of the component's until a test lets it pass.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::cutter::Cutter;

/// Passes on what both sides say, until it is cut.
pub struct Relay {
    address: SocketAddr,
    blade: Arc<Blade>,
    // Its connections end with it.
    runtime: Runtime,
}

/// Where stanzas of the component's wait. Once it is gone, all pass.
pub struct Gate<'r> {
    relay: &'r Relay,
    waiting: UnboundedReceiver<Waiting>,
}

/// A stanza of the component's that waits. Once it is gone, the stanza passes.
pub struct Waiting {
    /// As it was sent.
    pub stanza: String,
    _passes: oneshot::Sender<()>,
}

#[derive(Default)]
struct Blade {
    now: Notify,
    /// Nothing passes any more on the connections that there are, and they stay.
    freeze: Notify,
    /// Those that are frozen end.
    end_frozen: Notify,
    /// After how many more bytes of the component's.
    after: Mutex<Option<usize>>,
    gate: Mutex<Option<UnboundedSender<Waiting>>>,
}

impl Relay {
    /// In front of this listener.
    pub fn new(behind: SocketAddr) -> Relay {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let blade = Arc::<Blade>::default();
        let held = Arc::clone(&blade);
        runtime.spawn(async move {
            while let Ok((component, _)) = listener.accept().await {
                tokio::spawn(pass_on(component, behind, Arc::clone(&held)));
            }
        });
        Relay {
            address,
            blade,
            runtime,
        }
    }

    /// Has each stanza wait from now on.
    pub fn gate(&self) -> Gate<'_> {
        let (gate, waiting) = unbounded_channel();
        *self.blade.gate.lock().expect("no panic there") = Some(gate);
        Gate {
            relay: self,
            waiting,
        }
    }

    /// Where the component finds it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the connections that there are.
    pub fn cut(&self) {
        self.cut_after(None);
        self.blade.now.notify_waiters();
    }

    /// Nothing passes any more on the connections that there are: neither side learns what becomes of the
    /// other. New ones are not concerned.
    pub fn freeze(&self) {
        self.blade.freeze.notify_waiters();
    }

    /// Ends those that are frozen.
    pub fn end_frozen(&self) {
        self.blade.end_frozen.notify_waiters();
    }

    /// Ends the connection that passes so many more bytes of the component's; none never.
    pub fn cut_after(&self, bytes: Option<usize>) {
        *self.blade.after.lock().expect("no panic there") = bytes;
    }

    /// Whether that is still to come.
    pub fn is_to_cut(&self) -> bool {
        self.blade.after.lock().expect("no panic there").is_some()
    }
}

impl Gate<'_> {
    /// The next stanza that waits; none if none comes in so long a time.
    pub fn next(&mut self, patience: Duration) -> Option<Waiting> {
        let waiting = &mut self.waiting;
        let next = async move { timeout(patience, waiting.recv()).await };
        self.relay.runtime.block_on(next).ok()?
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        *self.relay.blade.gate.lock().expect("no panic there") = None;
    }
}

impl Blade {
    /// Returns once these bytes of the component's may pass.
    async fn wait_at_gate(&self, cutter: &mut Cutter, bytes: &[u8]) {
        cutter.feed(bytes);
        while let Some(stanza) = cutter.piece() {
            let gate = self.gate.lock().expect("no panic there").clone();
            let Some(gate) = gate else { continue };
            let (passes, passed) = oneshot::channel();
            let waiting = Waiting {
                stanza,
                _passes: passes,
            };
            if gate.send(waiting).is_ok() {
                // It ends by being dropped.
                let _ = passed.await;
            }
        }
    }

    /// How many of these bytes pass, and whether that was all.
    fn passes(&self, bytes: usize) -> (usize, bool) {
        let mut after = self.after.lock().expect("no panic there");
        match *after {
            Some(left) if left <= bytes => {
                *after = None;
                (left, true)
            }
            Some(left) => {
                *after = Some(left - bytes);
                (bytes, false)
            }
            None => (bytes, false),
        }
    }
}

async fn pass_on(component: TcpStream, behind: SocketAddr, blade: Arc<Blade>) {
    let Ok(server) = TcpStream::connect(behind).await else {
        return;
    };
    let _ = (component.set_nodelay(true), server.set_nodelay(true));
    let (mut from_component, mut to_component) = component.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        () = blade.now.notified() => {}
        () = blade.freeze.notified() => blade.end_frozen.notified().await,
        () = up_to_the_cut(&mut from_component, &mut to_server, &blade) => {}
        _ = copy(&mut from_server, &mut to_component) => {}
    }
}

async fn up_to_the_cut(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, blade: &Blade) {
    let mut buffer = vec![0; 64 * 1024];
    let mut cutter = Cutter::default();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        blade.wait_at_gate(&mut cutter, &buffer[..read]).await;
        let (passed, is_cut) = blade.passes(read);
        if to.write_all(&buffer[..passed]).await.is_err() || is_cut {
            return;
        }
    }
}
