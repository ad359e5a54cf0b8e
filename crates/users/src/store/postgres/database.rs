//! Which database, and how it is used: read from its URL, whose password is
//! never shown.

use std::{fmt, time::Duration};

use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use super::tls::{Tls, Trust};
use crate::error::Error;

/// A PostgreSQL database, and how it is used.
///
/// ```
/// use std::time::Duration;
/// use portolan_users::Database;
///
/// let database = Database::new("postgres://shop:s3cret@db.internal/shop?sslmode=disable")?
///     .with_connections(20)
///     .with_connect_timeout(Duration::from_secs(2));
/// assert_eq!(database.to_string(), "shop on db.internal:5432");
/// # Ok::<(), portolan_users::Error>(())
/// ```
#[derive(Clone)]
pub struct Database {
    config: Config,
    tls: Tls,
    name: String,
    connections: usize,
    connect_timeout: Duration,
    statement_timeout: Duration,
}

/// What is told of a URL that cannot be read: nothing that is in it, since
/// anything in it may be part of a password.
const FORM: &str = "the database URL cannot be understood; write \
    postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=verify-full, and in the password \
    anything but letters and digits as %XX";

impl Database {
    /// The most connections, when nobody says otherwise.
    pub const CONNECTIONS: usize = 10;

    /// How long a connection may take to come about, when nobody says otherwise.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// How long a statement may take, when nobody says otherwise.
    pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

    /// Reads a URL in the form of libpq: `postgres://` or `postgresql://`, with
    /// its parameters; of `sslmode`, all but `allow`. Certificates that it names
    /// are read now.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it is none, without anything that is in it.
    pub fn new(url: &str) -> Result<Self, Error> {
        let form = || Error::Unusable(FORM.into());
        let known = ["postgres://", "postgresql://"];
        if !known.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(form());
        }
        let (rest, trust) = Trust::take(url)?;
        let mut config: Config = rest.parse().map_err(|_| form())?;
        config.ssl_mode(match trust {
            Trust::Plain => SslMode::Disable,
            Trust::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(form());
        }
        // We write: of several hosts, the one that can.
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("portolan");
        }
        Ok(Self {
            tls: Tls::new(&trust)?,
            name: name(&config),
            config,
            connections: Self::CONNECTIONS,
            connect_timeout: Self::CONNECT_TIMEOUT,
            statement_timeout: Self::STATEMENT_TIMEOUT,
        })
    }

    /// At most so many connections for reads and writes, one at least; one more
    /// listens.
    #[must_use]
    pub fn with_connections(self, connections: usize) -> Self {
        Self {
            connections: connections.max(1),
            ..self
        }
    }

    /// How long a connection may take to come about, and a call waits for one.
    #[must_use]
    pub fn with_connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// How long a statement may take, on the database's clock and, a little
    /// later, on ours.
    #[must_use]
    pub fn with_statement_timeout(self, statement_timeout: Duration) -> Self {
        Self {
            statement_timeout,
            ..self
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// How long we wait for a statement: its own limit first, so that it is
    /// told why.
    pub(super) fn patience(&self) -> Duration {
        self.statement_timeout + Duration::from_secs(1)
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// What a connection is made with.
    pub(super) fn config(&self) -> Config {
        let mut config = self.config.clone();
        let limit = self.statement_timeout.as_millis().max(1);
        // Whoever dies within a transaction holds up others no longer than a
        // statement may.
        let limits =
            format!("-c statement_timeout={limit} -c idle_in_transaction_session_timeout={limit}");
        let options = match config.get_options() {
            Some(options) => format!("{options} {limits}"),
            None => limits,
        };
        config
            .options(options)
            .connect_timeout(self.connect_timeout)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(self.patience() * 2);
        config
    }
}

/// The name of the database and where it is, which is no secret.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("name", &self.name)
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

fn name(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |place: usize| ports.get(place).or(ports.first()).copied().unwrap_or(5432);
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(place, host)| match host {
            Host::Tcp(host) => format!("{host}:{}", port(place)),
            #[cfg(unix)]
            Host::Unix(path) => format!("{} (port {})", path.display(), port(place)),
        })
        .collect();
    let name = config.get_dbname().or(config.get_user());
    format!("{} on {}", name.unwrap_or("postgres"), hosts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_its_parts_and_its_password_is_not_shown() {
        for (url, name) in [
            ("postgres://u:hunter2@db/users", "users on db:5432"),
            ("postgresql://u:hunter2@db:7/x?sslmode=require", "x on db:7"),
            ("postgres://u:hunter2@a:1,b:2/x", "x on a:1, b:2"),
            ("postgres://u@%2Frun%2Fpg/x", "x on /run/pg (port 5432)"),
            ("postgres://hunter@localhost", "hunter on localhost:5432"),
        ] {
            let database = Database::new(url).unwrap();
            assert_eq!(database.to_string(), name);
            assert!(!format!("{database:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_bad_url_is_refused_without_a_word_of_it() {
        for url in [
            "",
            "hunter2",
            "mysql://u:hunter2@db/x",
            "postgres://u:hunter2@db:port/x",
            "postgres://u:hunter2@db/x?hunter2=1",
            "postgres:///x",
            "postgres://u:hunter2@db/x?sslmode=hunter2",
            "postgres://u:hunter2@db/x?sslrootcert=/nowhere/hunter2&sslmode=verify-full",
        ] {
            let error = Database::new(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(
                error.contains("write ") || error.contains("sslrootcert"),
                "{error}"
            );
        }
    }

    #[test]
    fn limits_are_asked_of_the_server_too() {
        let database = Database::new("postgres://db/x?options=-c%20search_path%3Dy").unwrap();
        let database = database.with_statement_timeout(Duration::from_secs(3));
        let config = database.config();
        assert_eq!(
            config.get_options().unwrap(),
            "-c search_path=y -c statement_timeout=3000 -c idle_in_transaction_session_timeout=3000"
        );
        assert_eq!(
            config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        assert_eq!(database.with_connections(0).connections(), 1);
    }
}
