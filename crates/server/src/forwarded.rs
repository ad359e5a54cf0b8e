//! Who a client is when proxies stand in between. They say so in `Forwarded`
//! (RFC 7239) or `X-Forwarded-For`, and so can anybody: what they say counts only
//! as far as the proxies are known. A server that is a proxy itself says it to
//! the next one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use portolan_gateway::tells_of_client;

use crate::{Error, Peer};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// How many proxies are gone through at most, from the last one back.
const MOST: usize = 32;

/// Who sent a request, as far as it is known: the peer, or whom trusted proxies
/// name. In the extensions of every request that came over TCP or through a
/// trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// A proxy that is trusted: an address, a network such as `10.0.0.0/8`, or
/// `unix` for whoever comes over a Unix socket.
///
/// ```
/// use portolan_server::Proxy;
///
/// let proxy: Proxy = "10.0.0.0/8".parse()?;
/// assert!(proxy.has("10.1.2.3".parse().unwrap()));
/// assert!(!proxy.has("11.1.2.3".parse().unwrap()));
/// # Ok::<(), portolan_server::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxy(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Network { address: IpAddr, bits: u8 },
    Unix,
}

impl Proxy {
    /// Whether this address is meant. An IPv4 address that is written as IPv6 is
    /// the same.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let Place::Network { address: own, bits } = self.0 else {
            return false;
        };
        match (own, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= bits.into()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= bits.into()
            }
            _ => false,
        }
    }
}

impl FromStr for Proxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "unix" {
            return Ok(Self(Place::Unix));
        }
        let wrong = || Error::Proxy(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
        };
        if bits > most {
            return Err(wrong());
        }
        Ok(Self(Place::Network { address, bits }))
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Place::Network { address, bits } => write!(formatter, "{address}/{bits}"),
            Place::Unix => formatter.write_str("unix"),
        }
    }
}

/// The proxies that are trusted.
#[derive(Clone, Debug)]
pub(crate) struct Proxies(Vec<Proxy>);

impl Proxies {
    pub(crate) fn new(proxies: impl IntoIterator<Item = Proxy>) -> Self {
        Self(proxies.into_iter().collect())
    }

    /// Who sent a request that this peer handed over. What a stranger says of
    /// that is taken out of the headers.
    pub(crate) fn client(&self, peer: Peer, headers: &mut HeaderMap) -> Option<Client> {
        let own = address_of(peer);
        if !self.trusts_peer(peer) {
            forget_hearsay(headers);
            return own.map(Client);
        }
        let way = match headers.contains_key(FORWARDED) {
            true => by_forwarded(headers),
            false => by_x_forwarded_for(headers),
        };
        // From the last proxy back to the first who is none of ours, and no
        // further than all can be read.
        let mut client = own;
        for hop in way.into_iter().take(MOST) {
            let Some(address) = hop else { break };
            client = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        client.map(Client)
    }

    /// Whether what this peer says of clients counts.
    pub(crate) fn trusts_peer(&self, peer: Peer) -> bool {
        match address_of(peer) {
            Some(address) => self.trusts(address),
            None => self.0.iter().any(|proxy| proxy.0 == Place::Unix),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxy| proxy.has(address))
    }
}

/// What the requests of one connection tell of their client, for whoever is
/// behind: the peer at the end of `X-Forwarded-For`, and how and under which name
/// the client came unless a trusted proxy has said so.
#[derive(Debug)]
pub(crate) struct Forwarding {
    /// The peer's address.
    peer: Option<HeaderValue>,
    is_trusted: bool,
    scheme: HeaderValue,
}

impl Forwarding {
    /// For the connection of this peer.
    pub(crate) fn of(peer: Peer, proxies: Option<&Proxies>, secure: bool) -> Self {
        let address = address_of(peer).map(|address| address.to_string());
        Self {
            peer: address.and_then(|address| HeaderValue::try_from(address).ok()),
            is_trusted: proxies.is_some_and(|proxies| proxies.trusts_peer(peer)),
            scheme: HeaderValue::from_static(if secure { "https" } else { "http" }),
        }
    }

