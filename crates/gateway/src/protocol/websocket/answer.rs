//! What the service says, on its way to the client.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message;

use super::close::End;
use super::pulse::Pulse;
use super::subprotocol::Format;
use super::talk::Mouth;
use crate::call::{Call, Reply};
use crate::gateway::Opening;
use crate::messages::{Event, ReplyReader};
use crate::protocol::Core;
use crate::protocol::rest::reply::payload;
use crate::route::Binding;
use crate::{Code, Status};

/// How the service's messages are put.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    pub(super) core: &'a Core,
    pub(super) binding: &'a Binding,
    pub(super) format: Format,
}

impl Voice<'_> {
    fn message(self, message: Bytes) -> Result<Message, Status> {
        if self.format == Format::Proto {
            return Ok(Message::Binary(message));
        }
        let indent = self.core.options.write.indent;
        let payload = payload(self.core, self.binding, message, indent)?;
        if !payload.is_json {
            return Ok(Message::Binary(payload.bytes));
        }
        match payload.bytes.try_into() {
            Ok(text) => Ok(Message::Text(text)),
            // The transcoder writes JSON, which is UTF-8.
            Err(_) => Err(Status::new(Code::Internal, "the answer is not UTF-8")),
        }
    }
}

/// The client cannot be spoken to any more.
struct Gone;

/// The way to the client, with pings on it while there is nothing to say.
pub(super) struct Breath<'a> {
    mouth: &'a mut Mouth,
    pulse: &'a Pulse,
    /// When pings are due, if ever.
    pings: Option<Interval>,
}

impl<'a> Breath<'a> {
    pub(super) fn new(mouth: &'a mut Mouth, pulse: &'a Pulse, every: Duration) -> Self {
        let pings = (!every.is_zero()).then(|| {
            let mut pings = interval_at(Instant::now() + every, every);
            pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pings
        });
        Self {
            mouth,
            pulse,
            pings,
        }
    }

    /// Waits for something, as long as the client is there.
    async fn during<T>(&mut self, mut work: impl Future<Output = T> + Unpin) -> Result<T, Gone> {
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = due(&mut self.pings) => {
                    if !self.pulse.ask() {
                        return Err(Gone);
                    }
                    let ping = Message::Ping(Bytes::new());
                    self.mouth.send(ping).await.map_err(|_| Gone)?;
                }
            }
        }
    }

    /// Says something, at the latest with the next [`flush`](Self::flush).
    async fn say(&mut self, message: Message) -> Result<(), Gone> {
        self.mouth.feed(message).await.map_err(|_| Gone)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.mouth.flush().await.map_err(|_| Gone)
    }
}

/// Waits until a ping is due.
async fn due(pings: &mut Option<Interval>) {
    match pings {
        Some(pings) => {
            pings.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Makes the call, and tells the client what comes of it.
pub(super) async fn answer(
    breath: &mut Breath<'_>,
    voice: Voice<'_>,
    opening: Opening,
    call: Call,
) -> End {
    // In memory that goes when there is a reply, which may be silent for hours.
    let opening = Box::pin(opening.open(async { Ok(call) }));
    let opened = breath.during(opening).await;
    let Reply { metadata, messages } = match opened {
        Ok(Ok(reply)) => reply,
        Ok(Err(status)) => return End::Over(status),
        Err(Gone) => return End::Gone,
    };
    let limit = voice.core.options.reply_limit();
    let reader = ReplyReader::new(messages, &metadata, limit);
    drop(metadata);
    let ended = if voice.binding.route.streaming.from_server() {
        every(breath, voice, reader).await
    } else {
        single(breath, voice, reader).await
    };
    match ended {
        Ok(status) => End::Over(status),
        Err(Gone) => End::Gone,
    }
}

async fn every(
    breath: &mut Breath<'_>,
    voice: Voice<'_>,
    mut reader: ReplyReader,
) -> Result<Status, Gone> {
    loop {
        // What is there already goes out together.
        let at_once = reader.next(|message| voice.message(message)).now_or_never();
        let event = match at_once {
            Some(event) => event,
            None => {
                breath.flush().await?;
                let next = pin!(reader.next(|message| voice.message(message)));
                breath.during(next).await?
            }
        };
        match event {
            Some(Event::Message(message)) => breath.say(message).await?,
            Some(Event::End(status, _)) => return Ok(status),
            None => {
                return Ok(Status::new(
                    Code::Internal,
                    "the service ended without a status",
                ));
            }
        }
    }
}

async fn single(
    breath: &mut Breath<'_>,
    voice: Voice<'_>,
    reader: ReplyReader,
) -> Result<Status, Gone> {
    let only = pin!(reader.only(|message| voice.message(message)));
    match breath.during(only).await? {
        (Ok(message), _) => {
            breath.say(message).await?;
            Ok(Status::ok())
        }
        (Err(status), _) => Ok(status),
    }
}
