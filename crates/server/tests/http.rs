//! One port speaks HTTP/1.1 and HTTP/2, names every request, and has limits.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use portolan_server::{Client, Listener, Peer, REQUEST_ID, RequestBody, Server};
use support::{Running, get, http1, http2, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::service_fn;

/// Says what it was asked.
async fn echo(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes().len())
        .unwrap_or_default();
    let id = head.headers[REQUEST_ID].to_str().unwrap_or_default();
    let peer = head
        .extensions
        .get::<Peer>()
        .and_then(|peer| peer.address())
        .is_some_and(|address| address.ip().is_loopback());
    Ok(Response::new(Full::from(format!(
        "{:?} {} {body} {id} {peer}",
        head.version,
        head.uri.path()
    ))))
}

#[tokio::test]
async fn both_versions_are_spoken_on_one_port() {
    let server = Running::start(Server::new(service_fn(echo)));
    for (client, version) in [(http1(), Version::HTTP_11), (http2(), Version::HTTP_2)] {
        let mut request = get(&server.url("/a"));
        request
            .headers_mut()
            .insert(REQUEST_ID, "mine-1".parse().unwrap());
        let response = client.request(request).await.unwrap();
        assert_eq!(response.headers()[REQUEST_ID], "mine-1");
        assert_eq!(
            text(response).await,
            format!("{version:?} /a 0 mine-1 true")
        );
    }
    assert_eq!(server.drained(Duration::from_secs(5)).await.cut, 0);
}

#[tokio::test]
async fn a_request_without_an_id_gets_one() {
    let server = Running::start(Server::new(service_fn(echo)));
    let response = http1().request(get(&server.url("/"))).await.unwrap();
    let id = response.headers()[REQUEST_ID].to_str().unwrap().to_owned();
    assert_eq!(id.len(), 36);
    assert!(
        text(response).await.contains(&id),
        "the service sees the same id"
    );
}

#[tokio::test]
async fn several_listeners_serve_the_same() {
    let second = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let second_url = format!("http://{}/b", second.address());
    let server = Running::start(Server::new(service_fn(echo)).listen(second));
    let client = http2();
    for url in [server.url("/b"), second_url] {
        let answer = text(client.request(get(&url)).await.unwrap()).await;
        assert!(answer.starts_with("HTTP/2.0 /b 0 "), "{answer}");
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole_on_both_versions() {
    let server = Running::start(Server::new(service_fn(echo)));
    for client in [http1(), http2()] {
        let body = Full::from(vec![7; 20 * 1024 * 1024]);
        let request = Request::post(server.url("/c")).body(body).unwrap();
        let answer = text(client.request(request).await.unwrap()).await;
        assert!(answer.contains(" /c 20971520 "), "{answer}");
    }
}

/// Sends bytes as they are and gives what comes back until the end.
async fn raw(server: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A reset is an end too.
    let _ = tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Running::start(Server::new(service_fn(echo)));
    assert!(
        raw(&server, b"hello there\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    // A TLS hello on a port without TLS.
    assert!(
        raw(
            &server,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"
        )
        .await
        .starts_with("HTTP/1.1 400 ")
    );
    assert_eq!(server.drained(Duration::from_secs(5)).await.cut, 0);
}

#[tokio::test]
async fn a_slow_preface_is_understood() {
    let server = Running::start(Server::new(service_fn(echo)));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // An empty SETTINGS frame; the server's own comes back.
    stream
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");
}

#[tokio::test]
async fn headers_have_a_limit_on_http1() {
    let server = Running::start(Server::new(service_fn(echo)));
    let mut head = b"GET / HTTP/1.1\r\nhost: a\r\nx-long: ".to_vec();
    head.resize(80 * 1024, b'a');
    head.extend_from_slice(b"\r\n\r\n");
    assert!(raw(&server, &head).await.starts_with("HTTP/1.1 431 "));
    let mut fits = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-long: ".to_vec();
    fits.resize(32 * 1024, b'a');
    fits.extend_from_slice(b"\r\n\r\n");
    assert!(raw(&server, &fits).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn headers_have_a_limit_on_http2() {
    let server = Running::start(Server::new(service_fn(echo)));
    for (length, expected) in [(32 * 1024, true), (80 * 1024, false)] {
        let mut request = get(&server.url("/"));
        request
            .headers_mut()
            .insert("x-long", "a".repeat(length).parse().unwrap());
        let answer = http2().request(request).await;
        let fits = answer.is_ok_and(|response| response.status() == StatusCode::OK);
        assert_eq!(fits, expected, "{length}");
    }
}

#[tokio::test]
async fn a_thousand_calls_share_one_connection() {
    let server = Running::start(Server::new(service_fn(async |request| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        echo(request).await
    })));
    let client = http2();
    // So that there is one connection before all want it.
    client.request(get(&server.url("/"))).await.unwrap();
    let calls: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(client.request(get(&server.url("/")))))
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn head_gets_the_head_on_both_versions() {
    let server = Running::start(Server::new(service_fn(echo)));
    for client in [http1(), http2()] {
        for path in ["/d", "/metrics"] {
            let request = Request::head(server.url(path))
                .body(Full::default())
                .unwrap();
            let response = client.request(request).await.unwrap();
            assert!(
                response.headers()["content-length"]
                    .to_str()
                    .unwrap()
                    .parse::<u32>()
                    .unwrap()
                    > 0
            );
            assert_eq!(text(response).await, "");
        }
    }
}

/// Time flies here: whenever all wait, the clock jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn who_says_too_little_is_let_go() {
    let server = Running::start(Server::new(service_fn(echo)));
    for (bytes, limit) in [
        (&b""[..], 30),
        (b"PRI * HT", 30),
        (b"GET / HTTP/1.1\r\nho", 30),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 620),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT", 620),
    ] {
        let begin = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let waited = begin.elapsed().as_secs();
        assert!(
            (limit - 1..=limit + 1).contains(&waited),
            "{waited} s: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_its_first_words_is_let_go_at_once() {
    let server = Running::start(Server::new(service_fn(async |_: Request<RequestBody>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    })));
    for words in [&b""[..], b"PRI * HTTP/2.0"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(words).await.unwrap();
        stream.shutdown().await.unwrap();
        let end = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await;
        let end = end.expect("the server closes");
        // Words that nobody read make the end a reset.
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client() {
    let who = service_fn(async |request: Request<RequestBody>| {
        let client = request.extensions().get::<Client>().unwrap().0;
        let told = request.headers().contains_key("x-forwarded-for");
        Ok::<_, Infallible>(Response::new(format!("{client} {told}")))
    });
    for (server, expected) in [
        (Server::new(who), "127.0.0.1 true"),
        (
            Server::new(who).trust(["127.0.0.0/8".parse().unwrap()]),
            "192.0.2.7 true",
        ),
        (
            Server::new(who).trust(["10.0.0.0/8".parse().unwrap()]),
            "127.0.0.1 false",
        ),
    ] {
        let server = Running::start(server);
        for client in [http1(), http2()] {
            let mut request = get(&server.url("/"));
            let headers = request.headers_mut();
            headers.insert("x-forwarded-for", "203.0.113.9, 192.0.2.7".parse().unwrap());
            assert_eq!(text(client.request(request).await.unwrap()).await, expected);
        }
    }
}
