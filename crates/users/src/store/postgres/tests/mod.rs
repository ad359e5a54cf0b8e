//! The shared store: the suite of all stores, and in the files what is its own:
//! several processes at once, and a database that comes and goes. Each process is
//! a directory of its own here.

mod away;
mod encryption;
mod nodes;
mod together;
mod uploads;

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use portolan_postgres::Postgres;
use tokio::time::timeout;

use super::*;
use crate::{
    directory::Directory,
    document::{Author, Doing, Operation},
    feed::Subscription,
    rooms::{Message, Participant, RoomName, Saying},
    store::{
        ChangeKind,
        suite::{email, name, store_suite, user},
    },
    uploads::FileFacts,
};

/// How long anything may take; tests share the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What hears nothing.
struct Deaf;

impl Ears for Deaf {
    fn edited(&self, _: &DocumentId, _: i64) {}

    fn open_documents(&self) -> Vec<DocumentId> {
        Vec::new()
    }

    fn said(&self, _: &RoomName, _: Message) {}

    fn cut(&self) {}

    fn mended(&self) {}
}

async fn fresh() -> Option<(Arc<dyn Store>, ())> {
    let url = Postgres::shared()?.database();
    let database = Database::new(&url).unwrap();
    let store = PostgresStore::connect(&database, Arc::new(Deaf)).await;
    Some((Arc::new(store.unwrap()), ()))
}

store_suite!(fresh().await);

async fn node(url: &str) -> Directory {
    let database = Database::new(url).unwrap();
    Directory::connect(&database).await.unwrap()
}

/// Two processes over one new database.
async fn two() -> Option<(&'static Postgres, String, Directory, Directory)> {
    let postgres = Postgres::shared()?;
    let url = postgres.database();
    let (one, other) = (node(&url).await, node(&url).await);
    Some((postgres, url, one, other))
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it takes too long")
}

/// Waits until a directory can, or cannot, reach its database.
async fn stands(directory: &Directory, stands: bool) {
    let mut standing = directory.standing();
    soon(standing.wait_for(|now| *now == stands)).await.unwrap();
}

/// The connections that listen, killed.
fn deafen(postgres: &Postgres, url: &str) {
    let killed = postgres.ask(
        url,
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    );
    assert_ne!(killed, "0");
}
