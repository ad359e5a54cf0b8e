//! Connections that fail one by one, while others to the same server stand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portolan_client::{Backoff, Builder, Channel, OutlierDetection, Policy};
use portolan_rpc::Code;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower_service::Service;

use crate::server::{Server, anywhere, begin, echo, message, request, within, writable};

/// What stands before a server and decides which connections there are.
struct Door {
    address: SocketAddr,
    /// Whether it is slammed in the face of whoever comes, and how often it was.
    shut: Arc<AtomicBool>,
    slammed: Arc<AtomicUsize>,
    inside: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Door {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(anywhere()).await.unwrap();
        let door = Self {
            address: listener.local_addr().unwrap(),
            shut: Arc::default(),
            slammed: Arc::default(),
            inside: Arc::default(),
        };
        let (shut, slammed) = (Arc::clone(&door.shut), Arc::clone(&door.slammed));
        let inside = Arc::clone(&door.inside);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if shut.load(Ordering::SeqCst) {
                    drop(client);
                    slammed.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let connection = tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
                inside.lock().unwrap().push(connection);
            }
        });
        door
    }

    fn channel(&self) -> Builder {
        let url = format!("http://{}", self.address);
        Channel::builder([url.parse().unwrap()])
    }

    /// Ends the first connection that came in.
    fn cut_first(&self) {
        self.inside.lock().unwrap()[0].abort();
    }
}

/// A call that is never answered, under way.
async fn hanging(channel: &Channel, server: &Server) -> JoinHandle<Code> {
    let channel = channel.clone();
    let calls = server.seen.calls.load(Ordering::SeqCst);
    let task = tokio::spawn(async move {
        let hang = request("Unary", message(""), &[("x-hang", "1")]);
        let Err(status) = channel.clone().call(hang).await else {
            panic!("it is never answered");
        };
        status.code()
    });
    let arrived = server
        .seen
        .until(|seen| seen.calls.load(Ordering::SeqCst) > calls);
    arrived.await;
    task
}

