//! Logging in to one host.

use std::rc::Rc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode};

use super::error::{OpenError, io_reason, plain};
use super::settings::Settings;
use super::socket::Socket;
use super::tls::Encryption;
use super::wire::Wire;

/// How long a host may take to accept, to let us in and to say what it is. A machine that hangs accepts connections,
/// and says nothing.
pub(crate) const CONNECT: Duration = Duration::from_secs(2);

/// Why a host is of no use.
#[derive(Clone, Debug)]
pub(crate) enum Useless {
    /// For now; the next attempt may find it otherwise.
    Now(String),
    /// It has not answered for so long.
    Silent(Duration),
    /// Somebody has to do something about it.
    Wrong(OpenError),
}

impl Useless {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Now(reason) => reason.clone(),
            Self::Silent(limit) => format!("no answer within {} s", limit.as_secs()),
            Self::Wrong(error) => error.to_string(),
        }
    }
}

/// Does this for so long and no longer.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Useless>>,
) -> Result<T, Useless> {
    let silent = |_| Err(Useless::Silent(limit));
    timeout(limit, work).await.unwrap_or_else(silent)
}

/// Connects to the host at this place in the list, and logs in. For the caller to bound.
pub(crate) async fn connect(settings: &Settings, at: usize) -> Result<Rc<Wire>, Useless> {
    let host = settings.host(at);
    let encryption = Encryption::of(settings.tls.as_ref(), host).map_err(Useless::Now)?;
    let socket = Socket::connect(host)
        .await
        .map_err(|error| Useless::Now(io_reason(&error)))?;
    let mut config = Config::new();
    config
        .user(&settings.user)
        .dbname(&settings.database)
        .application_name(settings.application())
        .channel_binding(ChannelBinding::Disable)
        .ssl_mode(match encryption.is_on() {
            true => SslMode::Require,
            false => SslMode::Disable,
        });
    if let Some(password) = &settings.password {
        config.password(password.expose_secret());
    }
    let (client, connection) = config
        .connect_raw(socket, encryption)
        .await
        .map_err(|error| judge(&error, settings, at))?;
    Ok(Wire::start(client, connection))
}

/// What it means that a host does not let us in.
fn judge(error: &tokio_postgres::Error, settings: &Settings, at: usize) -> Useless {
    let Some(refusal) = error.as_db_error() else {
        let reason = plain(error);
        // The library's words, which it gives no other sign of.
        return match reason.as_str() {
            "password missing" => Useless::Wrong(OpenError::NotLetIn {
                host: settings.host(at).to_string(),
                user: settings.user.clone(),
                reason: "it asks for a password, and none is configured".to_owned(),
            }),
            "server does not support TLS" => Useless::Now(
                "it does not offer TLS; set ssl = on in its postgresql.conf".to_owned(),
            ),
            _ => Useless::Now(reason),
        };
    };
    let (host, user) = (settings.host(at).to_string(), settings.user.clone());
    let database = settings.database.clone();
    match refusal.code().code() {
        "28P01" => Useless::Wrong(OpenError::Password { host, user }),
        "28000" => Useless::Wrong(OpenError::NotLetIn {
            host,
            user,
            reason: plain(error),
        }),
        "3D000" => Useless::Wrong(OpenError::NoDatabase { host, database }),
        "42501" => Useless::Wrong(OpenError::NoRight {
            user,
            database,
            reason: plain(error),
        }),
        _ => Useless::Now(plain(error)),
    }
}
