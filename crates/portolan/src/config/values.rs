//! Single values of the file that are more than text or numbers.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::units;

/// A value that is written as text, with what to tell editors about it.
macro_rules! text_value {
    ($name:ident, $pattern:expr, $example:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": ["string", "integer"], "pattern": $pattern, "examples": [$example]
                })
            }
        }
    };
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!(
                "`{text}` is no address to listen on; write an IP address and a port, such as \
                 127.0.0.1:8080 or [::1]:8080, or unix:/run/portolan.sock"
            )
        })
    }
}

text_value!(Address, r"^(.+:\d+|unix:.+)$", "127.0.0.1:8080");

/// A number of bytes that a message may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        units::message_size(text).map(Self)
    }
}

text_value!(Size, r"^\d+ *([KMGkmg][Ii]?)?[Bb]?$", "4MiB");

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        units::duration(text).map(Self)
    }
}

text_value!(Time, r"^\d+ *(ms|s|m|h)?$", "30s");

/// Something with a password in it, which is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A text without what follows the scheme of a database's URL, in which there
/// may be a password: up to the next space or quotation mark.
pub(super) fn redacted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        rest = behind;
        if before.ends_with("postgres") || before.ends_with("postgresql") {
            let end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
            rest = &behind[behind.find(end).unwrap_or(behind.len())..];
            shown.push('…');
        }
    }
    shown + rest
}

/// Where a gRPC server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamUrl(pub(crate) String);

impl FromStr for UpstreamUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ["http://", "https://", "unix:", "dns:"];
        let valid = known.iter().any(|scheme| {
            text.strip_prefix(scheme)
                .is_some_and(|rest| !rest.trim_matches('/').is_empty())
        });
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` is no upstream; write one such as http://127.0.0.1:50051, \
             https://api.internal:443, dns:///api.internal:50051 or unix:/run/api.sock"
        ))
    }
}

text_value!(
    UpstreamUrl,
    "^(http://|https://|unix:|dns:).+",
    "http://127.0.0.1:50051"
);

/// Where a collector of OpenTelemetry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collector(pub(crate) http::Uri);

impl FromStr for Collector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri = text.parse::<http::Uri>().ok();
        let known = |uri: &http::Uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.query().is_none()
                && !uri
                    .authority()
                    .is_some_and(|name| name.as_str().contains('@'))
        };
        uri.filter(known).map(Self).ok_or_else(|| {
            format!(
                "`{text}` is no collector; write one such as http://127.0.0.1:4317 or \
                 https://otlp.example.com"
            )
        })
    }
}

text_value!(Collector, "^https?://.+", "http://127.0.0.1:4317");

/// Which web pages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageOrigin(pub(crate) portolan_server::Origin);

impl FromStr for PageOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(origin) => Ok(Self(origin)),
            Err(error) => Err(error.to_string()),
        }
    }
}

text_value!(
    PageOrigin,
    r"^(\*|null|.+://.+)$",
    "https://app.example.com"
);

/// A proxy that is believed in what it says of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustedProxy(pub(crate) portolan_server::Proxy);

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(proxy) => Ok(Self(proxy)),
            Err(error) => Err(error.to_string()),
        }
    }
}

text_value!(TrustedProxy, r"^.+$", "10.0.0.0/8");

/// An HTTP method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpMethod(pub(crate) http::Method);

impl FromStr for HttpMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = text.to_ascii_uppercase();
        match known.as_str() {
            "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" => {
                known.parse().map(Self).map_err(|_| known)
            }
            _ => Err(format!(
                "`{text}` is no method for a route; choose from GET, HEAD, POST, PUT, PATCH and DELETE"
            )),
        }
    }
}

text_value!(HttpMethod, "^[A-Za-z]+$", "POST");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_say_what_would_do() {
        assert!("127.0.0.1:0".parse::<Address>().is_ok());
        let unix = "unix:/run/a".parse();
        assert_eq!(unix, Ok(Address::Unix("/run/a".into())));
        assert!("localhost:80".parse::<Address>().is_err());
        assert_eq!("4KiB".parse::<Size>().unwrap().0, 4096);
        assert_eq!("2m".parse::<Time>().unwrap().0.as_secs(), 120);
        assert_eq!("post".parse::<HttpMethod>().unwrap().0, http::Method::POST);
        assert!("CONNECT".parse::<HttpMethod>().is_err());
        for good in [
            "http://a:1",
            "https://a",
            "unix:/a",
            "unix:///a",
            "dns:///a:1",
        ] {
            assert!(good.parse::<UpstreamUrl>().is_ok(), "{good}");
        }
        for bad in ["", "a:1", "http://", "unix:", "ftp://a"] {
            assert!(bad.parse::<UpstreamUrl>().is_err(), "{bad}");
        }
    }
}
