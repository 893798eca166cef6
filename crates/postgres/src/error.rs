//! Why there is no store on a database, and what became of a statement.

use std::error::Error as _;
use std::fmt;
use std::io;

use tokio_postgres::error::DbError;
use tokio_rustls::rustls;

/// Why the store cannot be opened. Each says what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// No host answers as it should, each for its own reason.
    #[error("the database cannot be reached: {}", list(hosts))]
    Unreachable {
        /// Hosts, and why not.
        hosts: Vec<(String, String)>,
    },
    /// Whoever answers is a standby.
    #[error(
        "{} a standby, which takes no writes, and no other host answers as the primary{}; name all hosts that can \
         become the primary in storage.postgres.hosts",
        are(standbys),
        others(hosts)
    )]
    OnlyStandbys {
        standbys: Vec<String>,
        /// The others, and why not.
        hosts: Vec<(String, String)>,
    },
    /// The primary would acknowledge what is on one machine alone.
    #[error(
        "the primary {host} has no synchronous standby (its synchronous_standby_names is empty), and \
         storage.postgres.require_synchronous is true; configure one, or set it to false"
    )]
    NotSynchronous { host: String },
    #[error(
        "the database at {host} refuses the password of the user {user}; check storage.postgres.user, password and \
         password_file"
    )]
    Password { host: String, user: String },
    /// The user is not known, or may not log in from here.
    #[error(
        "the database at {host} does not let the user {user} in: {reason}; check storage.postgres.user, and pg_hba.conf \
         on the server"
    )]
    NotLetIn {
        host: String,
        user: String,
        reason: String,
    },
    #[error(
        "there is no database {database} at {host}; create it (createdb -E UTF8 -T template0 -O the-user {database}), \
         or correct storage.postgres.database"
    )]
    NoDatabase { host: String, database: String },
    #[error(
        "the user {user} may not use the database {database} as it must be: {reason}; make the user its owner: alter \
         database {database} owner to {user}"
    )]
    NoRight {
        user: String,
        database: String,
        reason: String,
    },
    /// It keeps texts in another encoding.
    #[error(
        "the database {database} has the encoding {found}, and texts of users need UTF8; create it anew with -E UTF8 -T \
         template0"
    )]
    Encoding { database: String, found: String },
    /// It is somebody else's.
    #[error(
        "the database {database} holds {found}, which this program did not put there, so no store was begun in it; give \
         the store a database of its own"
    )]
    Foreign {
        database: String,
        /// Names of tables, and how many more.
        found: String,
    },
    /// Something of the store is missing, or is not what it should be.
    #[error(
        "the store in the database {database} is not whole: {reason}; restore the database from a backup, or, if it \
         was never used, drop its tables whose names begin with xps_"
    )]
    Half { database: String, reason: String },
    #[error(
        "the store in the database {database} has format {found}, and this release knows formats up to {known}: it was \
         written by a newer release, so run that release"
    )]
    Newer {
        database: String,
        found: String,
        known: u32,
    },
    /// The server did something that it should not.
    #[error("the database at {host} refuses what the store needs: {reason}")]
    Refused { host: String, reason: String },
    #[error("cannot start a thread: {0}")]
    NoThread(String),
}

impl OpenError {
    /// Whether it may be over soon, by itself, so that waiting makes sense.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::OnlyStandbys { .. } | Self::NotSynchronous { .. }
        )
    }
}

impl OpenError {
    /// Whether all that is known is that no connection was made.
    pub(crate) fn is_about_connections(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::OnlyStandbys { .. }
                | Self::Password { .. }
                | Self::NotLetIn { .. }
        )
    }
}

fn list(hosts: &[(String, String)]) -> String {
    let each = hosts
        .iter()
        .map(|(host, reason)| format!("{host}: {reason}"));
    each.collect::<Vec<_>>().join("; ")
}

fn others(hosts: &[(String, String)]) -> String {
    match hosts {
        [] => String::new(),
        hosts => format!(" ({})", list(hosts)),
    }
}

