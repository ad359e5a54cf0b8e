//! TLS to the database.

use std::net::SocketAddr;

use rustls::pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server's TLS in front of a database that has none: it answers the request
/// for it (PostgreSQL's manual, "SSL Session Encryption") and passes on what is
/// inside.
async fn encrypted(certified: &rcgen::CertifiedKey<rcgen::KeyPair>, to: SocketAddr) -> u16 {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let mut request = [0; 8];
                client.read_exact(&mut request).await?;
                assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(to).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_is_believed_as_far_as_sslmode_says() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = |name: &str, pem: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let known = authority("known.pem", certified.cert.pem());
    let other = authority("other.pem", stranger.cert.pem());
    let port = encrypted(&certified, postgres.address()).await;
    let name = postgres.database();
    let name = name.rsplit('/').next().unwrap();
    for (host, parameters, believed) in [
        ("127.0.0.1", String::new(), true),
        ("127.0.0.1", "sslmode=require".to_owned(), true),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={known}"),
            true,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={other}"),
            false,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={known}"),
            false,
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={known}"),
            true,
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other}"),
            false,
        ),
        ("localhost", "sslmode=verify-full".to_owned(), false),
    ] {
        let url = format!("postgres://postgres@{host}:{port}/{name}?{parameters}");
        let database = Database::new(&url).unwrap();
        let connected = Directory::connect(&database).await;
        assert_eq!(connected.is_ok(), believed, "{parameters}");
        if let Err(error) = connected {
            assert!(error.to_string().contains("TLS handshake"), "{error}");
        }
    }
    // A server without it is left alone by those who ask for it.
    let url = format!(
        "postgres://postgres@{}/{name}?sslmode=require",
        postgres.address()
    );
    let error = Directory::connect(&Database::new(&url).unwrap()).await;
    assert!(error.is_err());
}
