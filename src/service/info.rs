//! What we say of ourselves, at our own address: disco (XEP-0030), ping (XEP-0199), version (XEP-0092),
//! last activity (XEP-0012) and time (XEP-0202).

use chrono::{DateTime, Utc};
use xmpp_parsers::ns as xep;
use xmpp_parsers::time::TimeResult;
use xmpp_parsers::version::VersionResult;

use super::commands::Asker;
use super::disco::{self, LAST};
use super::error::{Condition, StanzaError};
use super::settings::Profile;
use super::typed::xml_of;
use crate::clock;
use crate::stanza::Element;

/// The payload of the answer to this get.
pub fn answer(
    profile: &Profile,
    asker: &Asker<'_>,
    payload: &Element,
) -> Result<String, StanzaError> {
    match (&*payload.namespace, payload.name.as_str()) {
        (xep::DISCO_INFO, "query") => disco::info(payload, profile, asker),
        (xep::DISCO_ITEMS, "query") => disco::items(payload, asker),
        (xep::PING, "ping") => Ok(String::new()),
        (xep::VERSION, "query") => Ok(version(profile)),
        (LAST, "query") => Ok(last(profile)),
        (xep::TIME, "time") => Ok(time()),
        _ => {
            let text = "This service does not know that request.";
            Err(StanzaError::new(Condition::ServiceUnavailable, text))
        }
    }
}

/// The software, its version, and the operating system where the administrator names one.
fn version(profile: &Profile) -> String {
    xml_of(VersionResult {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        os: profile.os.clone(),
    })
}

/// For how many seconds we have been up.
fn last(profile: &Profile) -> String {
    let seconds = profile.started.elapsed().as_secs();
    format!("<query xmlns='{LAST}' seconds='{seconds}'/>")
}

/// The time, in UTC: where the machine stands is nobody's business.
fn time() -> String {
    xml_of(TimeResult::from(DateTime::<Utc>::from(clock::wall())))
}
