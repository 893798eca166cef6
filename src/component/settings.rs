//! What each module is handed of the configuration.

use crate::bookmarks;
use crate::clock::Instant;
use crate::config::{BookmarksMode, Config, ReservedNamespaces};
use crate::{link, requests, service};

use super::delegations::Delegations;
use super::liveness::Liveness;
use super::watch::Watch;

pub fn requests(config: &Config) -> requests::Settings {
    requests::Settings {
        service: service(config),
        bookmarks: bookmarks(config),
    }
}

/// How the server is watched. Any host that is served will do; the first is as good as another.
pub fn liveness(config: &Config) -> Liveness {
    let domain = config.component.jid.to_string();
    let host = config.access.domains.first().unwrap_or(&domain);
    Liveness::new(config.component.ping, &domain, host)
}

/// Who may delegate. That a domain does so no more is noticed within two pings.
pub fn delegations(config: &Config) -> Delegations {
    let watch = Watch::new(config.component.jid.as_str(), 2 * config.component.ping);
    Delegations::new(config.access.domains.clone(), watch)
}

/// What the link is handed.
pub fn link(config: &Config) -> link::Settings {
    let limits = &config.limits;
    link::Settings {
        server: config.component.server.clone(),
        tls: config.component.tls.clone(),
        domain: config.component.jid.to_string(),
        secret: config.component.secret.clone(),
        max_stanza_bytes: limits.max_stanza_bytes,
        max_depth: limits.max_depth,
        // A set of more elements than an owner may have at all is refused in any case. Of what must
        // be there once, such as the payload of an iq, two are told from one.
        max_children: usize::try_from(limits.max_user_elements)
            .unwrap_or(usize::MAX)
            .max(2),
        containers: service::CONTAINERS,
    }
}

/// How room bookmarks are kept in step.
fn bookmarks(config: &Config) -> bookmarks::Settings {
    bookmarks::Settings {
        from: config.component.jid.to_string(),
        active: config.bookmarks.mode == BookmarksMode::Pep,
        max_rooms: config.bookmarks.max_rooms,
        held: config.limits.max_open_bytes / 2,
    }
}

/// What the service is handed.
fn service(config: &Config) -> service::Settings {
    service::Settings {
        profile: service::Profile {
            domain: config.component.jid.to_string(),
            contact: config.disco.contact.clone(),
            os: config.disco.os.clone(),
            started: Instant::now(),
        },
        domains: config.access.domains.clone(),
        admins: service::accounts(&config.access.admins),
        reserved: match config.access.reserved_namespaces {
            ReservedNamespaces::Refuse => service::Reserved::Refuse,
            ReservedNamespaces::Accept => service::Reserved::Accept,
        },
        limits: config.limits,
    }
}
