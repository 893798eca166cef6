//! TLS in front of a listener that has none, as stunnel does it: it makes a scripted server one
//! that speaks TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificates::Identity;

/// How much it holds in each direction, and the system for it: little, so that whoever does not
/// read is felt.
const BUFFER: u32 = 16 * 1024;

/// Speaks TLS to whoever connects, and passes on what they say.
pub struct Front {
    address: SocketAddr,
    // Its connections end with it.
    _runtime: Runtime,
}

impl Front {
    /// In front of this listener, with this certificate.
    pub fn new(behind: SocketAddr, identity: &Identity) -> Front {
        let (certificate, key) = identity.der();
        let key = PrivateKeyDer::try_from(key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate)], key)
            .expect("a certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = {
            let _inside = runtime.enter();
            let socket = socket();
            socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
            socket.listen(8).expect("a listener")
        };
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((outer, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut outer = acceptor.accept(outer).await?;
                    let mut inner = socket().connect(behind).await?;
                    let size = BUFFER as usize;
                    copy_bidirectional_with_sizes(&mut outer, &mut inner, size, size).await
                });
            }
        });
        Front {
            address,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One for which the system keeps little.
fn socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(BUFFER).expect("a small buffer");
    socket.set_recv_buffer_size(BUFFER).expect("a small buffer");
    socket
}