    /// Says so in a request. What others have said is taken out.
    pub(crate) fn tell<I>(&self, request: &mut Request<I>) {
        let host = match request.uri().authority() {
            Some(authority) => {
                let host = authority.as_str();
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                HeaderValue::try_from(host).ok()
            }
            None => request.headers().get(HOST).cloned(),
        };
        let headers = request.headers_mut();
        if !self.is_trusted {
            forget_hearsay(headers);
        }
        if let Some(peer) = &self.peer {
            let way = match headers.contains_key(X_FORWARDED_FOR) {
                true => behind(headers, peer),
                false => Some(peer.clone()),
            };
            if let Some(way) = way {
                headers.insert(X_FORWARDED_FOR, way);
            }
        }
        headers
            .entry(X_FORWARDED_PROTO)
            .or_insert_with(|| self.scheme.clone());
        if let Some(host) = host {
            headers.entry(X_FORWARDED_HOST).or_insert(host);
        }
    }
}

/// The way that was told, and the peer at its end. On one line, since many read
/// only the first.
fn behind(headers: &HeaderMap, peer: &HeaderValue) -> Option<HeaderValue> {
    let mut way = Vec::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        way.extend_from_slice(line.as_bytes());
        way.extend_from_slice(b", ");
    }
    way.extend_from_slice(peer.as_bytes());
    HeaderValue::try_from(way).ok()
}

/// Takes out what a stranger says about the way of a request, which must not be
/// believed.
fn forget_hearsay(headers: &mut HeaderMap) {
    let names = headers.keys().filter(|name| tells_of_client(name.as_str()));
    for name in names.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// An IPv4 address that is written as IPv6 is the same.
fn address_of(peer: Peer) -> Option<IpAddr> {
    peer.address().map(|address| address.ip().to_canonical())
}

/// The addresses of `X-Forwarded-For`, the last first.
fn by_x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter();
    let mut way: Vec<_> = lines
        .flat_map(|line| match line.to_str() {
            Ok(line) => line.split(',').map(node).collect(),
            Err(_) => vec![None],
        })
        .collect();
    way.reverse();
    way
}

/// The addresses of `Forwarded`, the last first.
fn by_forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED).iter();
    let mut way: Vec<_> = lines
        .flat_map(|line| match line.to_str() {
            // Neither separator is in what stands in quotes there: addresses,
            // names of hosts and of schemes.
            Ok(line) => line.split(',').map(forwarded_for).collect(),
            Err(_) => vec![None],
        })
        .collect();
    way.reverse();
    way
}

/// The `for` of one element (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';');
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let value = value
        .strip_prefix('"')
        .map_or(value, |value| value.trim_end_matches('"'));
    node(value)
}

