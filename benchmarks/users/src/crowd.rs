//! A thousand clients of one server at once: people in a room who all hear what
//! one of them says, and watchers who all see what changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use benchmark_report::figures::median;
use portolan_users::proto::user::v1::CreateUserRequest;
use portolan_users::proto::user::v1::user_service_client::UserServiceClient as Canonical;
use portolan_users::proto::users::v1::user_service_client::UserServiceClient;
use portolan_users::proto::users::v1::{ChatMessage, WatchUserChangesRequest};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};

use crate::contender::{Programs, Running};

/// How many there are.
pub(crate) const CROWD: usize = 1000;
/// How many connections they share.
const CONNECTIONS: usize = 10;
/// How much is said, or changed.
const MESSAGES: usize = 300;
/// How much of it nobody has all of yet: the next is said when enough is heard.
const AHEAD: usize = 4;
/// So long must everybody hear everything.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    /// Messages per second, each to all.
    pub(crate) rate: f64,
    /// Milliseconds from where it was said to where it was heard.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Seconds of the server's processor time for 100,000 deliveries.
    pub(crate) processor: f64,
}

/// Everybody is in one room, and one of them talks.
pub(crate) async fn chat(server: &Running, programs: &Programs) -> Result<Delivered> {
    let mut clients = Vec::new();
    for channel in channels(server).await? {
        clients.push(UserServiceClient::new(channel));
    }
    let mut said = Vec::new();
    let mut heard = Vec::new();
    for number in 0..CROWD {
        let (say, saying) = mpsc::channel(AHEAD);
        let request = with_token(ReceiverStream::new(saying), programs)?;
        let client = clients[number % CONNECTIONS].clone();
        heard.push(join(client, request).await?);
        said.push(say);
    }
    let speaker = said.first().context("there is a speaker")?.clone();
    let delivered = deliver(server, heard, |index| {
        let speaker = speaker.clone();
        async move {
            let message = ChatMessage {
                user_id: "speaker".to_owned(),
                content: index.to_string(),
                timestamp: None,
            };
            Ok(speaker.send(message).await?)
        }
    });
    let delivered = delivered.await?;
    drop(said);
    Ok(delivered)
}

async fn join(
    mut client: UserServiceClient<Channel>,
    request: Request<ReceiverStream<ChatMessage>>,
) -> Result<Heard> {
    let stream = client.chat(request).await?.into_inner();
    Ok(Heard::Chat(stream))
}

/// Everybody watches everybody, and users are made.
pub(crate) async fn watch(server: &Running, programs: &Programs) -> Result<Delivered> {
    let channels = channels(server).await?;
    let mut heard = Vec::new();
    for number in 0..CROWD {
        let mut client = UserServiceClient::new(channels[number % CONNECTIONS].clone());
        let request = with_token(WatchUserChangesRequest::default(), programs)?;
        let stream = client.watch_user_changes(request).await?.into_inner();
        heard.push(Heard::Watch(stream));
    }
    let client = Canonical::new(channels[0].clone());
    deliver(server, heard, |index| {
        let mut client = client.clone();
        async move {
            let request = CreateUserRequest {
                email: format!("u{index}@example.com"),
                name: index.to_string(),
                ..CreateUserRequest::default()
            };
            client.create_user(with_token(request, programs)?).await?;
            Ok(())
        }
    })
    .await
}

/// What a client of the crowd listens to.
enum Heard {
    Chat(Streaming<ChatMessage>),
    Watch(Streaming<portolan_users::proto::users::v1::UserEvent>),
}

impl Heard {
    /// Waits for the next message.
    async fn next(&mut self) -> Result<()> {
        let came = match self {
            Self::Chat(stream) => stream.message().await?.is_some(),
            Self::Watch(stream) => stream.message().await?.is_some(),
        };
        ensure!(came, "a stream has ended");
        Ok(())
    }
}

/// Says everything, and measures until all have heard it.
async fn deliver<F>(
    server: &Running,
    heard: Vec<Heard>,
    say: impl Fn(usize) -> F,
) -> Result<Delivered>
where
    F: Future<Output = Result<()>>,
{
    let begun = server.process.processor_time()?;
    let room = Arc::new(Semaphore::new(AHEAD * CROWD));
    let start = Instant::now();
    let mut listeners = JoinSet::new();
    for mut stream in heard {
        let room = Arc::clone(&room);
        listeners.spawn(async move {
            let mut times = Vec::with_capacity(MESSAGES);
            for _ in 0..MESSAGES {
                stream.next().await?;
                times.push(start.elapsed());
                room.add_permits(1);
            }
            // It stays until the last has heard the last.
            anyhow::Ok((times, stream))
        });
    }
    let mut moments = Vec::with_capacity(MESSAGES);
    for index in 0..MESSAGES {
        let permits = u32::try_from(CROWD)?;
        let turn = tokio::time::timeout(PATIENCE, room.acquire_many(permits));
        turn.await.context("the crowd hears nothing")??.forget();
        moments.push(start.elapsed());
        say(index).await?;
    }
    let mut delays = Vec::with_capacity(MESSAGES * CROWD);
    let mut streams = Vec::with_capacity(CROWD);
    let all = async {
        while let Some(ended) = listeners.join_next().await {
            let (times, stream) = ended??;
            let pairs = moments.iter().zip(times);
            delays.extend(pairs.map(|(said, heard)| heard.saturating_sub(*said).as_secs_f64()));
            streams.push(stream);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .context("not everybody has heard everything")??;
    let took = start.elapsed().as_secs_f64();
    let used = server.process.processor_time()? - begun;
    let p50 = median(&delays) * 1e3;
    delays.sort_by(f64::total_cmp);
    let p99 = delays[delays.len() * 99 / 100] * 1e3;
    Ok(Delivered {
        rate: MESSAGES as f64 / took,
        p50,
        p99,
        processor: used / delays.len() as f64 * 1e5,
    })
}

async fn channels(server: &Running) -> Result<Vec<Channel>> {
    let url = format!("http://{}", server.process.address);
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let endpoint = Endpoint::from_shared(url.clone())?;
        channels.push(endpoint.tcp_nodelay(true).connect().await?);
    }
    Ok(channels)
}

fn with_token<T>(message: T, programs: &Programs) -> Result<Request<T>> {
    let mut request = Request::new(message);
    let token = MetadataValue::try_from(format!("Bearer {}", programs.token))?;
    request.metadata_mut().insert("authorization", token);
    Ok(request)
}
