//! Origins of web pages (RFC 6454), and patterns for them.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;

use crate::Error;

/// Which pages are meant: `https://app.example.com`, `http://localhost:*`,
/// `https://*.example.com` for every name below that one and not itself, `null`
/// for pages without an origin of their own, or `*` for all.
///
/// ```
/// use portolan_server::Origin;
///
/// let pages: Origin = "https://*.example.com".parse()?;
/// assert!(pages.matches("https://a.b.example.com"));
/// assert!(!pages.matches("https://example.com"));
/// assert!(!pages.matches("http://a.example.com"));
/// # Ok::<(), portolan_server::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Null,
    Pages {
        /// `https://`
        scheme: String,
        host: Host,
        port: Port,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Is(String),
    /// With the dot that it begins with.
    EndsWith(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Port {
    /// As a browser writes it: `:8080`, or nothing for the scheme's own.
    Is(String),
    Any,
}

impl Origin {
    /// Whether these are all pages.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0 == Pattern::Any
    }

    /// Whether any page may come under it: all of them, or `null`, which a page
    /// makes itself by a frame in a sandbox.
    pub(super) fn is_anyones(&self) -> bool {
        matches!(self.0, Pattern::Any | Pattern::Null)
    }

    /// Whether this origin, as a browser writes it in `Origin`, is meant.
    #[must_use]
    pub fn matches(&self, origin: &str) -> bool {
        let (scheme, host, port) = match &self.0 {
            Pattern::Any => return true,
            Pattern::Null => return origin == "null",
            Pattern::Pages { scheme, host, port } => (scheme, host, port),
        };
        let Some(authority) = origin.strip_prefix(scheme.as_str()) else {
            return false;
        };
        let (name, number) = split_port(authority);
        let is_port = match port {
            Port::Is(port) => number == port,
            Port::Any => number.is_empty() || is_port(&number[1..]),
        };
        let is_host = match host {
            Host::Is(host) => name == host,
            Host::EndsWith(end) => name.strip_suffix(end.as_str()).is_some_and(is_name),
        };
        is_port && is_host
    }

    /// [`matches`](Self::matches) for a header.
    pub(crate) fn is(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.matches(origin))
    }
}

/// The host, and the port with its colon.
fn split_port(authority: &str) -> (&str, &str) {
    // The colons of an IPv6 address stand in brackets.
    let after = authority.rfind(']').unwrap_or(0);
    match authority[after..].find(':') {
        Some(at) => authority.split_at(after + at),
        None => (authority, ""),
    }
}

