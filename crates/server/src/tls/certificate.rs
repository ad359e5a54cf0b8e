//! Who a client is, by its certificate.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The certificate of a client, issued by an authority that the listener trusts:
/// in the extensions of every request on such a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(Arc<[CertificateDer<'static>]>);

impl ClientCertificate {
    /// Of a chain that was verified.
    pub(crate) fn new(chain: &[CertificateDer<'static>]) -> Option<Self> {
        (!chain.is_empty()).then(|| Self(chain.iter().cloned().collect()))
    }

    /// The certificate itself, in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.0.first().map_or(&[], |certificate| certificate)
    }

    /// The certificate and those that lead to its authority, as the client sent
    /// them.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The DNS names that it is for (its subject alternative names of that
    /// kind).
    #[must_use]
    pub fn dns_names(&self) -> Vec<String> {
        self.names(|certificate| certificate.valid_dns_names().map(str::to_owned).collect())
    }

    /// The URIs that it is for, such as a SPIFFE ID.
    #[must_use]
    pub fn uris(&self) -> Vec<String> {
        self.names(|certificate| certificate.valid_uri_names().map(str::to_owned).collect())
    }

    fn names(&self, read: impl Fn(&EndEntityCert<'_>) -> Vec<String>) -> Vec<String> {
        let leaf = self.0.first();
        let leaf = leaf.and_then(|certificate| EndEntityCert::try_from(certificate).ok());
        leaf.as_ref().map(read).unwrap_or_default()
    }
}
