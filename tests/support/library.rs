//! A client as others write them: tokio-xmpp's own, unmodified.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use futures::StreamExt;
use minidom::Element;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_xmpp::connect::{DnsConfig, TcpServerConnector};
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Client, Event, IqRequest, IqResponse};
use xmpp_parsers::jid::Jid;

use super::client::PATIENCE;
use super::server::PASSWORD;

const GOODBYE: Duration = Duration::from_secs(2);

/// A logged-in client, and the runtime it lives on.
pub struct LibraryClient {
    client: Option<Client>,
    runtime: Runtime,
}

impl LibraryClient {
    /// Logs in over plain TCP.
    pub fn connect(jid: &str, address: SocketAddr) -> LibraryClient {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let jid = Jid::from_str(jid).expect("a JID");
        let connector = TcpServerConnector(DnsConfig::addr(&address.to_string()));
        let client = runtime.block_on(async {
            let mut client =
                Client::new_with_connector(jid, PASSWORD, connector, Timeouts::default());
            match timeout(PATIENCE, client.next()).await {
                Ok(Some(Event::Online { .. })) => client,
                other => panic!("not online: {other:?}"),
            }
        });
        LibraryClient {
            client: Some(client),
            runtime,
        }
    }

    /// Asks the account itself, or `to`.
    pub fn request(&mut self, to: Option<&str>, request: IqRequest) -> Option<Element> {
        let to = to.map(|jid| Jid::from_str(jid).expect("a JID"));
        let client = self.client.as_mut().expect("connected");
        let answer = self.runtime.block_on(async {
            let token = client.send_iq(to, request).await;
            timeout(PATIENCE, token).await
        });
        match answer.expect("an answer in time").expect("a stream") {
            IqResponse::Result(payload) => payload,
            IqResponse::Error(error) => panic!("{error:?}"),
        }
    }
}

impl Drop for LibraryClient {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let goodbye = async { timeout(GOODBYE, client.send_end()).await };
            let _ = self.runtime.block_on(goodbye);
        }
    }
}
