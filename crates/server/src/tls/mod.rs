//! TLS by rustls: a certificate with its key, perhaps the authorities whose
//! certificates clients must have, and their renewal while the server runs.

mod certificate;
mod material;
mod renewal;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;

pub use certificate::ClientCertificate;
use material::{Authority, Material, Source};

use crate::Error;

/// How long a handshake may take, unless told otherwise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the files are looked at, unless told otherwise.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// What a listener needs to speak TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1
/// offered by ALPN. Clones share the certificate, and its renewal.
///
/// ```no_run
/// use portolan_server::{Listener, Tls};
///
/// # fn listen() -> Result<Listener, portolan_server::Error> {
/// let tls = Tls::from_files("tls/server.crt", "tls/server.key")?.client_ca("tls/clients.crt")?;
/// let listener = Listener::bind("127.0.0.1:8443".parse().unwrap())?.tls(tls);
/// # Ok(listener)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tls {
    material: Arc<Material>,
    /// What new connections get.
    config: Arc<RwLock<Arc<ServerConfig>>>,
    handshake_timeout: Duration,
    reload_interval: Duration,
}

impl Tls {
    /// Reads the certificate, with those that lead from it to an authority, and
    /// its private key: two files of PEM text. A running server reads them again
    /// when they change.
    ///
    /// # Errors
    /// When a file cannot be read or used, or the two do not belong together.
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(Material {
            certificate: Source::read(material::CERTIFICATE, certificate.as_ref())?,
            key: Source::read(material::KEY, key.as_ref())?,
            authority: None,
        })
    }

    /// The same from PEM text in memory, which never changes.
    ///
    /// # Errors
    /// When one cannot be used, or the two do not belong together.
    pub fn from_pem(
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Result<Self, Error> {
        Self::new(Material {
            certificate: Source::given(material::CERTIFICATE, certificate.into()),
            key: Source::given(material::KEY, key.into()),
            authority: None,
        })
    }

    fn new(material: Material) -> Result<Self, Error> {
        let config = material.config()?;
        Ok(Self {
            material: Arc::new(material),
            config: Arc::new(RwLock::new(config)),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            reload_interval: RELOAD_INTERVAL,
        })
    }

    /// Demands of every client a certificate of one of the authorities in this
    /// file. Requests then have a [`ClientCertificate`] in their extensions.
    ///
    /// # Errors
    /// When the file cannot be read or used.
    pub fn client_ca(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let source = Source::read(material::CLIENT_CA, path.as_ref())?;
        self.authority(source, true)
    }

    /// The same for authorities in PEM text.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn client_ca_pem(self, pem: impl Into<Vec<u8>>) -> Result<Self, Error> {
        self.authority(Source::given(material::CLIENT_CA, pem.into()), true)
    }

    /// Lets clients without a certificate in too; one that has a certificate must
    /// have it from the authorities all the same. Has no effect before the
    /// authorities are named.
    ///
    /// # Errors
    /// None in practice: what was usable stays so.
    pub fn client_certificate_optional(self) -> Result<Self, Error> {
        match self.material.authority.clone() {
            Some(authority) => self.authority(authority.source, false),
            None => Ok(self),
        }
    }

    fn authority(mut self, source: Source, required: bool) -> Result<Self, Error> {
        let material = Arc::make_mut(&mut self.material);
        material.authority = Some(Authority { source, required });
        let config = self.material.config()?;
        // A clone that was made before goes on without.
        self.config = Arc::new(RwLock::new(config));
        Ok(self)
    }

    /// How long a client may take for the handshake; 10 seconds by default.
    #[must_use]
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// How often the files are looked at for changes; every 10 seconds by
    /// default. New connections get what was found; if it is not usable, what was
    /// before, and the log says so once.
    #[must_use]
    pub fn reload_interval(mut self, interval: Duration) -> Self {
        self.reload_interval = interval;
        self
    }

    /// What a new connection gets.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }

    pub(crate) fn handshake_limit(&self) -> Duration {
        self.handshake_timeout
    }

    /// Whether both have one certificate, and one renewal.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}
