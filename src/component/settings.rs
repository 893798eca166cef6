//! What each room is handed of the configuration.

use std::time::Instant;

use crate::bookmarks;
use crate::config::{BookmarksMode, Config, ReservedNamespaces};
use crate::requests::Bounds;
use crate::{link, service};

use super::liveness::Liveness;
use super::watch::Watch;

/// What bounds the open requests.
pub fn bounds(config: &Config) -> Bounds {
    Bounds {
        open: config.limits.max_open_bytes,
        open_of_owner: config.limits.max_user_open_bytes,
        unsent: config.limits.max_unsent_bytes,
    }
}

/// How the router is watched. Any host that is served will do; the first is as good as another.
pub fn liveness(config: &Config) -> Liveness {
    let domain = config.component.jid.to_string();
    let host = config.access.domains.first().unwrap_or(&domain);
    Liveness::new(config.component.ping, &domain, host)
}

/// How it is watched whether domains still delegate: the end is noticed within two pings.
pub fn watch(config: &Config) -> Watch {
    Watch::new(config.component.jid.as_str(), 2 * config.component.ping)
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
pub fn bookmarks(config: &Config) -> bookmarks::Settings {
    bookmarks::Settings {
        from: config.component.jid.to_string(),
        active: config.bookmarks.mode == BookmarksMode::Pep,
        max_rooms: usize::try_from(config.bookmarks.max_rooms).unwrap_or(usize::MAX),
        held: bounds(config).open / 2,
    }
}

/// What the service is handed.
pub fn service(config: &Config) -> service::Settings {
    let limits = &config.limits;
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
        limits: service::Limits {
            max_stanza_bytes: limits.max_stanza_bytes as u64,
            max_depth: limits.max_depth as u64,
            max_namespace_bytes: limits.max_namespace_bytes,
            max_user_bytes: limits.max_user_bytes,
            max_user_elements: limits.max_user_elements,
        },
    }
}
