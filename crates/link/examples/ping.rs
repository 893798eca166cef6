//! Answers pings (XEP-0199): `ping SERVER DOMAIN SECRET`.

use std::error::Error;

use xmpp_component_link::{Endpoint, Link, Settings};
use xmpp_stanza::stanza::{ns, write_attribute};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, server, domain, secret] = &*arguments else {
        return Err("usage: ping SERVER DOMAIN SECRET".into());
    };
    let settings = Settings {
        server: Endpoint::parse(server).ok_or("SERVER is host:port")?,
        tls: None,
        domain: domain.clone(),
        secret: secret.as_str().into(),
        max_stanza_bytes: 1 << 20,
        max_depth: 64,
        max_children: 16,
        containers: &[],
    };
    let mut link = Link::connect(&settings, |_| {}).await?;
    println!("{domain} is up");
    while let Ok(received) = link.inbound.next().await {
        let iq = &received.stanza;
        let is_get = iq.is(ns::ACCEPT, "iq") && iq.attribute("type") == Some("get");
        if is_get && iq.children.iter().any(|it| it.is("urn:xmpp:ping", "ping")) {
            let mut pong = "<iq type='result'".to_owned();
            for (name, from) in [("id", "id"), ("to", "from"), ("from", "to")] {
                write_attribute(name, iq.attribute(from).unwrap_or_default(), &mut pong);
            }
            pong.push_str("/>");
            link.outbound.send(&pong).await?;
        }
    }
    Ok(())
}