fn is_port(digits: &str) -> bool {
    digits.parse::<u16>().is_ok() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a host may be named so: labels with dots between them.
fn is_name(name: &str) -> bool {
    name.split('.').all(|label| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(plain)
    })
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::Origin {
            origin: text.to_owned(),
            reason,
        };
        match text {
            "*" => return Ok(Self(Pattern::Any)),
            "null" => return Ok(Self(Pattern::Null)),
            _ => {}
        }
        // Browsers write the name in lower case and in ASCII.
        let lower = text.to_ascii_lowercase();
        let Some((scheme, authority)) = lower.split_once("://") else {
            return Err(wrong(
                "it has no scheme; write it like `https://example.com`",
            ));
        };
        let is_scheme =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return Err(wrong(
                "its scheme is none; write it like `https://example.com`",
            ));
        }
        // What people copy from the address bar ends with one.
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#']) {
            return Err(wrong(
                "an origin ends with its host or port, without a path",
            ));
        }
        if authority.contains('@') {
            return Err(wrong("an origin has no user"));
        }
        if !authority.is_ascii() {
            return Err(wrong(
                "browsers write its name in punycode, like `xn--mnchen-3ya.de`",
            ));
        }
        let (name, port) = split_port(authority);
        let port = match port.strip_prefix(':') {
            None => Port::Is(String::new()),
            Some("*") => Port::Any,
            Some("443") if scheme == "https" => Port::Is(String::new()),
            Some("80") if scheme == "http" => Port::Is(String::new()),
            Some(digits) if is_port(digits) => Port::Is(port.to_owned()),
            Some(_) => return Err(wrong("its port is no number up to 65535")),
        };
        let host = match name.strip_prefix('*') {
            None => Host::Is(name.to_owned()),
            Some(end) if end.len() > 1 && end.starts_with('.') => Host::EndsWith(end.to_owned()),
            Some(_) => {
                return Err(wrong(
                    "a `*` stands for whole names, as in `https://*.example.com`",
                ));
            }
        };
        let given = match &host {
            Host::Is(name) => name.as_str(),
            Host::EndsWith(end) => &end[1..],
        };
        let is_address = given.starts_with('[') && given.ends_with(']');
        if given.contains('*') {
            return Err(wrong("only its first name may be `*`"));
        }
        if !is_address && !is_name(given) {
            return Err(wrong("its host is no name and no address"));
        }
        Ok(Self(Pattern::Pages {
            scheme: format!("{scheme}://"),
            host,
            port,
        }))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match &self.0 {
            Pattern::Any => return formatter.write_str("*"),
            Pattern::Null => return formatter.write_str("null"),
            Pattern::Pages { scheme, host, port } => (scheme, host, port),
        };
        formatter.write_str(scheme)?;
        match host {
            Host::Is(name) => formatter.write_str(name)?,
            Host::EndsWith(end) => write!(formatter, "*{end}")?,
        }
        match port {
            Port::Is(port) => formatter.write_str(port),
            Port::Any => formatter.write_str(":*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (pattern, same, others) in [
            (
                "https://app.example.com",
                &["https://app.example.com"][..],
                &[
                    "http://app.example.com",
                    "https://app.example.com:8443",
                    "https://app.example.com.evil.org",
                    "https://evil-app.example.com",
                    "https://app.example.co",
                    "null",
                    "",
                ][..],
            ),
            (
                "HTTPS://App.Example.com:443/",
                &["https://app.example.com"],
                &["https://app.example.com:443"],
            ),
            (
                "https://*.example.com",
                &["https://a.example.com", "https://a.b.example.com"],
                &[
                    "https://example.com",
                    "https://.example.com",
                    "https://evilexample.com",
                    "https://a.example.com:444",
                    "https://evil.org/.example.com",
                    "https://evil.org:1.example.com",
                    "https://u@x.example.com",
                    "http://a.example.com",
                ],
            ),
            (
                "http://localhost:*",
                &["http://localhost", "http://localhost:3000"],
                &[
                    "http://localhost:",
                    "http://localhost:99999",
                    "http://localhost:1x",
                    "https://localhost",
                ],
            ),
            (
                "http://127.0.0.1:80",
                &["http://127.0.0.1"],
                &["http://127.0.0.1:8080"],
            ),
            (
                "http://[::1]:3000",
                &["http://[::1]:3000"],
                &["http://[::1]", "http://[::2]:3000"],
            ),
            (
                "chrome-extension://abc",
                &["chrome-extension://abc"],
                &["https://abc"],
            ),
            ("null", &["null"], &["https://null"]),
            ("*", &["null", "https://a", ""], &[]),
        ] {
            let origin: Origin = pattern.parse().unwrap();
            for same in same {
                assert!(origin.matches(same), "{pattern} {same}");
            }
            for other in others {
                assert!(!origin.matches(other), "{pattern} {other}");
            }
            let again: Origin = origin.to_string().parse().unwrap();
            assert_eq!(again, origin);
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "it has no scheme"),
            ("example.com", "it has no scheme"),
            ("://example.com", "its scheme is none"),
            ("https://", "its host is no name"),
            ("https://a b", "its host is no name"),
            ("https://a..b", "its host is no name"),
            (
                "https://example.com/app",
                "an origin ends with its host or port",
            ),
            ("https://me@example.com", "an origin has no user"),
            ("https://münchen.de", "browsers write its name in punycode"),
            ("https://example.com:x", "its port is no number"),
            ("https://example.com:70000", "its port is no number"),
            ("https://*", "a `*` stands for whole names"),
            ("https://*example.com", "a `*` stands for whole names"),
            ("https://*.*.com", "only its first name may be `*`"),
            ("https://a.*.com", "only its first name may be `*`"),
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            let expected = format!("`{text}` is no origin: {reason}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
