//! What an upstream hears of the clients of a gateway.

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{Folder, Server};

const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
/// An empty message and its frame.
const EMPTY: &[u8] = &[0; 5];

/// A server that answers every call with an empty message, and tells the headers
/// of each.
async fn listener_for_headers() -> (String, mpsc::UnboundedReceiver<HeaderMap>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (teller, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let teller = teller.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let _ = teller.send(request.headers().clone());
                    let response = Response::builder().header("content-type", "application/grpc");
                    let response = response.body(()).unwrap();
                    let mut body = respond.send_response(response, false).unwrap();
                    body.send_data(Bytes::from_static(EMPTY), false).unwrap();
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    body.send_trailers(trailers).unwrap();
                }
            });
        }
    });
    (url, told)
}

/// What the upstream hears of these names, in their order.
fn heard(headers: &HeaderMap) -> Vec<String> {
    [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    ]
    .iter()
    .flat_map(|name| {
        headers
            .get_all(*name)
            .iter()
            .map(move |value| (name, value))
    })
    .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
    .collect()
}

const SAID: [&str; 7] = [
    "forwarded: for=203.0.113.9",
    "x-forwarded-for: 203.0.113.9",
    "x-forwarded-host: www.example",
    "x-forwarded-proto: https",
    "x-real-ip: 203.0.113.9",
    // Two ways to say it past those who look for it.
    "grpc-metadata-x-forwarded-for: 203.0.113.9",
    "connection: x-forwarded-for",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_who_it_is_and_a_trusted_proxy_is_believed() {
    let (url, mut told) = listener_for_headers().await;
    let front = Folder::new();
    let arguments = ["--upstream", &url, "--proto", PROTO];
    let gateway = Server::gateway(&front, &arguments);
    let own = [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: test",
        "x-forwarded-proto: http",
    ];
    for headers in [&[][..], &SAID] {
        let answer = gateway.http("GET /v1/metrics", headers, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(heard(&told.recv().await.unwrap()), own);
    }
    // The same of a client that speaks gRPC.
    let mut http2 = crate::support::wire::Http2::connect(gateway.address()).await;
    let path = "/somafractalmemory.v1.Metrics/GetMetrics";
    let said = [("x-forwarded-for", "203.0.113.9")];
    assert_eq!(http2.call(path, &said, EMPTY).await.code, 0);
    assert_eq!(heard(&told.recv().await.unwrap()), own);

    let trusting = [&arguments[..], &["--trusted-proxy", "127.0.0.1"]].concat();
    let gateway = Server::gateway(&front, &trusting);
    let answer = gateway.http("GET /v1/metrics", &SAID, "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        heard(&told.recv().await.unwrap()),
        [
            "forwarded: for=203.0.113.9",
            "x-forwarded-for: 203.0.113.9, 127.0.0.1",
            "x-forwarded-host: www.example",
            "x-forwarded-proto: https",
            "x-real-ip: 203.0.113.9",
        ]
    );
}
