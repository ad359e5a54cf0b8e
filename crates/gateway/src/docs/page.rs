//! The page: Swagger UI, set up by a few lines of our own.
//!
//! Its links are relative, so it works below any prefix that a proxy takes
//! away. Nothing on it comes from elsewhere, and the policy that goes with it
//! lets nothing.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::asset::Asset;
use crate::Body;
use crate::protocol::bare;

/// A file that the page loads.
#[derive(Debug)]
pub(super) struct File {
    name: &'static str,
    asset: LazyLock<Asset>,
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for File {}

impl File {
    pub(super) fn response(&self, request: &HeaderMap) -> Response<Body> {
        self.asset.response(request)
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! vendored {
    ($name:literal, $content_type:expr) => {
        File {
            name: $name,
            asset: LazyLock::new(|| {
                let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz"));
                let bytes = Bytes::from_static(bytes);
                let length = length(&bytes);
                Asset::compressed($content_type, bytes, length)
            }),
        }
    };
}

macro_rules! own {
    ($name:literal, $content_type:expr) => {
        File {
            name: $name,
            asset: LazyLock::new(|| Asset::new($content_type, include_bytes!($name))),
        }
    };
}

static FILES: [File; 6] = [
    vendored!("swagger-ui-bundle.js", SCRIPT),
    vendored!("swagger-ui.css", STYLE),
    // Swagger UI's license asks to be passed on with it.
    vendored!("LICENSE", TEXT),
    vendored!("NOTICE", TEXT),
    own!("page.js", SCRIPT),
    own!("page.css", STYLE),
];

/// How long what a gzip file holds is (RFC 1952 §2.3.1, ISIZE).
fn length(compressed: &[u8]) -> usize {
    match compressed.last_chunk() {
        Some(size) => u32::from_le_bytes(*size) as usize,
        None => 0,
    }
}

/// The file of this name.
pub(super) fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

/// The page itself; `servers` are what it may call besides where it is from.
pub(super) fn html(title: &str, servers: &[String]) -> Asset {
    let html = include_str!("page.html").replace("{{title}}", &escaped(title));
    Asset::new("text/html; charset=utf-8", html.as_bytes())
        .with_headers(&[("referrer-policy", "no-referrer")], policy(servers))
}

/// From the page with a slash behind to the one without.
pub(super) fn elsewhere() -> Response<Body> {
    let mut response = bare(StatusCode::PERMANENT_REDIRECT);
    let location = HeaderValue::from_static("../docs");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// What the page may do (CSP Level 3). Swagger UI sets styles on elements, and
/// has its icons in its style sheet.
fn policy(servers: &[String]) -> Option<HeaderValue> {
    let origins: String = servers
        .iter()
        .filter_map(|server| origin(server))
        .map(|origin| format!(" {origin}"))
        .collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; font-src 'self' data:; connect-src 'self'{origins}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
}

/// The origin of a URL, if it has one that can stand in a policy.
fn origin(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let authority = uri.authority()?.as_str();
    let host = authority.rsplit('@').next()?;
    (!host.contains([';', ',', '\''])).then(|| format!("{scheme}://{host}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_name_origins_only() {
        let servers = [
            "/".to_owned(),
            "https://api.example.com:8443/v1".to_owned(),
            "https://user@b.example.com".to_owned(),
            "https://a;script-src".to_owned(),
        ];
        let policy = policy(&servers).unwrap();
        let policy = policy.to_str().unwrap();
        let connect = policy
            .split("; ")
            .find(|part| part.starts_with("connect-src"));
        assert_eq!(
            connect.unwrap(),
            "connect-src 'self' https://api.example.com:8443 https://b.example.com"
        );
    }

    #[test]
    fn titles_are_text() {
        assert_eq!(escaped("<a> & \"b\""), "&lt;a&gt; &amp; &quot;b&quot;");
    }

    #[test]
    fn files_have_their_length() {
        for file in &FILES {
            let response = file.response(&HeaderMap::new());
            assert_eq!(response.status(), 200, "{}", file.name);
        }
    }
}
