//! TLS to the database, by rustls, with what `sslmode` means to libpq (its
//! manual, "SSL Support").

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// What has to be known of a server before it is told anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing, and in the clear.
    Plain,
    /// Nothing, and encrypted if the server can.
    Prefer,
    /// Nothing, but encrypted.
    Require,
    /// That an authority has certified it; the names of a file with authorities,
    /// or the public ones.
    Authority(Option<String>),
    /// The same, and that it has the name it is called by.
    Name(Option<String>),
}

impl Trust {
    /// Takes the parameters that say so out of a URL.
    pub(super) fn take(url: &str) -> Result<(String, Self), Error> {
        // In a password there may be a question mark.
        let host = url.find('@').unwrap_or_default();
        let (base, parameters) = match url[host..].find('?') {
            Some(end) => (&url[..host + end], &url[host + end + 1..]),
            None => (url, ""),
        };
        let (mut mode, mut authorities, mut others) = ("prefer", None, Vec::new());
        for parameter in parameters.split('&').filter(|one| !one.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = value,
                Some(("sslrootcert", "system")) => authorities = None,
                Some(("sslrootcert", value)) => authorities = Some(decoded(value)?),
                _ => others.push(parameter),
            }
        }
        let trust = match mode {
            "disable" => Self::Plain,
            "prefer" => Self::Prefer,
            // libpq checks a certificate as soon as it is told against what.
            "require" if authorities.is_some() => Self::Authority(authorities),
            "require" => Self::Require,
            "verify-ca" => Self::Authority(authorities),
            "verify-full" => Self::Name(authorities),
            _ => {
                let reason = "the database URL has an unknown sslmode; write disable, prefer, \
                    require, verify-ca or verify-full";
                return Err(Error::Unusable(reason.into()));
            }
        };
        let rest = match others.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", others.join("&")),
        };
        Ok((rest, trust))
    }
}

/// How connections become secure.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    pub(super) fn new(trust: &Trust) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Unusable(format!("TLS cannot be used: {error}")))?;
        let lenient = |builder: ConfigBuilder<_, _>, certified| {
            let lenient = Lenient {
                provider: Arc::clone(&provider),
                certified,
            };
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(lenient))
        };
        let mut config = match trust {
            Trust::Name(file) => builder.with_root_certificates(authorities(file.as_deref())?),
            Trust::Authority(file) => {
                let roots = Arc::new(authorities(file.as_deref())?);
                let certified =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                        .build()
                        .map_err(|error| Error::Unusable(format!("TLS cannot be used: {error}")))?;
                lenient(builder, Some(certified))
            }
            Trust::Plain | Trust::Prefer | Trust::Require => lenient(builder, None),
        }
        .with_no_client_auth();
        // PostgreSQL 17 asks for it when TLS comes without being asked for first.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn authorities(file: Option<&str>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    // The name of the file comes out of the URL, and so is not shown.
    let unreadable = |reason: String| {
        Error::Unusable(format!(
            "the certificates that sslrootcert names in the database URL cannot be used: {reason}"
        ))
    };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| match error {
        rustls::pki_types::pem::Error::Io(error) => unreadable(error.to_string()),
        _ => unreadable("the file is not in PEM".into()),
    })?;
    for certificate in certificates {
        let certificate = certificate.map_err(|_| unreadable("the file is not in PEM".into()))?;
        roots
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(unreadable("the file has none".into())),
        false => Ok(roots),
    }
}

/// A value of a URL's parameter.
fn decoded(value: &str) -> Result<String, Error> {
    let wrong = || {
        let reason = "sslrootcert in the database URL is not well encoded; write % as %25";
        Error::Unusable(reason.into())
    };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or_else(wrong);
                // Two digits of four bits.
                bytes.push((digit(high)? << 4 | digit(low)?) as u8);
                rest = tail;
            }
            (b'%', _) => return Err(wrong()),
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// A connection that is to become secure.
pub(super) struct Handshake {
    config: Arc<ClientConfig>,
    /// `None` for one that has no name, such as a path.
    name: Option<ServerName<'static>>,
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secure<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, io::Error> {
        Ok(Handshake {
            config: self.0.clone(),
            name: ServerName::try_from(domain.to_owned()).ok(),
        })
    }
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secure<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Secure<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let nameless = || io::Error::other("TLS needs a host by name or address");
            let name = self.name.ok_or_else(nameless)?;
            let connector = TlsConnector::from(self.config);
            connector.connect(name, stream).await.map(Secure)
        })
    }
}

/// A secure connection.
pub(super) struct Secure<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Secure<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secure<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secure<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Takes for the server whoever has signed the handshake: anybody, or whom an
/// authority has certified, whatever the name.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    /// Who looks at certificates, if anybody does.
    certified: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(authorities) = &self.certified else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is looked at last.
            Err(rustls::Error::InvalidCertificate(
                NotValidForName | NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_taken_out_of_the_url() {
        let take = |parameters: &str| Trust::take(&format!("postgres://db/x{parameters}")).unwrap();
        let file = || Some("/etc/ca file.pem".to_owned());
        for (parameters, rest, trust) in [
            ("", "", Trust::Prefer),
            ("?sslmode=disable", "", Trust::Plain),
            ("?a=1&sslmode=require&b=2", "?a=1&b=2", Trust::Require),
            ("?sslmode=verify-full", "", Trust::Name(None)),
            (
                "?sslmode=verify-full&sslrootcert=system",
                "",
                Trust::Name(None),
            ),
            (
                "?sslrootcert=/etc/ca%20file.pem&sslmode=require",
                "",
                Trust::Authority(file()),
            ),
        ] {
            assert_eq!(take(parameters), (format!("postgres://db/x{rest}"), trust));
        }
        let (rest, trust) = Trust::take("postgres://u:p?sslmode=x@db/x?sslmode=require").unwrap();
        assert_eq!(rest, "postgres://u:p?sslmode=x@db/x");
        assert_eq!(trust, Trust::Require);
        for bad in ["%", "%f", "%zz", "%ff"] {
            assert!(decoded(bad).is_err(), "{bad}");
        }
    }
}
