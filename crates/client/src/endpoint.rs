//! Where a server is: an endpoint as people write it, taken apart once.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use http::uri::{Authority, Scheme};

/// A server, or several behind one name.
///
/// | text | what it is |
/// | --- | --- |
/// | `http://host:50051` | HTTP/2 in the clear, port 80 if there is none |
/// | `https://host` | HTTP/2 over TLS, port 443 if there is none |
/// | `host:50051` | as `http://` |
/// | `dns:///host:50051`, `dns:host:50051` | as gRPC names it; all addresses of the name |
/// | `ipv4:10.0.0.1:50051,10.0.0.2:50051`, `ipv6:[::1]:50051` | addresses, as gRPC names them |
/// | `unix:/run/app.sock`, `unix:///run/app.sock` | a Unix socket |
///
/// ```
/// use portolan_client::Endpoint;
///
/// let endpoint: Endpoint = "dns:///users.internal:50051".parse()?;
/// assert_eq!(endpoint.to_string(), "http://users.internal:50051");
/// assert_eq!(endpoint.with_tls(true).to_string(), "https://users.internal:50051");
/// # Ok::<(), portolan_client::InvalidEndpoint>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    place: Place,
    tls: bool,
    authority: Authority,
}

/// Where an endpoint's addresses come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A name that somebody resolves.
    Name { host: Box<str>, port: u16 },
    /// Addresses that are known.
    Fixed(Vec<Address>),
}

impl Place {
    /// The addresses that are known without asking.
    pub(crate) fn known(&self) -> &[Address] {
        match self {
            Self::Fixed(addresses) => addresses,
            Self::Name { .. } => &[],
        }
    }
}

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A host's address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Text that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no endpoint: {reason}; write it as http://host:port, https://host:port or unix:/path"
)]
pub struct InvalidEndpoint {
    text: String,
    reason: &'static str,
}

impl Endpoint {
    /// The endpoint with or without TLS. Schemes that do not say, such as `dns:`
    /// and `unix:`, are in the clear.
    #[must_use]
    pub fn with_tls(self, tls: bool) -> Self {
        Self { tls, ..self }
    }

    /// The endpoint with another `:authority` than its own, which is what
    /// servers route by.
    #[must_use]
    pub fn with_authority(self, authority: Authority) -> Self {
        Self { authority, ..self }
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// What requests carry as `:authority`.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }

    /// The name that the server's certificate has to have.
    pub(crate) fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    fn unix(path: &str) -> Result<Self, &'static str> {
        if path.is_empty() {
            return Err("it has no path");
        }
        Ok(Self {
            place: Place::Fixed(vec![Address::Unix(path.into())]),
            tls: false,
            // As gRPC has it: a path is no authority (gRPC, "Naming").
            authority: Authority::from_static("localhost"),
        })
    }

