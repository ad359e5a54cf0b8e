//! How servers are told apart from impostors: roots, names, and the
//! certificate that the client itself shows.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

/// The choices for encrypted connections. Without any, servers are checked
/// against the roots that browsers trust.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    roots: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
    unverified: bool,
}

/// What is wrong with the choices.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The roots are not PEM, or there is none.
    #[error("the CA certificates cannot be read: {0}")]
    Roots(String),
    /// The client's certificate is not PEM, or there is none.
    #[error("the client's certificate cannot be read: {0}")]
    Certificate(String),
    /// The client's key is not PEM, or of a kind that is not known.
    #[error("the client's key cannot be read: {0}")]
    Key(String),
    /// The client's certificate and key do not go together.
    #[error("the client's certificate and key are not usable: {0}")]
    Identity(String),
    /// The name is neither a host name nor an address.
    #[error("`{0}` is no name that a certificate can have")]
    Name(String),
}

impl Tls {
    /// The choices that trust what browsers trust.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these CA certificates (PEM), and no others.
    #[must_use]
    pub fn roots(self, pem: impl Into<Vec<u8>>) -> Self {
        Self {
            roots: Some(pem.into()),
            ..self
        }
    }

    /// Shows this certificate chain and proves it with this key (both PEM):
    /// mutual TLS.
    #[must_use]
    pub fn identity(self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            identity: Some((chain.into(), key.into())),
            ..self
        }
    }

    /// The name that the server's certificate has to have, instead of the
    /// endpoint's host.
    #[must_use]
    pub fn server_name(self, name: impl Into<String>) -> Self {
        Self {
            server_name: Some(name.into()),
            ..self
        }
    }

    /// Takes any certificate, which keeps out listeners but no impostors.
    #[must_use]
    pub fn dangerously_skip_verification(self) -> Self {
        Self {
            unverified: true,
            ..self
        }
    }

    /// What encrypts connections to a host by these choices, for another protocol
    /// than gRPC: `protocols` are its names in ALPN.
    ///
    /// # Errors
    /// When the choices do not work, or the host cannot be that of a certificate.
    pub fn connector(
        &self,
        host: &str,
        protocols: &[&[u8]],
    ) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
        let config = self.config_for(protocols)?;
        Ok((TlsConnector::from(config), self.name(host)?))
    }

    /// The name to ask for and to check.
    pub(crate) fn name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))
    }

    /// The choices as rustls takes them.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.config_for(&[b"h2"])
    }

    fn config_for(&self, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Identity(error.to_string()))?;
        let builder = if self.unverified {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        } else {
            builder.with_root_certificates(self.root_store()?)
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain).map_err(TlsError::Certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| TlsError::Key(error.to_string()))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| TlsError::Identity(error.to_string()))?
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn root_store(&self) -> Result<RootCertStore, TlsError> {
        let Some(pem) = &self.roots else {
            return Ok(RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            });
        };
        let mut store = RootCertStore::empty();
        for certificate in certificates(pem).map_err(TlsError::Roots)? {
            store
                .add(certificate)
                .map_err(|error| TlsError::Roots(error.to_string()))?;
        }
        Ok(store)
    }
}

/// The certificates of a PEM file; one at least.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err("there is no certificate in the PEM text".to_owned())
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes any certificate, but holds the server to its key: it has to have
/// signed the handshake.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_pem_says_which() {
        let garbage = &b"no pem"[..];
        let error = Tls::new().roots(garbage).config().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the CA certificates cannot be read: there is no certificate in the PEM text"
        );
        let error = Tls::new().identity(garbage, garbage).config().unwrap_err();
        assert!(error.to_string().starts_with("the client's certificate"));
        assert!(Tls::new().config().is_ok());
        let error = Tls::new().server_name("a b").name("x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a b` is no name that a certificate can have"
        );
    }
}
