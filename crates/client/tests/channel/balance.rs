//! Many addresses, and which of them take calls.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portolan_client::{
    Builder, CallLimit, Channel, OutlierDetection, Policy, Resolve, Resolving, ServiceConfig,
    Upstreams,
};
use portolan_rpc::{Code, Status};
use tonic_health::ServingStatus;
use tower_service::Service;

use crate::server::{Mortal, Server, anywhere, call, echo, message, request, within};

async fn three() -> Vec<Server> {
    let mut servers = Vec::new();
    for name in ["one", "two", "three"] {
        servers.push(Server::on(anywhere(), name).await);
    }
    servers
}

fn to(servers: &[Server]) -> Builder {
    Channel::builder(servers.iter().map(|server| server.url().parse().unwrap()))
}

/// Who answers how many of so many calls.
async fn tally(channel: &Channel, calls: usize) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for _ in 0..calls {
        *tally
            .entry(echo(channel, "hello").await.unwrap())
            .or_default() += 1;
    }
    tally
}

async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

fn all_connected(channel: &Channel) -> bool {
    channel
        .addresses()
        .iter()
        .all(|address| address.connections > 0)
}

#[tokio::test]
async fn policies_spread_calls_as_they_say() {
    let servers = three().await;
    let channel = to(&servers).policy(Policy::PickFirst).build().unwrap();
    assert_eq!(
        tally(&channel, 30).await,
        HashMap::from([("one".to_owned(), 30)])
    );

    let channel = to(&servers).policy(Policy::RoundRobin).build().unwrap();
    echo(&channel, "").await.unwrap();
    until(|| all_connected(&channel)).await;
    let counts = tally(&channel, 30).await;
    assert_eq!((counts.len(), counts["one"], counts["two"]), (3, 10, 10));

    let channel = to(&servers).policy(Policy::LeastRequest).build().unwrap();
    within(async {
        while !all_connected(&channel) {
            echo(&channel, "").await.unwrap();
        }
    })
    .await;
    // Two that are busy get nothing: any two of three have the third.
    let mut busy = Vec::new();
    while channel
        .addresses()
        .iter()
        .filter(|address| address.calls > 0)
        .count()
        < 2
    {
        let hang = request("Unary", message(""), &[("x-hang", "1")]);
        let mut channel = channel.clone();
        busy.push(tokio::spawn(
            async move { channel.call(hang).await.map(drop) },
        ));
        tokio::task::yield_now().await;
    }
    let addresses = channel.addresses();
    let free = addresses.iter().position(|address| address.calls == 0);
    if let Some(free) = free {
        let counts = tally(&channel, 300).await;
        let name = ["one", "two", "three"][free];
        // Two thirds of all pairs have it.
        assert!(counts[name] > 150, "{counts:?}");
    }
    for task in busy {
        task.abort();
    }
}

#[tokio::test]
async fn a_policy_goes_around_the_dead() {
    let servers = three().await;
    let nowhere = crate::faults::nowhere().await;
    for policy in [Policy::PickFirst, Policy::RoundRobin, Policy::LeastRequest] {
        let mut endpoints = vec![format!("http://{nowhere}").parse().unwrap()];
        endpoints.extend(servers.iter().map(|server| server.url().parse().unwrap()));
        let channel = Channel::builder(endpoints).policy(policy).build().unwrap();
        tally(&channel, 50).await;
    }
    // And says how many there are when all of them are.
    let dead = ["127.0.0.1:1", "127.0.0.1:2"].map(|dead| dead.parse().unwrap());
    let channel = Channel::builder(dead)
        .policy(Policy::RoundRobin)
        .build()
        .unwrap();
    let status = echo(&channel, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status
            .message()
            .starts_with("none of 2 addresses can be used; http://127.0.0.1:")
    );
}