/// An address, perhaps with a port (RFC 7239 §6); `None` when it is hidden.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    let bare = || {
        let bare = text.strip_prefix('[')?.strip_suffix(']')?;
        bare.parse().ok()
    };
    address
        .ok()
        .or_else(bare)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(list: &[&str]) -> Proxies {
        Proxies::new(list.iter().map(|text| text.parse().unwrap()))
    }

    fn headers(name: &HeaderName, lines: &[&'static str]) -> HeaderMap {
        let lines = lines.iter().map(|line| HeaderValue::from_static(line));
        lines.map(|line| (name.clone(), line)).collect()
    }

    fn client(trusted: &[&str], peer: &str, mut headers: HeaderMap) -> String {
        let peer = match peer {
            "unix" => Peer::Unix,
            address => Peer::Tcp(address.parse().unwrap()),
        };
        let client = proxies(trusted).client(peer, &mut headers);
        client.map_or_else(|| "nobody".to_owned(), |client| client.0.to_string())
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8", "::1"];
        for (peer, line, expected) in [
            ("10.0.0.1:80", "192.0.2.7", "192.0.2.7"),
            (
                "10.0.0.1:80",
                "203.0.113.9, 192.0.2.7, 10.0.0.2",
                "192.0.2.7",
            ),
            ("10.0.0.1:80", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1:80", "192.0.2.7, unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1:80", "rubbish", "10.0.0.1"),
            ("10.0.0.1:80", "192.0.2.7:4711", "192.0.2.7"),
            ("[::ffff:10.0.0.1]:80", "2001:db8::1", "2001:db8::1"),
            ("[::1]:80", "[2001:db8::1]:80", "2001:db8::1"),
            ("192.0.2.1:80", "203.0.113.9", "192.0.2.1"),
            ("unix", "203.0.113.9", "nobody"),
        ] {
            let headers = headers(&X_FORWARDED_FOR, &[line]);
            assert_eq!(client(&trusted, peer, headers), expected, "{peer} {line}");
        }
        let both = headers(&X_FORWARDED_FOR, &["192.0.2.7", "10.0.0.2"]);
        assert_eq!(client(&trusted, "10.0.0.1:1", both), "192.0.2.7");
        let line = headers(&X_FORWARDED_FOR, &["203.0.113.9"]);
        assert_eq!(client(&["unix"], "unix", line), "203.0.113.9");
    }

    #[test]
    fn the_standard_s_header_comes_first() {
        for (line, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            (
                "for=192.0.2.43, for=\"[2001:db8:cafe::17]\"",
                "2001:db8:cafe::17",
            ),
            ("for=192.0.2.43, for=10.0.0.9", "192.0.2.43"),
            ("for=_hidden, for=10.0.0.9", "10.0.0.9"),
            ("proto=https", "10.0.0.1"),
        ] {
            let mut all = headers(&FORWARDED, &[line]);
            all.extend(headers(&X_FORWARDED_FOR, &["203.0.113.200"]));
            assert_eq!(
                client(&["10.0.0.0/8"], "10.0.0.1:1", all),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn what_a_stranger_says_goes_no_further() {
        let trusted = proxies(&["10.0.0.0/8"]);
        for (peer, left) in [("10.0.0.1:1", 1), ("192.0.2.1:1", 0)] {
            let mut headers = headers(&X_FORWARDED_FOR, &["203.0.113.9"]);
            trusted.client(Peer::Tcp(peer.parse().unwrap()), &mut headers);
            assert_eq!(headers.len(), left);
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        for (text, inside, outside) in [
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.100"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:1::", "2001:db9::"),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert!(proxy.has(inside.parse().unwrap()), "{text} {inside}");
            assert!(!proxy.has(outside.parse().unwrap()), "{text} {outside}");
            assert_eq!(proxy.to_string().parse::<Proxy>().unwrap(), proxy);
        }
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+1",
            "10.0.0.0/",
            "::/129",
        ] {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            let expected = format!("`{text}` is no proxy: write an address, a network");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    fn passed_on(peer: &str, trusted: bool, mut request: Request<()>) -> Vec<String> {
        let peer = match peer {
            "unix" => Peer::Unix,
            address => Peer::Tcp(address.parse().unwrap()),
        };
        let any = ["0.0.0.0/0", "::/0", "unix"].map(|text| text.parse().unwrap());
        let proxies = trusted.then(|| Proxies::new(any));
        Forwarding::of(peer, proxies.as_ref(), true).tell(&mut request);
        let headers = request.headers().iter();
        let headers = headers.filter(|(name, _)| *name != HOST);
        let mut lines: Vec<_> = headers
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn the_next_one_hears_of_the_client() {
        let said = || {
            Request::get("/a")
                .header(HOST, "api.example:8443")
                .header("forwarded", "for=203.0.113.9")
                .header("x-real-ip", "203.0.113.9")
                .header("x-forwarded-for", "203.0.113.9")
                .header("x-forwarded-for", "192.0.2.7")
                .header("x-forwarded-proto", "http")
                .header("x-forwarded-host", "www.example")
                .body(())
                .unwrap()
        };
        // A stranger's words are not passed on.
        let own = [
            "x-forwarded-for: 198.51.100.1",
            "x-forwarded-host: api.example:8443",
            "x-forwarded-proto: https",
        ];
        assert_eq!(passed_on("198.51.100.1:80", false, said()), own);
        let silent = Request::get("https://user@api.example:8443/a").body(());
        let silent = silent.unwrap();
        assert_eq!(passed_on("[::ffff:198.51.100.1]:80", true, silent), own);
        // Those of a trusted proxy are, and its own address.
        assert_eq!(
            passed_on("10.0.0.1:80", true, said()),
            [
                "forwarded: for=203.0.113.9",
                "x-forwarded-for: 203.0.113.9, 192.0.2.7, 10.0.0.1",
                "x-forwarded-host: www.example",
                "x-forwarded-proto: http",
                "x-real-ip: 203.0.113.9",
            ]
        );
        // Who has no address has none to add.
        assert_eq!(
            passed_on("unix", false, said()),
            [
                "x-forwarded-host: api.example:8443",
                "x-forwarded-proto: https"
            ]
        );
    }
}
