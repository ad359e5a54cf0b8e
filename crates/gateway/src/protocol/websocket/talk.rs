//! One call on a WebSocket: what the client says on its way to the service, what
//! the service says on its way back, and how both learn of the end.
//!
//! Listening and answering go on side by side in one task. Listening stops while
//! the service does not take what was said, and answering while the client does
//! not, so neither can fill memory. Whichever sees an end first ends the other.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::HeaderMap;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use portolan_schema::http::Body as RuleBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::close::End;
use super::pulse::Pulse;
use super::subprotocol::Format;
use crate::call::{Call, Fault, Messages};
use crate::gateway::Opening;
use crate::messages::{Event, ReplyReader};
use crate::protocol::rest::error;
use crate::protocol::rest::reply::payload;
use crate::protocol::rest::request::Bound;
use crate::protocol::{Conversation, Core, Eventually};
use crate::route::Binding;
use crate::{Code, Status};

/// How much is read at a time, and held for a connection that is silent.
const READ: usize = 4 * 1024;
/// How much is gathered before it goes out. What is larger goes out at once.
const WRITE: usize = 16 * 1024;
/// How long the last frames may take to get away, and how long the client may
/// take to answer them.
const PARTING: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Mouth = SplitSink<Socket, Message>;
type Ear = SplitStream<Socket>;

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
        path: Arc::clone(&talk.binding.route.path),
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
    let listening = listen(ear, &talk.binding, talk.bound, talk.format, stage, &pulse);
    let end = tokio::select! {
        end = listening => end,
        end = AssertUnwindSafe(answer(&mut breath, voice, opening, call)).catch_unwind() => {
            end.unwrap_or_else(|panic| End::Over(fallen(&*panic)))
        }
    };
    // Before the call is let go of, which counts as cancelled.
    outcome.end(end.status().map_or(Code::Cancelled, Status::code));
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

/// Whether the client has said that it has no more messages.
#[derive(Clone, Debug, Default)]
struct Finished(Arc<AtomicBool>);

/// The messages for the service. A client that just leaves has not said that it
/// was done, and the service must not take it for that.
fn said(
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
enum Stage {
    /// It may say something.
    Open(mpsc::Sender<Bytes>, Finished),
    /// It has said all.
    Done,
    /// The service does not want to hear more.
    Unwanted,
}

/// Listens to the client until it has gone or goes wrong.
async fn listen(
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

/// How the service's messages are put.
#[derive(Clone, Copy)]
struct Voice<'a> {
    core: &'a Core,
    binding: &'a Binding,
    format: Format,
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
struct Breath<'a> {
    mouth: &'a mut Mouth,
    pulse: &'a Pulse,
    pings: Interval,
}

impl<'a> Breath<'a> {
    fn new(mouth: &'a mut Mouth, pulse: &'a Pulse, every: Duration) -> Self {
        // An interval of no length is none.
        let every = every.max(Duration::from_millis(1));
        let mut pings = interval_at(Instant::now() + every, every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            mouth,
            pulse,
            pings,
        }
    }

    /// Waits for something, as long as the client is there.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                _ = self.pings.tick() => {
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

/// Makes the call, and tells the client what comes of it.
async fn answer(breath: &mut Breath<'_>, voice: Voice<'_>, opening: Opening, call: Call) -> End {
    let opened = breath.during(opening.open(async { Ok(call) })).await;
    let reply = match opened {
        Ok(Ok(reply)) => reply,
        Ok(Err(status)) => return End::Over(status),
        Err(Gone) => return End::Gone,
    };
    let limit = voice.core.options.reply_limit();
    let reader = ReplyReader::new(reply.messages, &reply.metadata, limit);
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
                let next = reader.next(|message| voice.message(message));
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
    let only = reader.only(|message| voice.message(message));
    match breath.during(only).await? {
        (Ok(message), _) => {
            breath.say(message).await?;
            Ok(Status::ok())
        }
        (Err(status), _) => Ok(status),
    }
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
    let answered = async {
        while let Some(Ok(_)) = ear.next().await {}
        let Ok(socket) = mouth.reunite(ear) else {
            return;
        };
        let mut io = socket.into_inner();
        if io.shutdown().await.is_err() {
            return;
        }
        // Behind a broken frame there may be more that nobody can read.
        let mut rest = [0; 1024];
        while let Ok(1..) = io.read(&mut rest).await {
            consume_budget().await;
        }
    };
    let _ = timeout(PARTING, answered).await;
}
