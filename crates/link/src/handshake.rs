//! Logging in as XEP-0114 section 3 has it.

use std::time::Duration;

use secrecy::ExposeSecret;
use sha1::{Digest, Sha1};
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::inbound::End;
use super::{ConnectError, Link, Settings, Step};
use xmpp_stanza::stanza::{Element, escape_attribute, ns};

/// How long the server may take for each step.
const STEP: Duration = Duration::from_secs(30);

/// Opens the stream and proves the secret. What the server sends right behind its `<handshake/>`
/// stays with the link.
pub async fn log_in(
    link: &mut Link,
    settings: &Settings,
    reached: &mut impl FnMut(Step),
) -> Result<(), ConnectError> {
    let server = &settings.server;
    link.outbound
        .send(&header(&settings.domain))
        .await
        .map_err(|_| ConnectError::Closed(server.clone()))?;

    let opened = wait(settings, "open a stream", link.inbound.open()).await?;
    let stream = opened.map_err(|end| match end {
        // So does ejabberd where it expects TLS.
        End::Eof | End::Io(_)
            if settings.tls.is_none() && matches!(server, Endpoint::Tcp { .. }) =>
        {
            ConnectError::ClosedPlain(server.clone())
        }
        end => refused(settings, end),
    })?;
    if !stream.is(ns::STREAMS, "stream") {
        return Err(ConnectError::NotXmpp(
            server.clone(),
            "its stream has another namespace",
        ));
    }
    // A server may call the stream so and mean it well. One that lets nobody in speaks with others.
    let partners = match link.inbound.default_namespace() {
        Some("jabber:server") => Some("other servers"),
        Some(ns::CLIENT) => Some("clients"),
        _ => None,
    };
    // Without an id there is nothing to prove ourselves with: Prosody sends such a header only
    // to say in the same breath what is wrong.
    let id = stream.attribute("id").filter(|id| !id.is_empty());
    if let Some(id) = id {
        reached(Step::Opened);
        let digest = digest(id, settings.secret.expose_secret());
        link.outbound
            .send(&format!("<handshake>{digest}</handshake>"))
            .await
            .map_err(|_| ConnectError::Closed(server.clone()))?;
    }

    let answer = wait(settings, "complete the login", link.inbound.next()).await?;
    let answer = answer.map_err(|end| match (partners, refused(settings, end)) {
        (Some(partners), error) if !error.is_about_the_stream() && !error.is_of_components() => {
            ConnectError::NotForComponents(server.clone(), partners)
        }
        (_, error) => error,
    })?;
    if is_handshake(&answer.stanza) {
        Ok(())
    } else {
        let why = "it answered the login with something else";
        Err(ConnectError::NotXmpp(server.clone(), why))
    }
}

/// `hex(sha1(id + secret))`, in lower case: ejabberd takes nothing else.
fn digest(id: &str, secret: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(id.as_bytes());
    sha1.update(secret.as_bytes());
    hex::encode(sha1.finalize())
}

fn header(domain: &str) -> String {
    let mut header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' to='",
        ns::ACCEPT,
        ns::STREAMS
    );
    escape_attribute(domain, &mut header);
    header.push_str("'>");
    header
}

fn is_handshake(element: &Element) -> bool {
    element.is(ns::ACCEPT, "handshake")
}

async fn wait<T>(
    settings: &Settings,
    what: &'static str,
    step: impl Future<Output = T>,
) -> Result<T, ConnectError> {
    timeout(STEP, step)
        .await
        .map_err(|_| ConnectError::Silent(settings.server.clone(), what, STEP.as_secs()))
}

fn refused(settings: &Settings, end: End) -> ConnectError {
    let server = settings.server.clone();
    match end {
        End::StreamError(error) => ConnectError::Refused(server, settings.domain.clone(), error),
        End::NotXml(why) => ConnectError::NotXmpp(server, why),
        End::Closed | End::Eof | End::Io(_) => ConnectError::Closed(server),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of XEP-0114 section 3.
    #[test]
    fn proves_the_secret_as_the_specification_does() {
        assert_eq!(
            digest("3BF96D32", "test"),
            "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e"
        );
    }

    #[test]
    fn escapes_the_domain() {
        assert!(header("a'b").ends_with(" to='a&apos;b'>"));
    }
}