/// Calls until there are so many connections.
async fn until_connected(channel: &Channel, connections: usize) {
    within(async {
        while channel.addresses()[0].connections < connections {
            echo(channel, "more").await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_failed_is_tried_again_while_others_are_busy() {
    let server = Server::start().await;
    let door = Door::before(server.address).await;
    let backoff = Backoff {
        initial: Duration::from_millis(1),
        max: Duration::from_millis(1),
        ..Backoff::default()
    };
    let builder = door.channel().backoff(backoff).calls_per_connection(1);
    let channel = builder.max_connections(2).build().unwrap();
    let busy = hanging(&channel, &server).await;
    door.shut.store(true, Ordering::SeqCst);
    within(async {
        while door.slammed.load(Ordering::SeqCst) == 0 {
            echo(&channel, "on the busy one").await.unwrap();
        }
    })
    .await;
    door.shut.store(false, Ordering::SeqCst);
    until_connected(&channel, 2).await;
    busy.abort();
}

#[tokio::test]
async fn a_call_waits_for_room_when_there_can_be_no_other_connection() {
    let server = Server::with(anywhere(), "one", |builder| {
        builder.max_concurrent_streams(1)
    })
    .await;
    let door = Door::before(server.address).await;
    let backoff = Backoff {
        initial: Duration::from_secs(600),
        max: Duration::from_secs(600),
        ..Backoff::default()
    };
    let builder = door.channel().backoff(backoff).max_connections(2);
    let channel = builder.build().unwrap();
    let (sender, body) = writable();
    sender.send(Ok(message("takes the room"))).await.unwrap();
    let (_, reply) = begin(&channel, request("Bidi", body, &[])).await.unwrap();
    door.shut.store(true, Ordering::SeqCst);
    let waiting = {
        let channel = channel.clone();
        tokio::spawn(async move { echo(&channel, "waits").await })
    };
    within(async {
        while door.slammed.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let next = {
        let channel = channel.clone();
        tokio::spawn(async move { echo(&channel, "waits too").await })
    };
    tokio::task::yield_now().await;
    drop((sender, reply));
    for call in [waiting, next] {
        assert_eq!(within(call).await.unwrap().unwrap(), "one");
    }
}

/// A server that says it is in service.
async fn in_service(address: SocketAddr, at_a_time: Option<u32>) -> Server {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("test.Echo", tonic_health::ServingStatus::Serving)
        .await;
    Server::with_health(address, health, |server| {
        server.max_concurrent_streams(at_a_time)
    })
    .await
}

#[tokio::test]
async fn the_end_of_one_connection_says_nothing_of_health() {
    let server = in_service(anywhere(), None).await;
    let door = Door::before(server.address).await;
    let builder = door.channel().health_check("test.Echo");
    let builder = builder.calls_per_connection(1).max_connections(2);
    let channel = builder.build().unwrap();
    let first = hanging(&channel, &server).await;
    until_connected(&channel, 2).await;
    door.cut_first();
    assert_eq!(within(first).await.unwrap(), Code::Unavailable);
    for _ in 0..100 {
        echo(&channel, "on the other").await.unwrap();
    }
}

#[tokio::test]
async fn health_is_asked_anew_behind_a_graceful_end() {
    let server = in_service(anywhere(), None).await;
    let (address, url) = (server.address, server.url());
    let builder = Channel::builder([url.parse().unwrap()]).health_check("test.Echo");
    let channel = builder.build().unwrap();
    let (sender, body) = writable();
    sender.send(Ok(message("0"))).await.unwrap();
    let (_, reply) = begin(&channel, request("Bidi", body, &[])).await.unwrap();
    // It waits for this call, and for nothing else.
    let stopping = tokio::spawn(server.stop());
    within(async {
        while channel.addresses()[0].connections > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let next = in_service(address, None).await;
    within(async {
        while echo(&channel, "on the next").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(!stopping.is_finished());
    drop((sender, reply));
    within(stopping).await.unwrap();
    drop(next);
}

#[tokio::test]
async fn the_watch_of_health_is_one_of_the_calls_that_a_server_takes() {
    let server = in_service(anywhere(), Some(2)).await;
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let builder = builder.health_check("test.Echo").max_connections(2);
    let channel = builder.build().unwrap();
    let calls = [
        hanging(&channel, &server).await,
        hanging(&channel, &server).await,
    ];
    assert_eq!(channel.addresses()[0].connections, 2);
    for call in calls {
        assert!(!call.is_finished());
        call.abort();
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_in_time_is_left_out() {
    let servers = [
        Server::on(anywhere(), "one").await,
        Server::on(anywhere(), "two").await,
    ];
    let outliers = OutlierDetection {
        consecutive_failures: 3,
        base_ejection: Duration::from_secs(600),
        ..OutlierDetection::default()
    };
    let endpoints = servers
        .each_ref()
        .map(|server| server.url().parse().unwrap());
    let channel = Channel::builder(endpoints)
        .policy(Policy::RoundRobin)
        .outlier_detection(outliers)
        .build()
        .unwrap();
    let ejected = || channel.addresses().iter().any(|address| address.ejected);
    within(async {
        while channel.addresses().iter().any(|one| one.connections == 0) {
            echo(&channel, "").await.unwrap();
        }
    })
    .await;
    // Whoever made a call may be the first to see that its time is over, and has
    // said nothing of the server when it gives up before that.
    for (patience, timeout, left_out) in [(20, "1H", false), (50, "50m", true)] {
        for _ in 0..6 {
            let hang = [("x-hang", "1"), ("grpc-timeout", timeout)];
            let call = channel.clone().call(request("Unary", message(""), &hang));
            let waited = tokio::time::timeout(Duration::from_millis(patience), call).await;
            assert!(!matches!(waited, Ok(Ok(_))));
        }
        assert_eq!(ejected(), left_out, "{timeout}");
    }
}
