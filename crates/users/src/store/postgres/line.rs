//! What is said in rooms, on its way to all processes over the database, the
//! one that says it included: so all of them hear everything in one order.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, oneshot};

use super::{
    connections::{Connections, Failure, Lent},
    news::{self, CHANNEL},
};
use crate::{
    error::Error,
    rooms::{Message, RoomName},
    store::Line,
};

/// How many messages may wait to be sent. Beyond it, one waits to be let in.
const QUEUE: usize = 1024;

/// How many messages are sent together.
const GROUP: usize = 64;

/// See the module. Clones are the same.
#[derive(Clone)]
pub(super) struct Speech {
    sayings: mpsc::Sender<Saying>,
    pending: Arc<Pending>,
}

/// The task that sends.
pub(super) struct Speaker {
    connections: Arc<Connections>,
    queue: mpsc::Receiver<Saying>,
    pending: Arc<Pending>,
}

/// Something to say.
struct Saying {
    room: RoomName,
    message: Message,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// What was sent and has not come back yet. It has no more in it than people
/// in rooms, since each waits for what it said.
#[derive(Debug)]
pub(super) struct Pending {
    /// Which process this is.
    node: u64,
    sent: Mutex<Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    next: u64,
    answers: HashMap<u64, oneshot::Sender<Result<(), Error>>>,
}

/// The line, and the task that sends.
pub(super) fn line(connections: Arc<Connections>) -> Result<(Speech, Speaker), Error> {
    let (sayings, queue) = mpsc::channel(QUEUE);
    let mut node = [0; 8];
    SystemRandom::new().fill(&mut node).map_err(|_| {
        let reason = "the system has no random numbers";
        Error::Unusable(reason.into())
    })?;
    let pending = Arc::new(Pending {
        node: u64::from_be_bytes(node),
        sent: Mutex::default(),
    });
    let speaker = Speaker {
        connections,
        queue,
        pending: pending.clone(),
    };
    Ok((Speech { sayings, pending }, speaker))
}

impl Speech {
    /// What has not come back yet.
    pub(super) fn pending(&self) -> Arc<Pending> {
        self.pending.clone()
    }
}

impl Line for Speech {
    fn say(&self, room: RoomName, message: Message) -> BoxFuture<'static, Result<(), Error>> {
        let sayings = self.sayings.clone();
        Box::pin(async move {
            let (answer, said) = oneshot::channel();
            let saying = Saying {
                room,
                message,
                answer,
            };
            sayings.send(saying).await.map_err(|_| Error::Closed)?;
            drop(sayings);
            said.await.map_err(|_| Error::Closed)?
        })
    }
}

impl Pending {
    /// This has come back: whoever said it goes on.
    pub(super) fn heard(&self, node: u64, number: u64) {
        if node == self.node
            && let Some(answer) = self.lock().answers.remove(&number)
        {
            // Who said it may be gone.
            drop(answer.send(Ok(())));
        }
    }

    /// Nothing that was sent comes back any more.
    pub(super) fn cut(&self) {
        let answers = std::mem::take(&mut self.lock().answers);
        for answer in answers.into_values() {
            drop(answer.send(Err(Error::Unavailable)));
        }
    }

    /// Gives something a number, under which it comes back.
    fn expect(&self, answer: oneshot::Sender<Result<(), Error>>) -> u64 {
        let mut sent = self.lock();
        sent.next += 1;
        let number = sent.next;
        sent.answers.insert(number, answer);
        number
    }

    /// This was not sent.
    fn failed(&self, number: u64, error: &Error) {
        if let Some(answer) = self.lock().answers.remove(&number) {
            drop(answer.send(Err(error.clone())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Speaker {
    /// Sends until nobody can say anything any more.
    pub(super) async fn work(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while self.queue.recv_many(&mut group, GROUP).await > 0 {
            let (mut numbers, mut payloads) = (Vec::new(), Vec::new());
            for Saying {
                room,
                message,
                answer,
            } in group.drain(..)
            {
                let number = self.pending.expect(answer);
                payloads.extend(news::parts(self.pending.node, number, &room, &message));
                numbers.push(number);
            }
            if let Err(error) = self.send(payloads).await {
                for number in numbers {
                    self.pending.failed(number, &error);
                }
            }
        }
    }

    async fn send(&self, payloads: Vec<String>) -> Result<(), Error> {
        let lent = self.connections.lend().await?;
        lent.run(send(&lent, payloads)).await
    }
}

async fn send(client: &Lent, payloads: Vec<String>) -> Result<(), Failure> {
    // In one transaction, so that no other message comes between the parts of
    // one, and in this order.
    let sql = "select pg_notify($1, payload)
        from unnest($2::text[]) with ordinality as said (payload, place) order by place";
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, &[&CHANNEL, &payloads]).await?;
    Ok(())
}
