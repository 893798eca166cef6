//! What TLS takes and the connection does not.

use std::cell::RefCell;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::server;

use super::*;
use crate::Fingerprint;
use crate::socket::{ReadHalf, WriteHalf, encrypted};
use crate::{Outbound, Outbox};

/// A connection that holds little; ours, and the server's.
async fn connection() -> ((ReadHalf, WriteHalf), server::TlsStream<TcpStream>) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::default().self_signed(&key);
    let certificate = certificate.expect("a certificate").der().clone();
    let tls = Tls {
        name: ServerName::try_from("router.test").expect("a name"),
        trust: Trust::Pin(Fingerprint(Sha256::digest(&certificate).into())),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");

    let socket = || {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_send_buffer_size(4096).expect("a buffer");
        socket.set_recv_buffer_size(4096).expect("a buffer");
        socket
    };
    let listener = socket();
    let any = ([127, 0, 0, 1], 0).into();
    listener.bind(any).expect("a port");
    let listener = listener.listen(1).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let router = async {
        let (socket, _) = listener.accept().await.expect("a connection");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        acceptor.accept(socket).await.expect("TLS")
    };
    let component = async {
        let socket = socket().connect(address).await.expect("a connection");
        encrypt(socket, &tls).await.expect("TLS")
    };
    let (router, component) = tokio::join!(router, component);
    (encrypted(component), router)
}

/// An empty outbox is not written: what TLS held back then would never leave.
#[tokio::test]
async fn nothing_counts_as_written_before_the_connection_has_it() {
    let ((_read, write), mut router) = connection().await;
    let mut outbound = Outbound::new(write);
    let outbox = RefCell::new(Outbox::default());
    let reply = format!("<a>{}</a>", "v".repeat(60_000));
    outbox.borrow_mut().push(reply.clone());

    let stuck = timeout(Duration::from_millis(200), outbound.write(&outbox));
    assert!(stuck.await.is_err(), "nobody has read it");
    assert!(!outbox.borrow().is_empty(), "and it is to be written still");

    // The write that was given up goes on where it was, and nothing comes twice.
    let mut received = vec![0; reply.len()];
    let (written, read) = tokio::join!(
        async {
            while !outbox.borrow().is_empty() {
                outbound.write(&outbox).await?;
            }
            outbound.send("<end/>").await?;
            outbound.shutdown().await
        },
        router.read_exact(&mut received)
    );
    written.expect("written");
    read.expect("read");
    assert!(received == reply.as_bytes());
    let mut rest = String::new();
    router
        .read_to_string(&mut rest)
        .await
        .expect("TLS's farewell");
    assert_eq!(rest.trim_start(), "<end/>", "behind blanks");
}

#[tokio::test]
async fn it_reads_while_it_cannot_write() {
    let ((mut read, mut write), mut router) = connection().await;
    let bytes = vec![b'v'; 1 << 20];
    tokio::select! {
        _ = write.write_all(&bytes) => panic!("nobody has read it"),
        read = async {
            router.write_all(b"<iq/>").await.expect("written");
            router.flush().await.expect("flushed");
            let mut buffer = [0; 64];
            read.read(&mut buffer).await
        } => assert_eq!(read.ok(), Some(5)),
    }
}

/// As servers close when they shut down.
#[tokio::test]
async fn a_connection_that_just_ends_is_at_its_end() {
    let ((mut read, _write), router) = connection().await;
    let (mut socket, _) = router.into_inner();
    socket.shutdown().await.expect("closed");
    assert_eq!(read.read(&mut [0; 64]).await.ok(), Some(0));
}

#[test]
fn tls_is_known_by_its_first_bytes() {
    assert!(is_record(b"\x15\x03\x03\x00\x02\x02\x46"), "an alert");
    assert!(is_record(b"\x16\x03\x01\x00\xfa"), "a handshake");
    assert!(!is_record(b"<?xml version='1.0'?>"));
    assert!(!is_record(b"\x15"));
    assert!(!is_record(b""));
}
