//! The small services: ping (XEP-0199), version (XEP-0092), last activity (XEP-0012) and time
//! (XEP-0202).

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use xmpp_parsers::time::TimeResult;
use xmpp_parsers::version::VersionResult;

use super::settings::Profile;
use crate::clock;
use super::typed::xml_of;

/// The namespace of last activity, which xmpp-parsers has not.
pub const LAST: &str = "jabber:iq:last";

/// The software, its version, and the operating system where the administrator names one.
pub fn version(profile: &Profile) -> String {
    xml_of(VersionResult {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        os: profile.os.clone(),
    })
}

/// For how many seconds we have been up.
pub fn last(profile: &Profile) -> String {
    let seconds = profile.started.elapsed().as_secs();
    format!("<query xmlns='{LAST}' seconds='{seconds}'/>")
}

/// The time, in UTC: where the machine stands is nobody's business.
pub fn time() -> String {
    xml_of(TimeResult::from(DateTime::<Utc>::from(clock::wall())))
}