#[tokio::test]
async fn an_address_that_comes_back_gets_calls_again() {
    for policy in [Policy::RoundRobin, Policy::LeastRequest] {
        let stays = Server::on(anywhere(), "one").await;
        let goes = Mortal::on(anywhere(), "two");
        let address = goes.address;
        let endpoints = [stays.url(), format!("http://{address}")];
        let endpoints = endpoints.map(|endpoint| endpoint.parse().unwrap());
        let channel = Channel::builder(endpoints).policy(policy).build().unwrap();
        let until_both = async || {
            within(async {
                while !all_connected(&channel) {
                    echo(&channel, "").await.unwrap();
                }
            })
            .await;
        };
        until_both().await;
        goes.stop().await;
        until(|| channel.addresses()[1].connections == 0).await;
        let back = Mortal::on(address, "two");
        until_both().await;
        drop(back);
    }
}

#[tokio::test]
async fn a_server_that_takes_few_calls_gets_more_connections() {
    let server = Server::with(anywhere(), "one", |builder| {
        builder.max_concurrent_streams(10)
    })
    .await;
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let channel = builder.max_connections(4).build().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let channel = channel.clone();
        tasks.spawn(async move {
            for _ in 0..20 {
                let yielding = request("Unary", message("hello"), &[("x-yield", "1")]);
                call(&channel, yielding).await.unwrap();
            }
        });
    }
    within(tasks.join_all()).await;
    assert_eq!(*channel.connected().borrow(), 4);
    assert_eq!(channel.addresses()[0].calls, 0);
}

#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<SocketAddr>>>);

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        assert_eq!((host, port), ("users.test", 50051));
        let addresses = self.0.lock().unwrap().clone();
        Box::pin(async move {
            if addresses.is_empty() {
                return Err(std::io::Error::other("the name is unknown"));
            }
            Ok(addresses)
        })
    }
}

#[tokio::test]
async fn names_are_looked_up_again() {
    let servers = three().await;
    let names = Names::default();
    let builder = Channel::builder(["dns:///users.test:50051".parse().unwrap()])
        .resolver(names.clone())
        .policy(Policy::RoundRobin)
        .resolve_every(Duration::from_millis(20), Duration::from_millis(5));
    let channel = builder.build().unwrap();
    let status = echo(&channel, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        "http://users.test:50051: users.test cannot be looked up: the name is unknown"
    );
    for set in [&servers[..1], &servers[1..], &servers[..2]] {
        let addresses: Vec<SocketAddr> = set.iter().map(|server| server.address).collect();
        names.0.lock().unwrap().clone_from(&addresses);
        until(|| channel.addresses().len() == addresses.len()).await;
        until(|| {
            let now: Vec<_> = channel
                .addresses()
                .into_iter()
                .map(|state| state.address)
                .collect();
            now.iter()
                .zip(&addresses)
                .all(|(now, then)| now.to_string() == then.to_string())
        })
        .await;
        let counts = tally(&channel, 40).await;
        assert!(counts.len() <= set.len(), "{counts:?}");
    }
    // A name that is not found for a while keeps its addresses.
    names.0.lock().unwrap().clear();
    tokio::time::sleep(Duration::from_millis(50)).await;
    tally(&channel, 10).await;
}

/// Knows one name, and takes for ever with any other.
struct Slow(SocketAddr);

impl Resolve for Slow {
    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> Resolving<'a> {
        let quick = host == "quick.test";
        Box::pin(async move {
            if !quick {
                std::future::pending::<()>().await;
            }
            Ok(vec![self.0])
        })
    }
}

