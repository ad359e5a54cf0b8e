//! Hears what other processes over the database do, on a connection of its own,
//! and knows by it whether the database is there. When the connection breaks it
//! makes another and reads what was missed; of what was said in rooms meanwhile
//! nothing is kept, and so everybody there is let go.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Notification};

use super::{
    connections::{Failure, reason},
    database::Database,
    line::Pending,
    news::{Assembly, CHANNEL, News},
};
use crate::{
    document::DocumentId,
    error::Error,
    store::{Ears, Sequence},
};

/// How often is asked whether the database is there still, and whether there
/// are changes that nobody told of.
const BEAT: Duration = Duration::from_secs(5);

/// How long until another connection is tried: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// See the module.
pub(super) struct Listener {
    pub(super) database: Database,
    pub(super) ears: Arc<dyn Ears>,
    pub(super) pending: Arc<Pending>,
    pub(super) newest: watch::Sender<Sequence>,
    pub(super) standing: watch::Sender<bool>,
}

/// Nothing: what goes on until it fails has no other end.
enum Never {}

impl Listener {
    /// Listens for ever.
    pub(super) async fn work(self) {
        let mut pause = RETRY.0;
        loop {
            let Err(failure) = self.listen().await;
            if self.standing.send_replace(false) {
                tracing::warn!(reason = %told(&failure), "the database is away");
                self.ears.cut();
                self.pending.cut();
                pause = RETRY.0;
            } else {
                tracing::debug!(reason = %told(&failure), "the database is still away");
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Connects and listens until that fails.
    async fn listen(&self) -> Result<Never, Failure> {
        let config = self.database.config();
        let connecting = config.connect(self.database.tls().clone());
        let limit = self.database.connect_timeout();
        let connected = timeout(limit, connecting).await;
        let (client, mut connection) = connected.map_err(|_| Error::Unavailable)??;
        // What the client waits for comes by way of the connection, too.
        let messages = stream::poll_fn(move |context| connection.poll_message(context));
        let hearing = pin!(self.hear(messages));
        let tending = pin!(self.tend(&client));
        tokio::select! {
            heard = hearing => heard,
            tended = tending => tended,
        }
    }

    /// Hears until the connection ends.
    async fn hear(
        &self,
        messages: impl Stream<Item = Result<AsyncMessage, tokio_postgres::Error>>,
    ) -> Result<Never, Failure> {
        let mut messages = pin!(messages.map_err(Failure::from));
        let mut assembly = Assembly::default();
        while let Some(message) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message? {
                self.told(&notification, &mut assembly);
            }
        }
        Err(Error::Unavailable.into())
    }

    fn told(&self, notification: &Notification, assembly: &mut Assembly) {
        match News::read(notification.payload()) {
            Some(News::Changed(sequence)) => self.changed(sequence),
            Some(News::Edited(revision, document)) => self.ears.edited(&document, revision),
            Some(News::Said(part)) => {
                if let Some((node, number, room, message)) = assembly.take(&part) {
                    self.ears.said(&room, message);
                    // Behind it: who said it has it, too.
                    self.pending.heard(node, number);
                }
            }
            None => tracing::warn!("a notification is not one of ours"),
        }
    }

    fn changed(&self, sequence: Sequence) {
        self.newest.send_if_modified(|newest| {
            let newer = sequence > *newest;
            *newest = sequence.max(*newest);
            newer
        });
    }

    /// Begins to listen, reads what was missed, and looks from time to time
    /// whether the connection lives.
    async fn tend(&self, client: &Client) -> Result<Never, Failure> {
        let limit = self.database.patience();
        let beginning = timeout(limit, self.begin(client));
        beginning.await.map_err(|_| Error::Unavailable)??;
        self.ears.mended();
        if !self.standing.send_replace(true) {
            tracing::info!(database = %self.database, "the database is there");
        }
        loop {
            sleep(BEAT).await;
            // Nothing keeps it waiting but the way.
            let newest = timeout(self.database.connect_timeout(), newest(client));
            self.changed(newest.await.map_err(|_| Error::Unavailable)??);
        }
    }

    async fn begin(&self, client: &Client) -> Result<(), Failure> {
        client.batch_execute(&format!("listen {CHANNEL}")).await?;
        self.changed(newest(client).await?);
        let open = self.ears.open_documents();
        if open.is_empty() {
            return Ok(());
        }
        let ids: Vec<&[u8]> = open.iter().map(|id| id.as_str().as_bytes()).collect();
        let rows = client
            .query(
                "select id, revision from portolan_users.document where id = any($1)",
                &[&ids],
            )
            .await?;
        for row in rows {
            let id = String::from_utf8(row.try_get(0)?).unwrap_or_default();
            if let Ok(document) = DocumentId::new(&id) {
                self.ears.edited(&document, row.try_get(1)?);
            }
        }
        Ok(())
    }
}

async fn newest(client: &Client) -> Result<Sequence, Failure> {
    let row = client
        .query_one("select last_change from portolan_users.ledger", &[])
        .await?;
    Ok(row.try_get(0)?)
}

/// What a failure says in the log.
fn told(failure: &Failure) -> String {
    match failure {
        Failure::Engine(error) => reason(error),
        Failure::Refused(error) => error.to_string(),
    }
}
