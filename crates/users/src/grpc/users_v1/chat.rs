//! One participant's side of a chat: what it says goes into the room, and what
//! is said there comes out. It reads on when the client does, so whoever says
//! more than it hears waits for itself.

use futures_util::future::{BoxFuture, pending};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::{
    document::Author,
    error::{Error, Invalid},
    grpc::timestamp,
    proto::users::v1::ChatMessage,
    rooms::{Message, Participant, Saying},
};

/// See the module.
pub(super) struct Talk {
    saying: Streaming<ChatMessage>,
    participant: Participant,
    ending: CancellationToken,
    /// What the client wants to say when it is its turn.
    next: Option<ChatMessage>,
    /// What it has said and does not have back yet.
    coming: Option<BoxFuture<'static, Result<(), Error>>>,
    /// How many messages are still to be heard, when the client has said its
    /// last.
    left: Option<usize>,
}

impl Talk {
    pub(super) fn new(
        saying: Streaming<ChatMessage>,
        participant: Participant,
        ending: CancellationToken,
    ) -> Self {
        Self {
            saying,
            participant,
            ending,
            next: None,
            coming: None,
            left: None,
        }
    }

    pub(super) async fn next(mut self) -> Result<Option<(ChatMessage, Self)>, Status> {
        loop {
            if self.left == Some(0) {
                return Ok(None);
            }
            let ending = self.ending.clone();
            let done = self.left.is_some() || self.next.is_some() || self.coming.is_some();
            let turn = self.participant.turn();
            tokio::select! {
                // What was said is heard before more is said.
                biased;
                message = self.participant.hear() => {
                    let message = heard(&*message?);
                    self.left = self.left.map(|left| left - 1);
                    return Ok(Some((message, self)));
                }
                said = arrival(&mut self.coming) => {
                    self.coming = None;
                    said?;
                }
                () = turn, if self.next.is_some() => {
                    if let Some(message) = self.next.take() {
                        self.say(message)?;
                    }
                }
                message = self.saying.message(), if !done => match message? {
                    Some(message) => self.next = Some(message),
                    None => self.left = Some(self.participant.waiting()),
                },
                () = ending.cancelled() => return Err(Error::Ending.into()),
            }
        }
    }

    fn say(&mut self, message: ChatMessage) -> Result<(), Invalid> {
        let author = Author::new(&message.user_id)?;
        if let Saying::Coming(coming) = self.participant.say(author, message.content)? {
            self.coming = Some(coming);
        }
        Ok(())
    }
}

/// Waits until what was said has come back; for ever when nothing was.
async fn arrival(coming: &mut Option<BoxFuture<'static, Result<(), Error>>>) -> Result<(), Error> {
    match coming {
        Some(coming) => coming.await,
        None => pending().await,
    }
}

fn heard(message: &Message) -> ChatMessage {
    ChatMessage {
        user_id: message.author.as_str().into(),
        content: message.content.clone(),
        timestamp: timestamp(message.at),
    }
}
