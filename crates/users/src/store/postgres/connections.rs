//! Connections that are lent to whoever reads or writes, and what can go wrong
//! with them, by name. While the database is away nobody waits for it.

use std::{
    io,
    ops::Deref,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use deadpool_postgres::{
    ClientWrapper, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio::{sync::watch, time::timeout};
use tokio_postgres::{error::SqlState, types::ToSql};

use super::database::Database;
use crate::error::{Error, Invalid};

/// What a statement is run with.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Why something on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database or the way to it.
    Engine(tokio_postgres::Error),
    /// What was asked for cannot be.
    Refused(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.into())
    }
}

/// The connections.
pub(super) struct Connections {
    pool: Pool,
    standing: watch::Receiver<bool>,
    patience: Duration,
}

/// A connection, until this is dropped.
pub(super) struct Lent {
    client: Option<Object>,
    patience: Duration,
    /// Whether it is not to be used again.
    spoiled: AtomicBool,
}

impl Connections {
    /// Makes none yet.
    pub(super) fn new(database: &Database, standing: watch::Receiver<bool>) -> Result<Self, Error> {
        let recycling = ManagerConfig {
            // Whether it is closed is known without asking.
            recycling_method: RecyclingMethod::Fast,
        };
        let tls = database.tls().clone();
        let manager = Manager::from_config(database.config(), tls, recycling);
        let limit = Some(database.connect_timeout());
        let pool = Pool::builder(manager)
            .max_size(database.connections())
            .runtime(Runtime::Tokio1)
            .wait_timeout(limit)
            .create_timeout(limit)
            .recycle_timeout(limit)
            .build()
            .map_err(|error| Error::Unusable(error.to_string()))?;
        Ok(Self {
            pool,
            standing,
            patience: database.patience(),
        })
    }

    /// Lends one.
    pub(super) async fn lend(&self) -> Result<Lent, Error> {
        if self.pool.is_closed() {
            return Err(Error::Closed);
        }
        if !*self.standing.borrow() {
            return Err(Error::Unavailable);
        }
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Closed => Error::Closed,
            PoolError::Backend(error) => named(&error),
            error => {
                tracing::warn!(%error, "no connection to the database");
                Error::Unavailable
            }
        })?;
        Ok(Lent {
            client: Some(client),
            patience: self.patience,
            spoiled: AtomicBool::new(false),
        })
    }

    /// Lends no more.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

impl Lent {
    /// Waits for what is done on the connection, and not for ever.
    pub(super) async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Error> {
        self.attempt(work).await.map_err(Error::from)
    }

    /// The same, with the failure as it is.
    pub(super) async fn attempt<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match timeout(self.patience, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // Nobody knows what is still to come on it.
                self.spoil();
                tracing::warn!("the database gave no answer in time");
                Err(Error::Unavailable.into())
            }
        }
    }

    /// How long something that is done on it may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Has it closed instead of lent again.
    pub(super) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Relaxed);
    }

    /// Begins a transaction, which is undone unless it is committed.
    pub(super) fn client(&mut self) -> &mut ClientWrapper {
        self.client.as_mut().expect("it is taken out when dropped")
    }
}

impl Deref for Lent {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.client.as_ref().expect("it is taken out when dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && self.spoiled.load(Ordering::Relaxed)
        {
            drop(Object::take(client));
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(error) => named(&error),
            Failure::Refused(error) => error,
        }
    }
}

/// Names what the database or the way to it says. Clients are told no more
/// than they can act upon; the log has the rest.
pub(super) fn named(error: &tokio_postgres::Error) -> Error {
    let reason = reason(error);
    let Some(code) = error.code() else {
        // Without a word from the database the way to it is broken, or a row
        // is not as it should be.
        let source = std::error::Error::source(error);
        let source = source.and_then(|source| source.downcast_ref::<io::Error>());
        let broken = error.is_closed() || source.is_some();
        tracing::warn!(%reason, "the database did not answer");
        return match broken {
            true => Error::Unavailable,
            false => Error::Database { reason },
        };
    };
    let away = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::DATABASE_DROPPED,
        SqlState::IDLE_SESSION_TIMEOUT,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        // A server that has become a standby.
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    tracing::warn!(code = code.code(), %reason, "the database refused");
    if *code == SqlState::DISK_FULL {
        Error::DatabaseFull
    } else if away.contains(code) || code.code().starts_with("08") || code.code().starts_with("28")
    {
        Error::Unavailable
    } else {
        Error::Database { reason }
    }
}

/// What it says, with the reason for it but without details, which may be
/// somebody's data.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
