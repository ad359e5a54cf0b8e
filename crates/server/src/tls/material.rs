//! Certificates and keys as they lie in files, and the settings of TLS that
//! come of them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};

use crate::Error;

pub(super) const CERTIFICATE: &str = "certificate";
pub(super) const KEY: &str = "private key";
pub(super) const CLIENT_CA: &str = "client CA";

/// All that a listener's TLS is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Material {
    pub(super) certificate: Source,
    pub(super) key: Source,
    pub(super) authority: Option<Authority>,
}

/// Whose certificates clients have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) source: Source,
    /// Whether a client without one is turned away.
    pub(super) required: bool,
}

/// PEM text, and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// What it is to be.
    what: &'static str,
    path: Option<PathBuf>,
    pem: Vec<u8>,
}

impl Source {
    /// Reads a file.
    pub(super) fn read(what: &'static str, path: &Path) -> Result<Self, Error> {
        let pem = fs::read(path).map_err(|source| Error::TlsFile {
            what,
            path: path.to_owned(),
            reason: match source.kind() {
                ErrorKind::NotFound => "no such file".to_owned(),
                ErrorKind::PermissionDenied => "permission denied".to_owned(),
                ErrorKind::IsADirectory => "it is a directory".to_owned(),
                _ => source.to_string(),
            },
        })?;
        Ok(Self {
            what,
            path: Some(path.to_owned()),
            pem,
        })
    }

    /// Text that is no file's.
    pub(super) fn given(what: &'static str, pem: Vec<u8>) -> Self {
        Self {
            what,
            path: None,
            pem,
        }
    }

    /// Reads the file again, if it is one.
    fn again(&self) -> Result<Self, Error> {
        match &self.path {
            Some(path) => Self::read(self.what, path),
            None => Ok(self.clone()),
        }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        match &self.path {
            Some(path) => format!("{} {}", self.what, path.display()),
            None => self.what.to_owned(),
        }
    }

    fn unusable(&self, reason: impl Into<String>) -> Error {
        Error::TlsUnusable {
            name: self.name(),
            reason: reason.into(),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.pem).collect();
        let certificates = read.map_err(|error| self.unusable(broken(&error)))?;
        if certificates.is_empty() {
            return Err(self.unusable("it holds no `BEGIN CERTIFICATE`"));
        }
        Ok(certificates)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(&self.pem).map_err(|error| match error {
            pem::Error::NoItemsFound if self.is_encrypted() => self.unusable(
                "it is encrypted; take the passphrase off with `openssl pkey -in KEY -out PLAIN`",
            ),
            pem::Error::NoItemsFound => self.unusable("it holds no `BEGIN PRIVATE KEY`"),
            error => self.unusable(broken(&error)),
        })
    }

    fn is_encrypted(&self) -> bool {
        let mark = b"BEGIN ENCRYPTED PRIVATE KEY";
        self.pem.windows(mark.len()).any(|window| window == mark)
    }
}

impl std::fmt::Debug for Source {
    /// Without the text, which may be secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name())
    }
}

/// What is wrong with PEM text.
fn broken(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a block of its PEM text has no end",
        pem::Error::IllegalSectionStart { .. } => "a block of its PEM text has no proper begin",
        pem::Error::Base64Decode(_) => "its PEM text is not base64",
        _ => "it is not PEM text",
    }
}

impl Material {
    /// The same, as the files have it now.
    pub(super) fn again(&self) -> Result<Self, Error> {
        let authority = self.authority.as_ref().map(|authority| {
            authority.source.again().map(|source| Authority {
                source,
                required: authority.required,
            })
        });
        Ok(Self {
            certificate: self.certificate.again()?,
            key: self.key.again()?,
            authority: authority.transpose()?,
        })
    }

    /// Whether anything of it can change.
    pub(super) fn has_files(&self) -> bool {
        let authority = self.authority.as_ref().map(|authority| &authority.source);
        let sources = [Some(&self.certificate), Some(&self.key), authority];
        sources
            .into_iter()
            .flatten()
            .any(|source| source.path.is_some())
    }

    /// The settings of TLS.
    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, Error> {
        let provider = Arc::new(ring::default_provider());
        let chain = self.certificate.certificates()?;
        let key = provider
            .key_provider
            .load_private_key(self.key.private_key()?)
            .map_err(|_| {
                self.key
                    .unusable("it is not an RSA, ECDSA (P-256, P-384) or Ed25519 key")
            })?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            // Unknown is not known to be wrong.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(Error::TlsMismatch {
                    key: self.key.name(),
                    certificate: self.certificate.name(),
                });
            }
            Err(_) => return Err(self.certificate.unusable(NOT_X509)),
        }
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3");
        let builder = match &self.authority {
            None => builder.with_no_client_auth(),
            Some(Authority { source, required }) => {
                let mut roots = RootCertStore::empty();
                for certificate in source.certificates()? {
                    roots
                        .add(certificate)
                        .map_err(|_| source.unusable(NOT_X509))?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if !required {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build();
                let verifier = verifier.map_err(|_| source.unusable(NOT_X509))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = [&b"h2"[..], b"http/1.1"].map(Vec::from).to_vec();
        // Sessions are resumed by tickets alone, which take no memory here. A
        // renewed certificate begins with new keys for them, so that a client
        // whose authority is gone does not come in by an old one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(|_| {
            self.certificate
                .unusable("the system gives no random bytes")
        })?;
        Ok(Arc::new(config))
    }
}

const NOT_X509: &str = "it is not an X.509 certificate";
