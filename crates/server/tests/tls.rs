//! TLS: both kinds of HTTP by ALPN, clients with and without certificates, and
//! certificates that are renewed.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portolan_server::{ClientCertificate, Limits, Listener, RequestBody, Server, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::service_fn;

const SOON: Duration = Duration::from_secs(5);
const H2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` and its key, as PEM.
fn pair(authority: &Authority) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let uri = "spiffe://example.org/client".try_into().unwrap();
    parameters.subject_alt_names.push(SanType::URI(uri));
    let certificate = parameters.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Says which HTTP it was asked by, and who asks.
async fn who(request: Request<RequestBody>) -> Result<Response<String>, Infallible> {
    let certificate = request.extensions().get::<ClientCertificate>();
    let name = certificate.map_or_else(
        || "nobody".to_owned(),
        |certificate| {
            assert_eq!(certificate.chain().next(), Some(certificate.der()));
            format!(
                "{} {}",
                certificate.dns_names().join(","),
                certificate.uris().join(",")
            )
        },
    );
    Ok(Response::new(format!("{:?} {name}", request.version())))
}

fn serve(tls: Tls) -> Running {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap())
        .unwrap()
        .tls(tls);
    assert!(listener.is_encrypted() && listener.url().starts_with("https://127.0.0.1:"));
    Running::start_on(Server::new(service_fn(who)), listener)
}

/// A client that trusts the authority, and perhaps has a certificate.
fn client(trusted: &Authority, own: Option<&(String, String)>, alpn: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

async fn connect(server: &Running, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Asks over HTTP/2 when that was agreed upon, or when told.
async fn ask(stream: TlsStream<TcpStream>, http2: bool) -> Result<String, hyper::Error> {
    let stream = TokioIo::new(stream);
    let request = Request::builder()
        .uri("https://localhost/")
        .header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response = if http2 {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await?;
        tokio::spawn(connection);
        sender.send_request(request).await?
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        sender.send_request(request).await?
    };
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn alpn_chooses_between_both_versions() {
    let authority = authority();
    let (certificate, key) = pair(&authority);
    let server = serve(Tls::from_pem(certificate, key).unwrap());
    for (offered, agreed) in [
        (&[H2, HTTP_1][..], Some(H2)),
        (&[H2], Some(H2)),
        (&[HTTP_1], Some(HTTP_1)),
        (&[], None),
    ] {
        let stream = connect(&server, client(&authority, None, offered))
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        let http2 = agreed == Some(H2);
        let expected = if http2 {
            "HTTP/2.0 nobody"
        } else {
            "HTTP/1.1 nobody"
        };
        assert_eq!(ask(stream, http2).await.unwrap(), expected);
    }
    // Without a word about it, prior knowledge does.
    let stream = connect(&server, client(&authority, None, &[]))
        .await
        .unwrap();
    assert_eq!(ask(stream, true).await.unwrap(), "HTTP/2.0 nobody");
    // Another protocol is none of ours (RFC 7301 §3.2).
    assert!(
        connect(&server, client(&authority, None, &[b"spdy/3"]))
            .await
            .is_err()
    );
    assert_eq!(server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn a_client_certificate_is_demanded_and_told_to_the_service() {
    let (authority, clients, strangers) = (authority(), authority(), authority());
    let (certificate, key) = pair(&authority);
    let tls = Tls::from_pem(certificate, key).unwrap();
    let demanding = tls.clone().client_ca_pem(clients.pem()).unwrap();
    let optional = demanding.clone().client_certificate_optional().unwrap();
    let (known, stranger) = (pair(&clients), pair(&strangers));
    for (tls, required) in [(demanding, true), (optional, false)] {
        let server = serve(tls);
        for offered in [H2, HTTP_1] {
            let asked = async |own: Option<&(String, String)>| {
                // In TLS 1.3 a client learns with its first read that it was
                // turned away (RFC 8446 §4.4.2.4).
                let stream = connect(&server, client(&authority, own, &[offered]))
                    .await
                    .ok()?;
                ask(stream, offered == H2).await.ok()
            };
            let version = if offered == H2 {
                "HTTP/2.0"
            } else {
                "HTTP/1.1"
            };
            let name = "localhost spiffe://example.org/client";
            assert_eq!(
                asked(Some(&known)).await.unwrap(),
                format!("{version} {name}")
            );
            assert_eq!(asked(Some(&stranger)).await, None);
            let anonymous = (!required).then(|| format!("{version} nobody"));
            assert_eq!(asked(None).await, anonymous);
        }
    }
}

/// The certificate that a new connection sees.
async fn shown(server: &Running, trusted: &Authority) -> CertificateDer<'static> {
    let stream = connect(server, client(trusted, None, &[H2])).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

fn write(folder: &Path, (certificate, key): &(String, String)) {
    // The key first, so that there is a moment in which the two do not belong
    // together.
    fs::write(folder.join("a.key"), key).unwrap();
    fs::write(folder.join("a.crt"), certificate).unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_a_bad_one_is_not() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), authority());
    let pairs = [pair(&authority), pair(&authority)];
    write(folder.path(), &pairs[0]);
    let [certificate, key] = ["a.crt", "a.key"].map(|name| folder.path().join(name));
    let tls = Tls::from_files(&certificate, key).unwrap();
    let server = serve(tls.reload_interval(Duration::from_millis(5)));
    let der = pairs
        .each_ref()
        .map(|(pem, _)| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap());
    let old = connect(&server, client(&authority, None, &[HTTP_1]))
        .await
        .unwrap();
    assert_eq!(shown(&server, &authority).await, der[0]);

    for bad in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &pairs[1].0,
    ] {
        fs::write(&certificate, bad).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(shown(&server, &authority).await, der[0], "{bad}");
    }
    fs::remove_file(&certificate).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(shown(&server, &authority).await, der[0]);

    write(folder.path(), &pairs[1]);
    let begin = Instant::now();
    while shown(&server, &authority).await != der[1] {
        assert!(begin.elapsed() < SOON, "the new one is not shown");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ask(old, false).await.unwrap(), "HTTP/1.1 nobody");
    assert_eq!(server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_and_let_go() {
    let authority = authority();
    let (certificate, key) = pair(&authority);
    let server = serve(Tls::from_pem(certificate, key).unwrap());
    let sentence = "this port speaks TLS; ask for https://";
    for (said, begin, answered) in [
        (
            &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
            &b"HTTP/1.1 400 "[..],
            true,
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            b"\0\0\0\x04",
            true,
        ),
        (b"\0\0\0", b"", false),
        // A record that is no hello.
        (b"\x16\x03\x01\0\x05hello", b"", false),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // The server waits a moment for the client to close too.
        if answered {
            let reading = stream.read_buf(&mut answer);
            tokio::time::timeout(SOON, reading).await.unwrap().unwrap();
            stream.shutdown().await.unwrap();
        }
        let reading = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(SOON, reading)
            .await
            .expect("the connection ends");
        assert!(answer.starts_with(begin), "{answer:?}");
        assert_eq!(
            String::from_utf8_lossy(&answer).contains(sentence),
            answered
        );
    }
    assert_eq!(server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn a_handshake_has_a_limit() {
    let authority = authority();
    let (certificate, key) = pair(&authority);
    let limit = Duration::from_millis(200);
    let server = serve(
        Tls::from_pem(certificate, key)
            .unwrap()
            .handshake_timeout(limit),
    );
    for said in [&b""[..], b"\x16", b"\x16\x03\x01\x02\0\x01"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let begin = Instant::now();
        stream.write_all(said).await.unwrap();
        let mut end = [0; 64];
        let reading = stream.read(&mut end);
        let _ = tokio::time::timeout(SOON, reading)
            .await
            .expect("the connection ends");
        assert!(begin.elapsed() >= limit, "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn who_agrees_on_http2_has_to_begin_it() {
    let authority = authority();
    let (certificate, key) = pair(&authority);
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap())
        .unwrap()
        .tls(Tls::from_pem(certificate, key).unwrap());
    let limit = Duration::from_millis(200);
    let server = Server::new(service_fn(who)).limits(Limits::default().header_timeout(limit));
    let server = Running::start_on(server, listener);
    let mut stream = connect(&server, client(&authority, None, &[b"h2"]))
        .await
        .unwrap();
    let begin = Instant::now();
    let mut end = [0; 64];
    let reading = stream.read(&mut end);
    let _ = tokio::time::timeout(SOON, reading)
        .await
        .expect("the connection ends");
    assert!(begin.elapsed() >= limit, "{:?}", begin.elapsed());
}

/// More than the buffers of both sides hold, in both directions.
#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let authority = authority();
    let (certificate, key) = pair(&authority);
    let tls = Tls::from_pem(certificate, key).unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap())
        .unwrap()
        .tls(tls);
    let echo = service_fn(async |request: Request<RequestBody>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let server = Running::start_on(Server::new(echo), listener);
    for offered in [H2, HTTP_1] {
        let stream = connect(&server, client(&authority, None, &[offered]))
            .await
            .unwrap();
        let stream = TokioIo::new(stream);
        let large = Bytes::from(
            (0..20_u32 << 20)
                .map(|at| (at % 251) as u8)
                .collect::<Vec<_>>(),
        );
        let body = http_body_util::Full::new(large.clone());
        let request = Request::post("https://localhost/").header("host", "localhost");
        let request = request.body(body).unwrap();
        let response = if offered == H2 {
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
            let (mut sender, connection) = handshake.await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        assert!(response.into_body().collect().await.unwrap().to_bytes() == large);
    }
    assert_eq!(server.drained(SOON).await.cut, 0);
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    let (good, other) = (pair(&authority), pair(&authority));
    write(folder.path(), &good);
    let path = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("other.crt", other.0.as_str()),
        ("empty.crt", ""),
        (
            "text.crt",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ),
        ("half.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
        (
            "der.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        ("empty.key", ""),
        (
            "locked.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ),
        (
            "odd.key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ),
    ] {
        fs::write(path(name), text).unwrap();
    }
    let base = folder.path().display();
    let expect = |certificate: &str, key: &str, sentence: String| {
        let error = Tls::from_files(path(certificate), path(key)).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    };
    for (certificate, reason) in [
        ("empty.crt", "it holds no `BEGIN CERTIFICATE`"),
        ("text.crt", "its PEM text is not base64"),
        ("half.crt", "a block of its PEM text has no end"),
        ("der.crt", "it is not an X.509 certificate"),
    ] {
        let name = format!("certificate {base}/{certificate}");
        expect(
            certificate,
            "a.key",
            format!("cannot use the {name}: {reason}"),
        );
    }
    for (key, reason) in [
        ("empty.key", "it holds no `BEGIN PRIVATE KEY`"),
        (
            "locked.key",
            "it is encrypted; take the passphrase off with `openssl pkey -in KEY -out PLAIN`",
        ),
        (
            "odd.key",
            "it is not an RSA, ECDSA (P-256, P-384) or Ed25519 key",
        ),
    ] {
        let name = format!("private key {base}/{key}");
        expect("a.crt", key, format!("cannot use the {name}: {reason}"));
    }
    let none = format!("cannot read the certificate {base}/none.crt: no such file");
    expect("none.crt", "a.key", none);
    let mismatch = format!(
        "the private key {base}/a.key does not belong to the certificate {base}/other.crt; \
         give the two of one pair"
    );
    expect("other.crt", "a.key", mismatch);
    let tls = Tls::from_files(path("a.crt"), path("a.key")).unwrap();
    let error = tls
        .clone()
        .client_ca(path("none.crt"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!("cannot read the client CA {base}/none.crt: no such file")
    );
    let error = tls.client_ca(path("der.crt")).unwrap_err().to_string();
    let reason = "it is not an X.509 certificate";
    assert_eq!(
        error,
        format!("cannot use the client CA {base}/der.crt: {reason}")
    );
}