#[tokio::test]
async fn a_name_that_takes_long_holds_up_no_other() {
    let server = Server::on(anywhere(), "one").await;
    for other in [server.url(), "dns:///quick.test:1".to_owned()] {
        let endpoints = ["dns:///slow.test:1", &other].map(|endpoint| endpoint.parse().unwrap());
        let channel = Channel::builder(endpoints)
            .resolver(Slow(server.address))
            .build()
            .unwrap();
        // Sooner than a name is given up.
        let soon = request("Unary", message(""), &[("grpc-timeout", "5S")]);
        call(&channel, soon).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_is_looked_up_when_its_addresses_fail() {
    let first = Mortal::on(anywhere(), "one");
    let second = Server::on(anywhere(), "two").await;
    let names = Names(Arc::new(Mutex::new(vec![first.address])));
    let builder = Channel::builder(["dns:///users.test:50051".parse().unwrap()])
        .resolver(names.clone())
        .resolve_every(Duration::from_secs(3600), Duration::from_millis(5));
    let channel = builder.build().unwrap();
    assert_eq!(echo(&channel, "").await.unwrap(), "one");
    *names.0.lock().unwrap() = vec![second.address];
    first.kill().await;
    within(async {
        while echo(&channel, "").await.as_deref() != Ok("two") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_not_in_service_gets_no_calls() {
    let (reporter, health) = tonic_health::server::health_reporter();
    let listener = tokio::net::TcpListener::bind(anywhere()).await.unwrap();
    let ill = listener.local_addr().unwrap();
    let echo_service = crate::server::Echo {
        name: "ill",
        ..crate::server::Echo::default()
    };
    let router = tonic::transport::Server::builder()
        .add_service(health)
        .add_service(echo_service);
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(router.serve_with_incoming(incoming));
    // This one has no health checks.
    let well = Server::on(anywhere(), "well").await;
    let endpoints = [format!("http://{ill}"), well.url()].map(|url| url.parse().unwrap());
    let builder = Channel::builder(endpoints).policy(Policy::RoundRobin);
    let channel = builder.health_check("test.Echo").build().unwrap();

    reporter
        .set_service_status("test.Echo", ServingStatus::NotServing)
        .await;
    echo(&channel, "").await.unwrap();
    until(|| all_connected(&channel)).await;
    assert_eq!(
        tally(&channel, 20).await,
        HashMap::from([("well".to_owned(), 20)])
    );
    for (status, wanted) in [(ServingStatus::Serving, 2), (ServingStatus::NotServing, 1)] {
        reporter.set_service_status("test.Echo", status).await;
        within(async {
            while tally(&channel, 10).await.len() != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_address_whose_calls_fail_is_left_out_for_a_while() {
    let servers = three().await;
    let outliers = OutlierDetection {
        consecutive_failures: 3,
        base_ejection: Duration::from_secs(2),
        ..OutlierDetection::default()
    };
    let builder = to(&servers)
        .policy(Policy::RoundRobin)
        .outlier_detection(outliers);
    let channel = builder.build().unwrap();
    echo(&channel, "").await.unwrap();
    until(|| all_connected(&channel)).await;
    // Two of three calls go well: only every third goes to this one.
    for at in 0..9 {
        let fails = at % 3 == 0;
        let metadata: &[(&str, &str)] = if fails { &[("x-code", "14")] } else { &[] };
        let answer = call(&channel, request("Unary", message("x"), metadata)).await;
        assert_eq!(answer.is_err(), fails);
    }
    let ejected = || {
        channel
            .addresses()
            .iter()
            .filter(|address| address.ejected)
            .count()
    };
    assert_eq!(ejected(), 1);
    assert_eq!(tally(&channel, 30).await.len(), 2);
    until(|| ejected() == 0).await;
    assert_eq!(tally(&channel, 30).await.len(), 3);
}

#[tokio::test]
async fn calls_over_the_limit_wait_or_are_refused() {
    let server = Server::start().await;
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let limit = CallLimit {
        calls: 1,
        queued: 1,
    };
    let channel = builder.call_limit(limit).build().unwrap();
    let (_, body) = crate::server::begin(&channel, request("Count", message("1"), &[]))
        .await
        .unwrap();
    let waiting = tokio::spawn({
        let channel = channel.clone();
        async move { echo(&channel, "next").await }
    });
    // On this one thread the other now gets to wait first.
    tokio::task::yield_now().await;
    let timeout = [("grpc-timeout", "20m")];
    within(async {
        loop {
            let status = call(&channel, request("Unary", message(""), &timeout))
                .await
                .unwrap_err();
            match status.code() {
                Code::DeadlineExceeded => {}
                Code::ResourceExhausted => {
                    let text = "1 calls are under way and 1 wait, which are the limits";
                    assert_eq!(status.message(), text);
                    return;
                }
                _ => panic!("{status}"),
            }
        }
    })
    .await;
    drop(body);
    assert_eq!(within(waiting).await.unwrap().unwrap(), "one");
}

#[tokio::test]
async fn services_are_found_where_they_are() {
    let server = Server::start().await;
    let elsewhere = crate::server::channel("http://127.0.0.1:1");
    let mut upstreams = Upstreams::new()
        .route("test.Echo", server.channel())
        .route("test", elsewhere);
    let answer = upstreams
        .call(request("Unary", message("hello"), &[]))
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-server"], "one");
    let other = http::Request::post("/test.Other/Unary").body(portolan_rpc::Body::empty());
    let status: Status = upstreams.call(other.unwrap()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

/// A config with this retry policy's figures for all methods.
pub(crate) fn retrying(attempts: u32, codes: &str, more: &str) -> ServiceConfig {
    let text = format!(
        r#"{{"methodConfig": [{{"name": [{{}}], "retryPolicy": {{
            "maxAttempts": {attempts}, "initialBackoff": "0.01s", "maxBackoff": "0.02s",
            "backoffMultiplier": 2, "retryableStatusCodes": [{codes}]}}}}]{more}}}"#
    );
    ServiceConfig::from_json(&text).unwrap()
}

pub(crate) fn calls(server: &Server) -> usize {
    server.seen.calls.load(std::sync::atomic::Ordering::SeqCst)
}

#[tokio::test]
async fn failed_calls_are_tried_again_as_the_config_says() {
    for (code, asks, tries) in [
        ("14", None, 4),
        ("13", None, 1),
        // The server asks for a pause, or for none.
        ("14", Some("5"), 4),
        ("14", Some("-1"), 1),
        ("14", Some("soon"), 1),
    ] {
        let server = Server::start().await;
        let builder = Channel::builder([server.url().parse().unwrap()]);
        let config = retrying(4, "\"UNAVAILABLE\"", "");
        let channel = builder.service_config(config).build().unwrap();
        let mut metadata = vec![("x-code", code)];
        metadata.extend(asks.map(|asks| ("x-pushback", asks)));
        let failing = request("Unary", message("hello"), &metadata);
        let status = call(&channel, failing).await.unwrap_err();
        assert_eq!(status.code() as i32, code.parse::<i32>().unwrap());
        assert_eq!(calls(&server), tries, "{code} {asks:?}");
    }
}

#[tokio::test]
async fn a_call_that_goes_well_in_the_end_says_how_often_it_was_tried() {
    let server = Server::start().await;
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let config = retrying(5, "14", "");
    let channel = builder.service_config(config).build().unwrap();
    // Fails until it has been tried twice before.
    let picky = request("Unary", message("hello"), &[("x-attempts", "2")]);
    let (head, texts) = call(&channel, picky).await.unwrap();
    assert_eq!(texts, ["hello"], "the request was sent again whole");
    assert_eq!(head["x-previous"], "2");
    // A request that is too large to be remembered is sent once.
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let builder = builder
        .service_config(retrying(5, "14", ""))
        .replay_limit(10);
    let picky = request("Unary", message("hello, hello"), &[("x-attempts", "2")]);
    let status = call(&builder.build().unwrap(), picky).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn retries_have_a_budget() {
    let server = Server::start().await;
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let throttling = r#", "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}"#;
    let config = retrying(5, "14", throttling);
    let channel = builder.service_config(config).build().unwrap();
    for _ in 0..20 {
        let failing = request("Unary", message(""), &[("x-code", "14")]);
        call(&channel, failing).await.unwrap_err();
    }
    // Each attempt costs a token, and below five there are no retries.
    assert_eq!(calls(&server), 24);
}

#[tokio::test]
async fn a_config_bounds_how_long_a_method_takes() {
    let server = Server::start().await;
    let text = r#"{"methodConfig": [{"name": [{"service": "test.Echo"}], "timeout": "0.05s"}]}"#;
    let config = ServiceConfig::from_json(text).unwrap();
    let builder = Channel::builder([server.url().parse().unwrap()]).service_config(config);
    let channel = builder.build().unwrap();
    for metadata in [
        &[("x-hang", "1")][..],
        &[("x-hang", "1"), ("grpc-timeout", "1H")],
    ] {
        let hanging = request("Unary", message(""), metadata);
        let status = within(call(&channel, hanging)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
