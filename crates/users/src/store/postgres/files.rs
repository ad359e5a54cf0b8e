//! Files in the database, in parts. What has come of one belongs to nobody
//! until the file is whole; what is given up is removed at once, and what a dead
//! process left, in time.

use std::{mem, sync::Arc, time::Duration};

use async_trait::async_trait;
use ring::digest;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::connections::{Connections, Failure, Lent};
use crate::{
    error::Error,
    store::{Coming, Files, hexadecimal},
};

/// From so many bytes on, they are written.
const PART: usize = 256 << 10;

/// How many uploads that were given up may wait to be removed; more wait until
/// they are as old as what dead processes leave.
const GIVEN_UP: usize = 1024;

/// How often is looked for what dead processes left.
const SWEEPING: Duration = Duration::from_secs(600);

/// See the module.
pub(super) struct DatabaseFiles {
    connections: Arc<Connections>,
    given_up: mpsc::Sender<i64>,
}

/// The task that removes what is given up.
pub(super) struct Sweeper {
    connections: Arc<Connections>,
    given_up: mpsc::Receiver<i64>,
}

/// A file that is coming in.
struct ComingFile {
    connections: Arc<Connections>,
    upload: i64,
    next: i32,
    /// What is not written yet.
    bytes: Vec<u8>,
    size: i64,
    digest: digest::Context,
    /// `None` when there is nothing to be removed.
    given_up: Option<mpsc::Sender<i64>>,
}

/// The files, and the task that sweeps behind them.
pub(super) fn files(connections: Arc<Connections>) -> (DatabaseFiles, Sweeper) {
    let (sender, given_up) = mpsc::channel(GIVEN_UP);
    let files = DatabaseFiles {
        connections: connections.clone(),
        given_up: sender,
    };
    let sweeper = Sweeper {
        connections,
        given_up,
    };
    (files, sweeper)
}

#[async_trait]
impl Files for DatabaseFiles {
    async fn begin(&self) -> Result<Box<dyn Coming>, Error> {
        let lent = self.connections.lend().await?;
        let upload = lent.run(begin(&lent)).await?;
        Ok(Box::new(ComingFile {
            connections: self.connections.clone(),
            upload,
            next: 0,
            bytes: Vec::new(),
            size: 0,
            digest: digest::Context::new(&digest::SHA256),
            given_up: Some(self.given_up.clone()),
        }))
    }
}

#[async_trait]
impl Coming for ComingFile {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.digest.update(&bytes);
        self.size += bytes.len() as i64;
        match self.bytes.is_empty() {
            true => self.bytes = bytes,
            false => self.bytes.extend_from_slice(&bytes),
        }
        match self.bytes.len() < PART {
            true => Ok(()),
            false => self.put().await,
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<String, Error> {
        if !self.bytes.is_empty() {
            self.put().await?;
        }
        let digest = self.digest.clone().finish();
        let mut lent = self.connections.lend().await?;
        let patience = lent.patience();
        let finishing = finish(&mut lent, self.upload, digest.as_ref(), self.size);
        let finished = tokio::time::timeout(patience, finishing).await;
        let ours = match finished {
            Ok(finished) => finished?,
            Err(_) => {
                lent.spoil();
                return Err(Error::Unavailable);
            }
        };
        if ours {
            self.given_up = None;
        }
        Ok(hexadecimal(digest.as_ref()))
    }
}

impl ComingFile {
    async fn put(&mut self) -> Result<(), Error> {
        let bytes = mem::take(&mut self.bytes);
        let lent = self.connections.lend().await?;
        lent.run(put(&lent, self.upload, self.next, &bytes)).await?;
        self.next += 1;
        Ok(())
    }
}

impl Drop for ComingFile {
    fn drop(&mut self) {
        if let Some(given_up) = self.given_up.take() {
            // When there is no room, it is found by its age.
            let _ = given_up.try_send(self.upload);
        }
    }
}

impl Sweeper {
    /// Removes what is given up, until there are no files any more.
    pub(super) async fn work(mut self) {
        let mut sweeping = interval(SWEEPING);
        sweeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let swept = tokio::select! {
                given_up = self.given_up.recv() => match given_up {
                    Some(upload) => self.sweep(Some(upload)).await,
                    None => return,
                },
                _ = sweeping.tick() => self.sweep(None).await,
            };
            if let Err(error) = swept {
                tracing::debug!(%error, "uploads that were given up stay for now");
            }
        }
    }

    async fn sweep(&self, upload: Option<i64>) -> Result<(), Error> {
        let lent = self.connections.lend().await?;
        lent.run(sweep(&lent, upload)).await
    }
}

async fn begin(client: &Lent) -> Result<i64, Failure> {
    let sql = "insert into portolan_users.upload default values returning id";
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_one(&statement, &[]).await?.try_get(0)?)
}

async fn put(client: &Lent, upload: i64, number: i32, bytes: &[u8]) -> Result<(), Failure> {
    let sql = "
        with touched as (
            update portolan_users.upload set touched_at = now() where id = $1 returning id
        )
        insert into portolan_users.part (upload, number, bytes) select id, $2, $3 from touched";
    let statement = client.prepare_cached(sql).await?;
    match client
        .execute(&statement, &[&upload, &number, &bytes])
        .await?
    {
        0 => Err(Error::UploadForgotten.into()),
        _ => Ok(()),
    }
}

/// Makes an upload the file of this digest; `false` when there was one already,
/// which has the same bytes.
async fn finish(client: &mut Lent, upload: i64, digest: &[u8], size: i64) -> Result<bool, Failure> {
    let transaction = client.client().transaction().await?;
    // Held until the end, so that nobody finds it too old.
    let hold = "update portolan_users.upload set touched_at = now() where id = $1";
    let hold = transaction.prepare_cached(hold).await?;
    if transaction.execute(&hold, &[&upload]).await? == 0 {
        return Err(Error::UploadForgotten.into());
    }
    let file = "insert into portolan_users.file (sha256, size, upload) values ($1, $2, $3)
        on conflict (sha256) do nothing";
    let file = transaction.prepare_cached(file).await?;
    let made = transaction
        .execute(&file, &[&digest, &size, &upload])
        .await?;
    transaction.commit().await?;
    Ok(made > 0)
}

async fn sweep(client: &Lent, upload: Option<i64>) -> Result<(), Failure> {
    let sql = "
        delete from portolan_users.upload as upload
        where (upload.id = $1 or $1 is null and upload.touched_at < now() - interval '1 hour')
            and not exists (select from portolan_users.file where file.upload = upload.id)";
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&upload]).await?;
    Ok(())
}
