//! From an address to a stream that is ready for HTTP/2.

use std::io;
use std::time::Duration;

use http::HeaderValue;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::io::Io;
use super::{Connection, Timing};
use crate::{Address, Endpoint, Tls, TlsError};

/// How the addresses of one endpoint are connected to.
pub(crate) struct Dialer {
    /// The endpoint as people wrote it: errors name it.
    pub(crate) endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Dialer {
    pub(crate) fn new(endpoint: Endpoint, tls: &Tls, timeout: Duration) -> Result<Self, TlsError> {
        let tls = if endpoint.is_tls() {
            Some((
                TlsConnector::from(tls.config()?),
                tls.name(endpoint.host())?,
            ))
        } else {
            None
        };
        Ok(Self {
            endpoint,
            tls,
            timeout,
        })
    }

    /// A connection that takes calls, or why there is none, in words that name
    /// the endpoint. `changed` is called when it takes more calls than before, or no
    /// more.
    pub(crate) async fn open(
        &self,
        address: &Address,
        timing: Timing,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Connection, String> {
        let name = self.name(address);
        let open = async {
            let io = self.connect(address).await;
            let io = io.map_err(|reason| format!("{name}: {reason}"))?;
            let authority = HeaderValue::from_str(self.endpoint.authority().as_str());
            let authority = authority.map_err(|_| format!("{name}: its name is no header"))?;
            let https = self.endpoint.is_tls();
            Connection::open(io, name.clone(), https, authority, timing, changed).await
        };
        match tokio::time::timeout(self.timeout, open).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("{name}: no connection within {:?}", self.timeout)),
        }
    }

    /// The endpoint, and the address where that is not the same.
    fn name(&self, address: &Address) -> String {
        let endpoint = self.endpoint.to_string();
        let address = address.to_string();
        if endpoint.ends_with(&address) {
            endpoint
        } else {
            format!("{endpoint} ({address})")
        }
    }

    async fn connect(&self, address: &Address) -> Result<Io, String> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|error| plain(&error))?;
                // Writes are gathered by us: waiting for more only costs time.
                stream.set_nodelay(true).map_err(|error| plain(&error))?;
                match &self.tls {
                    None => Ok(Io::Tcp(stream)),
                    Some(tls) => Ok(Io::TcpTls(Box::new(encrypt(tls, stream).await?))),
                }
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|error| plain(&error))?;
                match &self.tls {
                    None => Ok(Io::Unix(stream)),
                    Some(tls) => Ok(Io::UnixTls(Box::new(encrypt(tls, stream).await?))),
                }
            }
        }
    }
}

async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    (connector, name): &(TlsConnector, ServerName<'static>),
    stream: S,
) -> Result<TlsStream<S>, String> {
    let stream = connector.connect(name.clone(), stream).await;
    let stream = stream.map_err(|error| format!("TLS failed: {}", untrusted(&error, name)))?;
    match stream.get_ref().1.alpn_protocol() {
        // A server that takes part in no negotiation is taken at its word.
        None | Some(b"h2") => Ok(stream),
        Some(_) => Err("the server speaks no HTTP/2 (ALPN)".to_owned()),
    }
}

/// Why a handshake failed, with what to do about it where that is known.
fn untrusted(error: &io::Error, name: &ServerName<'static>) -> String {
    let inner = error.get_ref();
    let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return plain(error);
    };
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is from an issuer that is not trusted; \
             name its CA certificate to trust it"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            let name = name.to_str();
            format!("the server's certificate is for other names than `{name}`")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the server's certificate has expired".to_owned(),
        error => error.to_string(),
    }
}

/// An I/O error without the number that systems append.
pub(crate) fn plain(error: &io::Error) -> String {
    if error.raw_os_error().is_some() && error.kind() != io::ErrorKind::Other {
        let text = error.kind().to_string();
        if text != "uncategorized error" {
            return text;
        }
    }
    error.to_string()
}
