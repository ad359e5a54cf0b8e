//! How a connection begins: with a handshake where the listener speaks TLS, and
//! with the first bytes of HTTP, which tell its version.

use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::socket::Transport;
use crate::tls::{ClientCertificate, Tls};
use crate::wire::{First, Wire};

/// What every HTTP/2 client says first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much is read at once of a connection whose protocol is not known yet.
const FIRST: usize = 1024;
/// What every TLS client's first record begins with (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// How long a client that is turned away may take to read why.
const TURNED_AWAY: Duration = Duration::from_secs(1);

/// For a client of HTTP/1.1 at a door of TLS.
const TLS_HERE_1: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 40\r\nconnection: close\r\n\r\n\
    this port speaks TLS; ask for https://\r\n";
/// The same for HTTP/2: SETTINGS, then GOAWAY with INADEQUATE_SECURITY and the
/// sentence as its debug data (RFC 9113 §6.8).
const TLS_HERE_2: &[u8] = b"\0\0\0\x04\0\0\0\0\0\
    \0\0\x2e\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0c\
    this port speaks TLS; ask for https://";

/// A connection that has said what it speaks.
pub(crate) struct Opened {
    pub(crate) transport: Transport,
    /// What was read of it already.
    pub(crate) first: First,
    pub(crate) version: Version,
    pub(crate) certificate: Option<ClientCertificate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// Why a connection did not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    #[error("the client left before it said anything")]
    Left,
    #[error("the client said too little for {} s", .0.as_secs_f64())]
    Silent(Duration),
    #[error("the client does not speak TLS, as this listener does")]
    NoTls,
    #[error("the handshake failed: {0}")]
    Handshake(io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
}

/// Lets a connection begin. HTTP's first bytes may take so long.
pub(crate) async fn open(
    mut wire: Wire,
    tls: Option<&Tls>,
    limit: Duration,
) -> Result<Opened, Unopened> {
    let Some(tls) = tls else {
        let (version, first) = in_time(limit, version(&mut wire, Vec::new())).await?;
        if first.first() == Some(&HANDSHAKE) {
            tracing::debug!("a client speaks TLS on a listener without");
        }
        return Ok(Opened {
            transport: Transport::Plain(wire),
            first: First::new(first),
            version,
            certificate: None,
        });
    };
    // In memory that goes when the handshake is done: it takes more than all
    // that is behind it.
    Box::pin(open_tls(wire, tls, limit)).await
}

async fn open_tls(mut wire: Wire, tls: &Tls, limit: Duration) -> Result<Opened, Unopened> {
    let mut stream = in_time(tls.handshake_limit(), async {
        let mut first = Vec::with_capacity(FIRST);
        more(&mut wire, &mut first).await?;
        if first.first() != Some(&HANDSHAKE) {
            turn_away(wire, &first).await;
            return Err(Unopened::NoTls);
        }
        wire.first = First::new(first);
        let accept = TlsAcceptor::from(tls.config()).accept(wire);
        accept.await.map_err(Unopened::Handshake)
    })
    .await?;
    let session = stream.get_ref().1;
    let certificate = session.peer_certificates().and_then(ClientCertificate::new);
    let (version, first) = match session.alpn_protocol() {
        // What was agreed on must come, too, or the connection waits for nothing.
        Some(b"h2") => {
            let first = in_time(limit, version(&mut stream, Vec::new())).await?.1;
            (Version::Http2, first)
        }
        Some(_) => (Version::Http1, Vec::new()),
        None => in_time(limit, version(&mut stream, Vec::new())).await?,
    };
    Ok(Opened {
        transport: Transport::Tls(Box::new(stream)),
        first: First::new(first),
        version,
        certificate,
    })
}

fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Unopened>>,
) -> impl Future<Output = Result<T, Unopened>> {
    tokio::time::timeout(limit, work).map(move |done| done.unwrap_or(Err(Unopened::Silent(limit))))
}

/// Reads until the version is known.
async fn version(
    stream: &mut (impl AsyncRead + Unpin),
    mut first: Vec<u8>,
) -> Result<(Version, Vec<u8>), Unopened> {
    loop {
        more(stream, &mut first).await?;
        let seen = first.len().min(PREFACE.len());
        if first[..seen] != PREFACE[..seen] {
            return Ok((Version::Http1, first));
        }
        if seen == PREFACE.len() {
            return Ok((Version::Http2, first));
        }
    }
}

/// Reads something.
async fn more(stream: &mut (impl AsyncRead + Unpin), first: &mut Vec<u8>) -> Result<(), Unopened> {
    first.reserve(FIRST);
    match stream.read_buf(first).await? {
        0 => Err(Unopened::Left),
        _ => Ok(()),
    }
}

/// Tells a client without TLS what it did wrong, in its own words, if those are
/// known.
async fn turn_away(mut wire: Wire, first: &[u8]) {
    let told = async {
        if first.starts_with(b"PRI * ") {
            wire.write_all(TLS_HERE_2).await?;
        } else if first.first().is_some_and(u8::is_ascii_uppercase) {
            wire.write_all(TLS_HERE_1).await?;
        }
        wire.shutdown().await?;
        // Closed with something unread, a socket is reset, and the client would
        // lose the answer.
        let mut rest = [0; FIRST];
        while wire.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(TURNED_AWAY, told).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_to_the_unencrypted_are_as_long_as_they_say() {
        let text = std::str::from_utf8(TLS_HERE_1).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        let goaway = &TLS_HERE_2[9..];
        assert_eq!(usize::from(goaway[2]), goaway.len() - 9);
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_version() {
        for (said, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(Version::Http1)),
            (b"PRI * HTTP/2.1", Some(Version::Http1)),
            (b"PRI * HTTP/2.0", None),
            (
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore",
                Some(Version::Http2),
            ),
            (b"", None),
        ] {
            let mut stream = said;
            match version(&mut stream, Vec::new()).await {
                Ok((version, first)) => {
                    assert_eq!(Some(version), expected);
                    assert_eq!(first, said, "nothing is lost");
                }
                Err(error) => assert!(expected.is_none(), "{error}"),
            }
        }
    }
}
