//! Reading beside the async runtime: a read takes a connection of its own and
//! a thread on which it may block, so one slow search holds up nobody else.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rusqlite::Connection;
use tokio::{sync::Semaphore, task};

use crate::{database::Purpose, fault::Fault, folder::Folder};

/// Connections for reading, kept for the next read.
#[derive(Clone, Debug)]
pub struct Readers {
    folder: Arc<Folder>,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Reads at a time; more of them wait, in order.
    turns: Arc<Semaphore>,
}

impl Readers {
    /// Reads the database of this folder.
    #[must_use]
    pub fn new(folder: Arc<Folder>) -> Self {
        // Scans need a core each; others wait for the disk now and then.
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Self {
            folder,
            idle: Arc::default(),
            turns: Arc::new(Semaphore::new((cores * 2).max(4))),
        }
    }

    /// Runs a read on a thread for blocking work.
    ///
    /// # Errors
    /// When the read fails; [`Fault::Closed`] after [`Readers::close`].
    pub async fn read<T, F>(&self, read: F) -> Result<T, Fault>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| self.closed())?;
        let readers = self.clone();
        blocking(move || {
            let _turn = turn;
            let connection = readers.connection()?;
            let result = read(&connection).map_err(|error| Fault::named(&readers.folder, error));
            readers.lock().push(connection);
            result
        })
        .await
        .ok_or_else(|| self.closed())?
    }

    /// Lets go of the connections; reads after this fail.
    pub fn close(&self) {
        self.turns.close();
        self.lock().clear();
    }

    fn connection(&self) -> Result<Connection, Fault> {
        let idle = self.lock().pop();
        idle.map_or_else(|| Purpose::Read.connect(&self.folder), Ok)
    }

    fn closed(&self) -> Fault {
        Fault::Closed {
            store: self.folder.name(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs work that blocks, and waits for it; `None` when the runtime is shutting
/// down. A panic of the work goes on here.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match task::spawn_blocking(work).await {
        Ok(value) => Some(value),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
