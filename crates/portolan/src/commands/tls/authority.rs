//! A certificate authority of one's own, and what it signs: certificates for
//! servers and for their clients. Files are not its affair.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// Clocks that are a little behind take the certificate all the same.
const SKEW: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate and its key, both as PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// From when to when certificates are valid.
#[derive(Clone, Copy)]
pub(super) struct Validity {
    from: Duration,
    to: Duration,
}

impl Validity {
    /// So many days from `now` on.
    pub(super) fn days(now: SystemTime, days: u32) -> anyhow::Result<Self> {
        let now = now.duration_since(UNIX_EPOCH);
        let now = now.context("the clock of this machine says a time before 1970")?;
        Ok(Self {
            from: now.saturating_sub(SKEW),
            to: now + DAY * days,
        })
    }

    fn put_into(self, parameters: &mut CertificateParams) {
        let epoch = date_time_ymd(1970, 1, 1);
        parameters.not_before = epoch + self.from;
        parameters.not_after = epoch + self.to;
    }
}

/// Signs certificates.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    validity: Validity,
}

impl Authority {
    /// One that is new, with a key of its own. It signs certificates of servers
    /// and clients, and no further authorities.
    pub(super) fn new(validity: Validity) -> anyhow::Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = name("portolan's own CA, to try things out");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity.put_into(&mut parameters);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        Ok(Self { issuer, validity })
    }

    /// Its own certificate and key.
    pub(super) fn pair(&self) -> Pair {
        Pair {
            certificate: self.issuer.pem(),
            key: self.issuer.key().serialize_pem(),
        }
    }

    /// A server's, for these names and addresses.
    pub(super) fn server(&self, hosts: &[String]) -> anyhow::Result<Pair> {
        let parameters = CertificateParams::new(hosts)?;
        let common = hosts.first().map_or("server", String::as_str);
        self.sign(parameters, common, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's, who is told by this name.
    pub(super) fn client(&self, client: &str) -> anyhow::Result<Pair> {
        let parameters = CertificateParams::new([client.to_owned()])?;
        self.sign(parameters, client, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        mut parameters: CertificateParams,
        common: &str,
        purpose: ExtendedKeyUsagePurpose,
    ) -> anyhow::Result<Pair> {
        parameters.distinguished_name = name(common);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![purpose];
        parameters.use_authority_key_identifier_extension = true;
        self.validity.put_into(&mut parameters);
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}