    fn fixed(list: &str) -> Result<Self, &'static str> {
        let addresses: Result<Vec<SocketAddr>, _> = list.split(',').map(str::parse).collect();
        let addresses = addresses.map_err(|_| "it is no list of addresses with ports")?;
        let authority = addresses.first().map(SocketAddr::to_string);
        Ok(Self {
            place: Place::Fixed(addresses.into_iter().map(Address::Tcp).collect()),
            tls: false,
            authority: authority
                .and_then(|text| text.parse().ok())
                .ok_or("it has no address")?,
        })
    }

    fn host_and_port(text: &str, tls: bool) -> Result<Self, &'static str> {
        if text.contains('@') {
            return Err("it has a user name");
        }
        let authority: Authority = text.parse().map_err(|_| "it has no valid host")?;
        let host = authority.host();
        if host.is_empty() {
            return Err("it has no host");
        }
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            _ => authority
                .port_u16()
                .ok_or("its port is no number up to 65535")?,
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let place = match bare.parse::<IpAddr>() {
            Ok(address) => Place::Fixed(vec![Address::Tcp((address, port).into())]),
            Err(_) if bare.len() != host.len() => return Err("its IPv6 address is none"),
            Err(_) => Place::Name {
                host: bare.into(),
                port,
            },
        };
        Ok(Self {
            place,
            tls,
            authority,
        })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let scheme = text
            .split_once(':')
            .map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        let Some((scheme, rest)) = scheme else {
            return Self::host_and_port(text, false);
        };
        match scheme.as_str() {
            "http" | "https" if rest.starts_with("//") => {
                let rest = &rest[2..];
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                if rest.contains(['/', '?', '#']) {
                    return Err("it has a path, and gRPC's paths are its methods");
                }
                Self::host_and_port(rest, scheme == "https")
            }
            "unix" => match rest.strip_prefix("//") {
                Some(path) if path.starts_with('/') => Self::unix(path),
                Some(_) => Err("a path behind `unix://` has to be absolute"),
                None => Self::unix(rest),
            },
            "dns" => match rest.strip_prefix("//") {
                Some(rest) => match rest.strip_prefix('/') {
                    Some(rest) => Self::host_and_port(rest, false),
                    None => Err("it names a DNS server, and only the system's own is asked"),
                },
                None => Self::host_and_port(rest, false),
            },
            "ipv4" | "ipv6" => Self::fixed(rest),
            _ if rest.starts_with("//") => Err("its scheme is unknown"),
            _ => Self::host_and_port(text, false),
        }
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        Self::parse(text.trim()).map_err(|reason| InvalidEndpoint {
            text: text.to_owned(),
            reason,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Place::Fixed(addresses) = &self.place
            && let [Address::Unix(path)] = addresses.as_slice()
        {
            return write!(formatter, "unix:{}", path.display());
        }
        write!(formatter, "{}://{}", self.scheme(), self.authority)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => Path::display(path).fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn endpoints_are_read_and_written() {
        for (text, written) in [
            ("http://127.0.0.1:50051", "http://127.0.0.1:50051"),
            ("HTTP://localhost", "http://localhost"),
            ("https://api.example.com/", "https://api.example.com"),
            ("localhost:50051", "http://localhost:50051"),
            ("dns:///users:1", "http://users:1"),
            ("dns:users:1", "http://users:1"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
            ("unix:a.sock", "unix:a.sock"),
            ("http://[::1]:5", "http://[::1]:5"),
            ("ipv4:10.0.0.1:5,10.0.0.2:6", "http://10.0.0.1:5"),
            ("ipv6:[::1]:5", "http://[::1]:5"),
        ] {
            assert_eq!(parse(text).to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_is_known_is_not_resolved() {
        let address = |text: &str| Address::Tcp(text.parse().unwrap());
        for (text, addresses) in [
            ("https://127.0.0.1", vec![address("127.0.0.1:443")]),
            ("http://[::1]", vec![address("[::1]:80")]),
            (
                "ipv4:10.0.0.1:5,10.0.0.2:6",
                vec![address("10.0.0.1:5"), address("10.0.0.2:6")],
            ),
            ("unix:/a", vec![Address::Unix("/a".into())]),
        ] {
            assert_eq!(*parse(text).place(), Place::Fixed(addresses), "{text}");
        }
        let name = Place::Name {
            host: "users".into(),
            port: 443,
        };
        assert_eq!(*parse("https://users").place(), name);
    }

    #[test]
    fn the_certificate_is_for_the_host() {
        assert_eq!(parse("https://[::1]:5").host(), "::1");
        assert_eq!(parse("https://users:5").host(), "users");
        let other = "other:1".parse().unwrap();
        assert_eq!(
            parse("https://users:5").with_authority(other).host(),
            "other"
        );
    }

    #[test]
    fn nonsense_is_refused_and_says_why() {
        for text in [
            "",
            " ",
            "http://",
            "http://host:x",
            "http://host:65536",
            "http://h/path",
            "http://u@h",
            "ftp://host",
            "unix:",
            "unix://a.sock",
            "dns://8.8.8.8/host",
            "ipv4:",
            "ipv4:host:1",
            "http://[::1",
            "http://[zz]:1",
            "http://h?q",
            "host:",
            "a b:1",
            "\u{0}:1",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{text}` is no endpoint: ")),
                "{error}"
            );
        }
    }
}
