//! Gets a document over HTTP: one that is small, soon, and from where it was to
//! be, since redirections would lead elsewhere.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HOST, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portolan_client::Tls;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How long all of it may take.
const TIME: Duration = Duration::from_secs(10);
/// The largest document.
const LARGEST: usize = 1024 * 1024;

/// A document, and for how long it may be kept, if it says so (RFC 9111
/// §5.2.2.1).
pub(super) struct Fetched {
    pub(super) text: String,
    pub(super) max_age: Option<Duration>,
}

/// Whether there is a host, and a scheme that can be spoken.
pub(super) fn is_fetched(url: &Uri) -> bool {
    let known = url.scheme() == Some(&Scheme::HTTP) || url.scheme() == Some(&Scheme::HTTPS);
    known && host(url).is_some_and(|host| ServerName::try_from(host.to_owned()).is_ok())
}

/// A URL as logs may have it: without its query, in which some write what is
/// nobody's business.
pub(super) fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}{}", url.path())
}

/// Whether there is a name or a password before the host.
pub(super) fn has_credentials(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#'])
        .next()
        .is_some_and(|authority| authority.contains('@'))
}

/// Whether others may be between.
pub(super) fn is_plain_and_far(url: &Uri) -> bool {
    let address = host(url).and_then(|host| host.parse::<std::net::IpAddr>().ok());
    let is_here =
        address.is_some_and(|address| address.is_loopback()) || host(url) == Some("localhost");
    url.scheme() == Some(&Scheme::HTTP) && !is_here
}

/// The host, without the brackets of an IPv6 address.
fn host(url: &Uri) -> Option<&str> {
    let host = url.host()?;
    Some(host.trim_start_matches('[').trim_end_matches(']'))
}

/// Gets what is at a URL; an error is a sentence.
pub(super) async fn fetch(url: &Uri) -> Result<Fetched, String> {
    let fetched = tokio::time::timeout(TIME, get(url)).await;
    fetched.unwrap_or_else(|_| Err(format!("no answer within {} s", TIME.as_secs())))
}

async fn get(url: &Uri) -> Result<Fetched, String> {
    let host = host(url).ok_or("the URL has no host")?;
    let is_secure = url.scheme() == Some(&Scheme::HTTPS);
    let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
    if !is_secure {
        return ask(stream, url).await;
    }
    // Trusted is whom browsers trust.
    let secure = Tls::new().connector(host, &[]);
    let (connector, name) = secure.map_err(|error| error.to_string())?;
    let stream = connector.connect(name, stream).await;
    ask(stream.map_err(|error| format!("no TLS: {error}"))?, url).await
}

async fn ask<S>(stream: S, url: &Uri) -> Result<Fetched, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broke = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, concat!("portolan/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broke)?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer is {}", response.status()));
        }
        let max_age = max_age(response.headers());
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| format!("cannot read the answer: {error}"))?;
        let text = String::from_utf8(body.to_bytes().into());
        let text = text.map_err(|_| "the answer is no text".to_owned())?;
        Ok(Fetched { text, max_age })
    };
    // The connection lives as long as it is asked.
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        end = &mut connection => {
            // Its last bytes may be with the answer already.
            end.map_err(broke)?;
            answer.await
        }
    }
}

/// For how long an answer is fresh; `None` when it does not say, or is not to be
/// kept at all.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let text = values.filter_map(|value| value.to_str().ok());
    let directives = text.flat_map(|text| text.split(','));
    let mut ages = directives.filter_map(|directive| {
        let (name, age) = directive.trim().split_once('=')?;
        let age = age.trim_matches('"').parse().ok()?;
        name.eq_ignore_ascii_case("max-age").then_some(age)
    });
    ages.next().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_age_of_an_answer_is_read() {
        for (text, seconds) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=\"5\", must-revalidate", Some(5)),
            ("no-store", None),
            ("max-age=soon", None),
            ("s-maxage=9", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(text));
            assert_eq!(
                max_age(&headers),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }

    #[test]
    fn a_url_is_shown_without_what_is_secret() {
        let url: Uri = "https://a.example:1/keys?token=t".parse().unwrap();
        assert_eq!(shown(&url), "https://a.example:1/keys");
        for (text, expected) in [
            ("https://u:p@a.example/keys", true),
            ("https://u@a.example", true),
            ("https://a.example/@?@", false),
        ] {
            assert_eq!(has_credentials(text), expected, "{text}");
        }
    }

    #[test]
    fn urls_are_told_apart() {
        for (text, fetched, far) in [
            ("https://a.example/keys", true, false),
            ("http://a.example/keys", true, true),
            ("http://127.0.0.1:1/keys", true, false),
            ("http://[::1]:1/keys", true, false),
            ("http://localhost/keys", true, false),
            ("http://10.0.0.1/keys", true, true),
            ("ftp://a.example/keys", false, false),
            ("/keys", false, false),
        ] {
            let url: Uri = text.parse().unwrap();
            assert_eq!(
                (is_fetched(&url), is_plain_and_far(&url)),
                (fetched, far),
                "{text}"
            );
        }
    }
}
