//! Encrypted connections, and impostors.

use std::net::SocketAddr;
use std::sync::Arc;

use portolan_client::{Channel, Tls};
use portolan_rpc::Code;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

use crate::server::{Echo, echo};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name, and its key, as PEM.
fn certificate(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// A server for `localhost` that may ask for certificates, and speaks these
/// protocols.
async fn server(
    authority: &Authority,
    clients: Option<&Authority>,
    protocols: &[&[u8]],
) -> SocketAddr {
    let (_, key) = certificate(authority, "localhost");
    let key_pair = KeyPair::from_pem(&key).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let chain = vec![
        params
            .signed_by(&key_pair, authority)
            .unwrap()
            .der()
            .clone(),
    ];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let stream = Incoming(stream);
                sender.send(Ok::<_, std::io::Error>(stream)).await.unwrap();
            }
        }
    });
    let server = tonic::transport::Server::builder().add_service(Echo {
        name: "tls",
        ..Echo::default()
    });
    tokio::spawn(server.serve_with_incoming(ReceiverStream::new(receiver)));
    address
}

/// A TLS stream as tonic takes it.
struct Incoming(tokio_rustls::server::TlsStream<tokio::net::TcpStream>);

impl tonic::transport::server::Connected for Incoming {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl tokio::io::AsyncRead for Incoming {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl tokio::io::AsyncWrite for Incoming {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(context)
    }
}

fn channel(address: SocketAddr, tls: Tls) -> Channel {
    let endpoint = format!("https://{address}").parse().unwrap();
    Channel::builder([endpoint]).tls(tls).build().unwrap()
}

#[tokio::test]
async fn a_server_with_a_certificate_is_trusted() {
    let authority = authority("right");
    for protocols in [&[&b"h2"[..]][..], &[]] {
        let address = server(&authority, None, protocols).await;
        let tls = Tls::new().roots(authority.pem()).server_name("localhost");
        assert_eq!(echo(&channel(address, tls), "hello").await.unwrap(), "tls");
    }
}

#[tokio::test]
async fn impostors_are_not_and_the_error_says_why() {
    let right = authority("right");
    let address = server(&right, None, &[b"h2"]).await;
    let wrong = authority("wrong");
    for (tls, reason) in [
        (
            Tls::new().roots(wrong.pem()).server_name("localhost"),
            "issuer that is not trusted",
        ),
        (
            Tls::new().server_name("localhost"),
            "issuer that is not trusted",
        ),
        (
            Tls::new().roots(right.pem()).server_name("other"),
            "for other names than `other`",
        ),
    ] {
        let status = echo(&channel(address, tls), "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let message = status.message();
        assert!(
            message.starts_with(&format!("https://{address}: TLS failed: ")),
            "{message}"
        );
        assert!(message.contains(reason), "{message}");
    }
    let tls = Tls::new().dangerously_skip_verification();
    assert_eq!(echo(&channel(address, tls), "hello").await.unwrap(), "tls");
}

#[tokio::test]
async fn a_server_may_ask_who_is_there() {
    let (authority, clients) = (authority("right"), authority("clients"));
    let address = server(&authority, Some(&clients), &[b"h2"]).await;
    let tls = Tls::new().roots(authority.pem()).server_name("localhost");
    let (chain, key) = certificate(&clients, "client");
    let known = tls.clone().identity(chain, key);
    assert_eq!(
        echo(&channel(address, known), "hello").await.unwrap(),
        "tls"
    );
    let (chain, key) = certificate(&authority, "client");
    for stranger in [tls.clone(), tls.identity(chain, key)] {
        let status = echo(&channel(address, stranger), "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
}

#[tokio::test]
async fn a_server_without_http_2_says_so() {
    let authority = authority("right");
    let address = server(&authority, None, &[b"http/1.1"]).await;
    let tls = Tls::new().roots(authority.pem()).server_name("localhost");
    let status = echo(&channel(address, tls), "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}
