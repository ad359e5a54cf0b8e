//! Which web pages may open a WebSocket, or send what no browser asks about.
//!
//! A browser lets any page connect to any server or post a form to it, sends the
//! server's cookies along, and asks nobody: only the server can refuse (RFC 6455
//! §10.2). So a page of the server's own origin may, and any other only when the
//! layer that knows the trusted origins says so.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Uri};

/// In the extensions of a request it says that somebody has judged the
/// request's `Origin` and trusts it: a CORS layer, for instance, whose list has
/// it. Without it only pages of the server's own origin may open WebSockets, or
/// post without a content type that browsers ask about.
///
/// ```
/// # fn judge(mut request: http::Request<()>) {
/// request.extensions_mut().insert(portolan_gateway::TrustedOrigin);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedOrigin;

/// The origin of a page that may not do so. What is no browser names no
/// origin, and may.
pub(super) fn refused(head: &Parts) -> Option<&HeaderValue> {
    let origin = head.headers.get(ORIGIN)?;
    let trusted = head.extensions.get::<TrustedOrigin>().is_some() || is_own(head, origin);
    (!trusted).then_some(origin)
}

/// Whether the origin is the host that was asked for. The scheme counts only
/// for the port that it stands for: TLS may have ended in front of here.
fn is_own(head: &Parts, origin: &HeaderValue) -> bool {
    let own = match head.uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => head
            .headers
            .get(HOST)
            .and_then(|host| Authority::try_from(host.as_bytes()).ok()),
    };
    let origin = Uri::try_from(origin.as_bytes()).ok();
    let (Some(own), Some(origin)) = (own, origin) else {
        return false;
    };
    let default = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(theirs) = origin.authority() else {
        return false;
    };
    theirs.host().eq_ignore_ascii_case(own.host())
        && theirs.port_u16().unwrap_or(default) == own.port_u16().unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(host: &str, origin: &str) -> Parts {
        let request = Request::builder().header(HOST, host).header(ORIGIN, origin);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_page_of_the_same_host_and_port_may() {
        for (host, origin, may) in [
            ("a.example", "https://a.example", true),
            ("A.example", "http://a.EXAMPLE", true),
            ("a.example:443", "https://a.example", true),
            ("a.example:80", "https://a.example", false),
            ("a.example:8080", "http://a.example:8080", true),
            ("a.example:8080", "http://a.example", false),
            ("[::1]:8080", "http://[::1]:8080", true),
            ("a.example", "https://b.example", false),
            ("a.example", "https://a.example.evil", false),
            ("a.example", "https://evil/a.example", false),
            ("a.example", "null", false),
            ("a.example", "file://", false),
            ("a.example", "ftp://a.example", false),
            ("a.example", "", false),
            ("a.example", "https://a.example, https://b.example", false),
        ] {
            let mut head = head(host, origin);
            assert_eq!(refused(&head).is_none(), may, "{origin} at {host}");
            head.extensions.insert(TrustedOrigin);
            assert!(refused(&head).is_none(), "{origin} is trusted");
        }
    }

    #[test]
    fn http2_names_the_host_in_its_target() {
        let request = Request::builder()
            .uri("https://a.example:8443/x")
            .header(ORIGIN, "https://a.example:8443");
        assert!(refused(&request.body(()).unwrap().into_parts().0).is_none());
    }

    #[test]
    fn who_names_no_origin_may() {
        let head = Request::new(()).into_parts().0;
        assert!(refused(&head).is_none());
    }
}
