//! A cable between a client and a server that can be cut: then nothing passes, and neither side learns of
//! it. What was sent meanwhile arrives once it is mended, late, as over a real network.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::support::ports;

/// Passes on what both sides say while it is whole.
pub struct Cable {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    // Its connections end with it.
    _runtime: Runtime,
}

impl Cable {
    /// To this listener, whether it is there already or not.
    pub fn to(server: SocketAddr) -> Cable {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let address = ports::address(ports::free());
        let listener = runtime.block_on(TcpListener::bind(address));
        let listener = listener.expect("a port");
        let (is_cut, state) = watch::channel(false);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server, state.clone()));
            }
        });
        Cable {
            address,
            is_cut,
            _runtime: runtime,
        }
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing passes any more; connections are still taken.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// All that waits passes, and what comes.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn connect(client: TcpStream, server: SocketAddr, mut is_cut: watch::Receiver<bool>) {
    whole(&mut is_cut).await;
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass_on(from_client, to_server, is_cut.clone()) => {}
        () = pass_on(from_server, to_client, is_cut) => {}
    }
}

/// Ends when one side has, once the other may learn of it.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        whole(&mut is_cut).await;
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn whole(is_cut: &mut watch::Receiver<bool>) {
    // Nobody can mend it any more when the sender is gone, and the runtime goes with it.
    let _ = is_cut.wait_for(|is_cut| !is_cut).await;
}

#[test]
fn what_is_sent_while_it_is_cut_arrives_later() {
    use std::io::{Read, Write};
    use std::time::Duration;

    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let cable = Cable::to(server.local_addr().expect("an address"));
    let mut client = std::net::TcpStream::connect(cable.address()).expect("it listens");
    let (mut served, _) = server.accept().expect("a connection");
    let mut byte = [0];
    client.write_all(b"1").expect("it reads");
    served.read_exact(&mut byte).expect("it passes");

    cable.cut();
    client.write_all(b"2").expect("it reads");
    let soon = Some(Duration::from_millis(200));
    served.set_read_timeout(soon).expect("a timeout");
    served.read_exact(&mut byte).expect_err("it is cut");
    // One more is taken, and goes nowhere yet.
    let _second = std::net::TcpStream::connect(cable.address()).expect("it listens");

    cable.mend();
    served.set_read_timeout(None).expect("no timeout");
    served.read_exact(&mut byte).expect("it passes");
    assert_eq!(byte, *b"2");
}
