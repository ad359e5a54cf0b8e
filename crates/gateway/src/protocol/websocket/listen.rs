//! What the client says, on its way to the service.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use portolan_schema::http::Body as RuleBody;
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;
use tokio_tungstenite::tungstenite::Message;

use super::close::End;
use super::pulse::Pulse;
use super::subprotocol::Format;
use super::talk::Ear;
use crate::protocol::rest::request::Bound;
use crate::route::Binding;
use crate::{Code, Status};

/// Whether the client has said that it has no more messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Finished(Arc<AtomicBool>);

/// The messages for the service. A client that just leaves has not said that it
/// was done, and the service must not take it for that.
pub(super) fn said(
    receiver: mpsc::Receiver<Bytes>,
    finished: Finished,
) -> Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>> {
    Box::pin(futures_util::stream::try_unfold(
        (receiver, finished),
        |(mut receiver, finished)| async move {
            match receiver.recv().await {
                Some(frame) => Ok(Some((frame, (receiver, finished)))),
                None if finished.0.load(Ordering::Acquire) => Ok(None),
                None => Err(Status::new(Code::Cancelled, "the client went away")),
            }
        },
    ))
}

/// How far the client is.
pub(super) enum Stage {
    /// It may say something.
    Open(mpsc::Sender<Bytes>, Finished),
    /// It has said all.
    Done,
    /// The service does not want to hear more.
    Unwanted,
}

/// Listens to the client until it has gone or goes wrong.
pub(super) async fn listen(
    ear: &mut Ear,
    binding: &Binding,
    bound: Bound,
    format: Format,
    mut stage: Stage,
    pulse: &Pulse,
) -> End {
    let many = binding.route.streaming.from_client();
    // A rule without a body says all in its URL, unless messages are to follow.
    let mute = !many && binding.body == RuleBody::None;
    if mute {
        match bound.message(None) {
            Ok(message) => say(&mut stage, message).await,
            Err(status) => return End::Over(status),
        }
        finish(&mut stage);
    }
    loop {
        // A client that never pauses must leave the answers their turn.
        consume_budget().await;
        let message = match ear.next().await {
            None | Some(Ok(Message::Close(_))) => return End::Closed,
            Some(Err(error)) => return End::of_read(&error, bound.limit()),
            Some(Ok(message)) => message,
        };
        pulse.heard();
        let framed = match message {
            Message::Text(text) if text.is_empty() => {
                // Without a message, an RPC that takes one gets an empty one.
                if !many && matches!(stage, Stage::Open(..)) {
                    match bound.message(Some(b"")) {
                        Ok(message) => say(&mut stage, message).await,
                        Err(status) => return End::Over(status),
                    }
                }
                finish(&mut stage);
                continue;
            }
            Message::Text(text) => read(&bound, binding, format, text.as_bytes(), true),
            Message::Binary(bytes) => read(&bound, binding, format, &bytes, false),
            // The library answers pings.
            _ => continue,
        };
        let refusal = match &stage {
            Stage::Unwanted => continue,
            Stage::Open(..) => None,
            Stage::Done if mute => Some("this route takes no messages, all is said in its URL"),
            Stage::Done if many => {
                Some("a message came after the empty one that said all was said")
            }
            Stage::Done => Some("this RPC takes one message, and a second one came"),
        };
        if let Some(message) = refusal {
            return End::Over(Status::new(Code::InvalidArgument, message));
        }
        match framed {
            Err(status) => return End::Over(status),
            Ok(frame) => {
                pulse.deafen(true);
                say(&mut stage, frame).await;
                pulse.deafen(false);
            }
        }
        if !many {
            finish(&mut stage);
        }
    }
}

/// A message of the client, framed.
fn read(
    bound: &Bound,
    binding: &Binding,
    format: Format,
    bytes: &[u8],
    is_text: bool,
) -> Result<Bytes, Status> {
    // A body of any type is what it is, in whichever frame.
    let is_raw = binding.raw_request.is_some() && format == Format::Json;
    if is_raw || (is_text && binding.body != RuleBody::None) {
        bound.message(Some(bytes))
    } else if is_text {
        bound.whole(bytes)
    } else {
        bound.wire(bytes)
    }
}

/// Passes a message on, unless nobody wants it any more.
async fn say(stage: &mut Stage, frame: Bytes) {
    if let Stage::Open(sender, _) = stage
        && sender.send(frame).await.is_err()
    {
        *stage = Stage::Unwanted;
    }
}

/// Passes on that the client has said all.
fn finish(stage: &mut Stage) {
    if let Stage::Open(_, finished) = stage {
        finished.0.store(true, Ordering::Release);
        *stage = Stage::Done;
    }
}
