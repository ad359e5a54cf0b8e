//! One call on a WebSocket, from the first word to the last, and how both sides
//! learn of the end.
//!
//! Listening and answering go on side by side in one task. Listening stops while
//! the service does not take what was said, and answering while the client does
//! not, so neither can fill memory. Whichever sees an end first ends the other.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::HeaderMap;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::answer::{Breath, Voice, answer};
use super::close::End;
use super::listen::{Finished, Stage, listen, said};
use super::pulse::Pulse;
use super::subprotocol::Format;
use crate::call::{Call, Fault, Messages};
use crate::gateway::Opening;
use crate::protocol::rest::error;
use crate::protocol::rest::request::Bound;
use crate::protocol::{Conversation, Core, Eventually};
use crate::route::Binding;
use crate::{Code, Deadline, Status};

/// How much is read at a time, and held for a connection that is silent.
const READ: usize = 4 * 1024;
/// How much is gathered before it goes out. What is larger goes out at once.
const WRITE: usize = 16 * 1024;
/// How much longer than its deadline an answer may take to say so itself.
const LATE: Duration = Duration::from_millis(500);
/// How long the last frames may take to get away, and how long the client may
/// take to answer them.
const PARTING: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<Upgraded>>;
pub(super) type Mouth = SplitSink<Socket, Message>;
pub(super) type Ear = SplitStream<Socket>;

/// A call that is to be held.
pub(super) struct Talk {
    core: Arc<Core>,
    binding: Arc<Binding>,
    bound: Bound,
    format: Format,
    metadata: HeaderMap,
}

impl Talk {
    pub(super) fn boxed(
        core: Arc<Core>,
        binding: Arc<Binding>,
        bound: Bound,
        format: Format,
        metadata: HeaderMap,
    ) -> Box<dyn Conversation> {
        Box::new(Self {
            core,
            binding,
            bound,
            format,
            metadata,
        })
    }
}

impl Conversation for Talk {
    fn hold(self: Box<Self>, upgrade: OnUpgrade, opening: Opening) -> Eventually<'static, ()> {
        Box::pin(async move {
            let Ok(upgraded) = upgrade.await else {
                // The client left before it was answered.
                opening.outcome().end(Code::Cancelled);
                return;
            };
            let limit = self.core.options.max_message_size;
            let config = WebSocketConfig::default()
                .read_buffer_size(READ)
                .write_buffer_size(WRITE)
                .max_message_size(Some(limit))
                .max_frame_size(Some(limit));
            let io = TokioIo::new(upgraded);
            let socket = Socket::from_raw_socket(io, Role::Server, Some(config)).await;
            let (mut mouth, mut ear) = socket.split();
            let core = Arc::clone(&self.core);
            let end = hold(*self, &mut mouth, &mut ear, opening).await;
            part(&core, mouth, ear, end).await;
        })
    }
}

/// Holds the call to its end. When this returns, nothing of it is left but the
/// words of parting.
async fn hold(talk: Talk, mouth: &mut Mouth, ear: &mut Ear, opening: Opening) -> End {
    let outcome = opening.outcome().clone();
    let pulse = Pulse::default();
    let fault = Fault::default();
    // One message waits here, and one more is in the listener's hand.
    let (sender, receiver) = mpsc::channel(1);
    let finished = Finished::default();
    let call = Call {
        uri: talk.binding.route.uri.clone(),
        metadata: talk.metadata,
        messages: Messages::body(said(receiver, finished.clone()), fault.clone()),
        fault,
    };
    let voice = Voice {
        core: &talk.core,
        binding: &talk.binding,
        format: talk.format,
    };
    let mut breath = Breath::new(mouth, &pulse, talk.core.options.keep_alive);
    let stage = Stage::Open(sender, finished);
    let listening = async {
        let end = listen(ear, &talk.binding, talk.bound, talk.format, stage, &pulse).await;
        // Before the call is let go of, which counts as cancelled.
        outcome.end(end.code());
        end
    };
    let instant = opening.instant();
    // The answer knows the time too, but a client that takes nothing holds it up.
    let late = async {
        match instant {
            Some(instant) => tokio::time::sleep_until(instant + LATE).await,
            None => std::future::pending().await,
        }
    };
    let end = tokio::select! {
        end = listening => end,
        () = late => End::Over(Deadline::exceeded()),
        end = AssertUnwindSafe(answer(&mut breath, voice, opening, call)).catch_unwind() => {
            end.unwrap_or_else(|panic| End::Over(fallen(&*panic)))
        }
    };
    outcome.end(end.code());
    end
}

/// What the client learns of a service that panicked: nothing of the inside.
/// Nobody in front of here sees it, since the request has been answered.
fn fallen(panic: &(dyn Any + Send)) -> Status {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    tracing::error!(target: "portolan::panic", "a call panicked, its client gets INTERNAL: {text}");
    Status::new(Code::Internal, "internal error")
}

/// Says why it ends, and waits for the client to close (RFC 6455 §7.1.1): what
/// is closed while the client still sends is reset, and takes the last frames
/// with it.
async fn part(core: &Core, mut mouth: Mouth, mut ear: Ear, end: End) {
    if matches!(end, End::Gone) {
        return;
    }
    let parting = async {
        if let Some(status) = end.status()
            && status.code() != Code::Ok
            && let Ok(text) = Bytes::from(error::element(core, status)).try_into()
        {
            mouth.feed(Message::Text(text)).await?;
        }
        match end.frame() {
            Some(frame) => mouth.send(Message::Close(Some(frame))).await,
            // The library has the answer to the client's close ready.
            None => mouth.flush().await,
        }
    };
    let Ok(Ok(())) = timeout(PARTING, parting).await else {
        return;
    };
    let broken = matches!(end, End::Broken(..));
    let answered = async {
        let closed = loop {
            match ear.next().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => break false,
                None => break !broken,
            }
        };
        let Ok(socket) = mouth.reunite(ear) else {
            return;
        };
        let mut io = socket.into_inner();
        let shut = io.shutdown().await;
        if closed || shut.is_err() {
            return;
        }
        // Behind a broken frame there may be more that nobody can read.
        let mut rest = vec![0; 1024];
        while let Ok(1..) = io.read(&mut rest).await {
            consume_budget().await;
        }
    };
    let _ = timeout(PARTING, answered).await;
}