fn are(hosts: &[String]) -> String {
    let verb = if hosts.len() == 1 { "is" } else { "are each" };
    format!("{} {verb}", hosts.join(", "))
}

/// What became of a statement that has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection was lost, or is of no use any more: what became of it is not known.
    Lost(String),
    /// Another was in its way, and it did nothing; the same again may work.
    InTheWay,
    /// The disk of the server is full, and it did nothing.
    Full(String),
    /// The server does not take what is in it, and it did nothing.
    Content(String),
    /// The server does not take it at all, and it did nothing.
    Refused(String),
    /// What the server has stored is damaged.
    Damaged(String),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            return Self::Lost(plain(&error));
        };
        let text = one_line(refusal);
        match refusal.code().code() {
            // Serialisation, deadlock, a lock not had in time; cancelled by somebody before it was committed.
            "40001" | "40P01" | "55P03" | "57014" => Self::InTheWay,
            "53100" => Self::Full(text),
            // Read only, as a standby is; statements that the server does not remember or has to plan anew, because
            // somebody else shares the connection or the tables have changed; a transaction that is not as it should be.
            "25006" | "26000" | "0A000" | "40003" | "25P02" | "25P03" => Self::Lost(text),
            // The connection; resources; shutting down, crashed, starting.
            code if ["08", "53", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Self::Lost(text)
            }
            // Data, constraints, limits of the server.
            code if ["22", "23", "54"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Self::Content(text)
            }
            "XX001" | "XX002" => Self::Damaged(text),
            _ => Self::Refused(text),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InTheWay => f.write_str("another statement was in the way"),
            Self::Lost(text)
            | Self::Full(text)
            | Self::Content(text)
            | Self::Refused(text)
            | Self::Damaged(text) => f.write_str(text),
        }
    }
}

/// What the server says, on one line. Its details are left out: they may hold what users sent.
pub(crate) fn one_line(refusal: &DbError) -> String {
    let text = refusal.message().replace(['\n', '\r'], " ");
    format!("{text} ({})", refusal.code().code())
}

/// What went wrong with a connection, without the library's own words where there are better ones.
pub(crate) fn plain(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return one_line(refusal);
    }
    if error.is_closed() {
        return "it closed the connection".to_owned();
    }
    match error.source() {
        Some(cause) => match cause.downcast_ref::<io::Error>() {
            Some(io) => io_reason(io),
            None => cause.to_string(),
        },
        None => error.to_string(),
    }
}

/// What the system says, without numbers.
pub(crate) fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => match error
            .get_ref()
            .and_then(|it| it.downcast_ref::<rustls::Error>())
        {
            // Whoever judged the certificate has found the words.
            Some(rustls::Error::Other(why)) => why.to_string(),
            _ => error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_refused_in_the_words_of_who_has_judged_it() {
        let words = "its certificate will not do: it is self-signed";
        let why = rustls::OtherError(std::sync::Arc::from(Box::from(words)));
        let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::Other(why));
        assert_eq!(io_reason(&error), words);
    }

    #[test]
    fn an_error_names_every_host_with_its_reason() {
        let hosts = vec![
            ("db1:5432".to_owned(), "nothing listens there".to_owned()),
            ("db2:5432".to_owned(), "no answer within 2 s".to_owned()),
        ];
        let error = OpenError::Unreachable {
            hosts: hosts.clone(),
        };
        assert_eq!(
            error.to_string(),
            "the database cannot be reached: db1:5432: nothing listens there; db2:5432: no answer within 2 s"
        );
        assert!(error.may_pass());
        let error = OpenError::OnlyStandbys {
            standbys: vec!["db3:5432".to_owned()],
            hosts,
        };
        let text = error.to_string();
        assert!(text.starts_with("db3:5432 is a standby"), "{text}");
        assert!(
            text.contains("(db1:5432: nothing listens there; "),
            "{text}"
        );
    }
}
