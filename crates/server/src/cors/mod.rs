//! Cross-origin requests of web pages: which pages may read what is answered,
//! and what they may ask for. The rules are those of the Fetch standard, "CORS
//! protocol".

mod origin;

use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE,
    COOKIE, ORIGIN, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

pub use origin::Origin;

use crate::Error;

/// How long browsers may remember what a preflight allowed, unless told
/// otherwise: what Chromium takes at most.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);
/// The methods that routes of all protocols have.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];
/// What clients of gRPC-Web, Connect and REST send of themselves, beside what
/// every page may (Fetch, "CORS-safelisted request-header").
const SENT: &str = "content-type, content-encoding, accept-encoding, authorization, \
    connect-protocol-version, connect-timeout-ms, connect-content-encoding, \
    connect-accept-encoding, grpc-timeout, grpc-encoding, grpc-accept-encoding, x-grpc-web, \
    x-user-agent, x-request-id, x-request-timeout, last-event-id";
/// What they read of an answer, beside what every page may (Fetch,
/// "CORS-safelisted response-header name").
const READ: [&str; 13] = [
    "content-encoding",
    "date",
    "etag",
    "location",
    "retry-after",
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-encoding",
    "grpc-accept-encoding",
    "connect-content-encoding",
    "connect-accept-encoding",
    "x-request-id",
];
/// What every page may read anyway, and what none may.
const NEEDS_NO_WORD: [&str; 8] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "set-cookie",
];
/// The longest list of headers that is said back to a browser.
const LONGEST_LIST: usize = 8 * 1024;

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// Which web pages may use the server from the browsers of their visitors.
///
/// Whatever is not said is as a browser client of gRPC-Web, Connect or REST
/// wants it: all methods of routes, every header in and out, two hours to
/// remember it.
///
/// ```
/// use portolan_server::Cors;
///
/// let cors = Cors::new(["https://app.example.com".parse()?, "http://localhost:*".parse()?]);
/// let cors = cors.allow_credentials()?;
/// # Ok::<(), portolan_server::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<Origin>,
    methods: HeaderValue,
    /// What may be sent; absent for whatever a browser asks for.
    headers: Option<HeaderValue>,
    /// What may be read; absent for whatever there is.
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
    private_network: bool,
}

/// What is to be put on the response to a cross-origin request.
#[derive(Debug)]
pub(crate) struct Grant {
    /// Absent for a page that may not read it.
    origin: Option<HeaderValue>,
}

impl Cors {
    /// Pages of these origins.
    #[must_use]
    pub fn new(origins: impl IntoIterator<Item = Origin>) -> Self {
        Self {
            origins: origins.into_iter().collect(),
            methods: methods(METHODS),
            headers: None,
            exposed: None,
            credentials: false,
            max_age: HeaderValue::from(MAX_AGE.as_secs()),
            private_network: false,
        }
    }

    /// These methods and no others; by default GET, HEAD, POST, PUT, PATCH and
    /// DELETE. Browsers do not ask before GET, HEAD and POST.
    #[must_use]
    pub fn methods(mut self, allowed: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods(allowed);
        self
    }

    /// Pages may send these headers and those of the protocols, and no others;
    /// by default any.
    #[must_use]
    pub fn headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.headers = Some(list(SENT.split(", "), names));
        self
    }

    /// Pages may read these headers of an answer and those of the protocols,
    /// and no others; by default all that it has.
    #[must_use]
    pub fn expose(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.exposed = Some(list(READ, names));
        self
    }

    /// Pages may ask in the name of their visitors, with their cookies and
    /// certificates.
    ///
    /// # Errors
    /// When the pages are all there are, or any may come as one of them (`null`):
    /// then any page could do everything that its visitor can.
    pub fn allow_credentials(mut self) -> Result<Self, Error> {
        if self.origins.iter().any(Origin::is_anyones) {
            return Err(Error::CredentialsForAll);
        }
        self.credentials = true;
        Ok(self)
    }

    /// How long browsers may remember what is allowed, in whole seconds; two
    /// hours by default.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = HeaderValue::from(age.as_secs());
        self
    }

    /// Pages of the public network may use this server although it is in a
    /// private one (Private Network Access, "CORS preflight"); by default not.
    #[must_use]
    pub fn allow_private_network(mut self) -> Self {
        self.private_network = true;
        self
    }

    /// Whether pages of this origin, as it is in `Origin`, may use the server.
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|known| known.is(origin))
    }

    fn is_for_all(&self) -> bool {
        self.origins.iter().any(Origin::is_any)
    }

    /// The answer to a preflight; `None` when the request is none.
    pub(crate) fn preflight(
        &self,
        method: &Method,
        asked: &HeaderMap,
    ) -> Option<Response<&'static str>> {
        let origin = asked.get(ORIGIN)?;
        if method != Method::OPTIONS || !asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = Response::new("");
        if self.allows(origin) {
            *response.status_mut() = StatusCode::NO_CONTENT;
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            if let Some(allowed) = self.allowed_headers(asked) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if self.private_network
                && asked
                    .get(REQUEST_PRIVATE_NETWORK)
                    .is_some_and(|value| value == "true")
            {
                headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
            }
        } else {
            // For whoever looks why the browser refuses.
            *response.status_mut() = StatusCode::FORBIDDEN;
            *response.body_mut() = "this origin is not among those that may use this server\n";
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, text);
        }
        let varies = HeaderValue::from_static(
            "access-control-request-method, access-control-request-headers",
        );
        response.headers_mut().insert(VARY, varies);
        Some(response)
    }

    /// The headers that a page may send.
    fn allowed_headers(&self, asked: &HeaderMap) -> Option<HeaderValue> {
        if let Some(headers) = &self.headers {
            return Some(headers.clone());
        }
        // A `*` would not count for `authorization`, nor with credentials
        // (Fetch, "CORS-preflight fetch").
        let asked = asked.get(ACCESS_CONTROL_REQUEST_HEADERS)?;
        let is_plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let is_list = asked.len() <= LONGEST_LIST && asked.as_bytes().iter().all(is_plain);
        is_list.then(|| asked.clone())
    }

    /// What the response to this request is to say.
    pub(crate) fn grant(&self, asked: &HeaderMap) -> Grant {
        let origin = asked.get(ORIGIN).filter(|origin| self.allows(origin));
        Grant {
            origin: origin.cloned(),
        }
    }

    /// Whether the page that sent this request may have a WebSocket, for which
    /// browsers ask nobody. To everybody's pages that is open only without what
    /// browsers send of themselves.
    #[must_use]
    pub fn trusts(&self, asked: &HeaderMap) -> bool {
        let Some(origin) = asked.get(ORIGIN) else {
            return false;
        };
        let is_anonymous = !asked.contains_key(COOKIE) && !asked.contains_key(AUTHORIZATION);
        self.origins
            .iter()
            .any(|known| known.is(origin) && (is_anonymous || !known.is_anyones()))
    }

    /// Says on a response what the page may do with it.
    pub(crate) fn put(&self, grant: Grant, headers: &mut HeaderMap) {
        // It is for this door to say, not for what is behind it.
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            headers.remove(name);
        }
        let for_all = self.is_for_all();
        if !for_all {
            // Also on what is for no page: a cache must not give it to one.
            headers.append(VARY, HeaderValue::from_name(ORIGIN));
        }
        let Some(origin) = grant.origin else {
            return;
        };
        if let Some(exposed) = self.exposed_headers(headers) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        let origin = match for_all {
            true => HeaderValue::from_static("*"),
            false => origin,
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }

    /// The headers that a page may read: without a choice all that are there,
    /// so that metadata and the trailers that Connect and REST put among them
    /// arrive.
    fn exposed_headers(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if let Some(exposed) = &self.exposed {
            return Some(exposed.clone());
        }
        let mut names = String::with_capacity(256);
        for name in headers.keys() {
            let name = name.as_str();
            let is_own = name.starts_with("access-control-") || name == VARY.as_str();
            if is_own || NEEDS_NO_WORD.contains(&name) {
                continue;
            }
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(name);
        }
        (!names.is_empty()).then(|| value(&names))
    }
}

fn methods(methods: impl IntoIterator<Item = Method>) -> HeaderValue {
    let names: Vec<_> = methods
        .into_iter()
        .map(|method| method.to_string())
        .collect();
    value(&names.join(", "))
}

fn list<'a>(
    own: impl IntoIterator<Item = &'a str>,
    names: impl IntoIterator<Item = HeaderName>,
) -> HeaderValue {
    let own = own.into_iter().map(ToOwned::to_owned);
    let names = names.into_iter().filter(|name| *name != SET_COOKIE);
    let all: Vec<_> = own.chain(names.map(|name| name.to_string())).collect();
    value(&all.join(", "))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("names of methods and headers are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    fn cors(origin: &str) -> Cors {
        Cors::new([origin.parse().unwrap()])
    }

    /// What is put on a response with these headers.
    fn put(
        cors: &Cors,
        origin: &'static str,
        response: &[(&'static str, &'static str)],
    ) -> HeaderMap {
        let mut response = headers(response);
        cors.put(cors.grant(&headers(&[("origin", origin)])), &mut response);
        response
    }

    #[test]
    fn all_that_a_page_may_read_is_named() {
        let answer = [
            ("grpc-status", "0"),
            ("trailer-x-cost", "3"),
            ("content-type", "a/b"),
            ("set-cookie", "a"),
        ];
        let page = "https://a.org";
        let said = put(&cors(page), page, &answer);
        assert_eq!(
            said[ACCESS_CONTROL_EXPOSE_HEADERS],
            "grpc-status, trailer-x-cost"
        );
        assert_eq!(said[ACCESS_CONTROL_ALLOW_ORIGIN], page);
        assert_eq!(said[VARY], "origin");
        let said = put(
            &cors(page).expose([HeaderName::from_static("x-mine")]),
            page,
            &answer,
        );
        let exposed = said[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.contains("grpc-status-details-bin") && exposed.ends_with(", x-mine"));
        assert!(!exposed.contains("trailer-x-cost"));
    }

    #[test]
    fn a_page_of_no_list_gets_nothing_and_caches_know() {
        let said = put(
            &cors("https://a.org"),
            "https://b.org",
            &[("access-control-allow-origin", "*")],
        );
        assert_eq!(said, headers(&[("vary", "origin")]));
        let mut said = HeaderMap::new();
        let cors = cors("https://a.org");
        cors.put(cors.grant(&HeaderMap::new()), &mut said);
        assert_eq!(said, headers(&[("vary", "origin")]));
    }

    #[test]
    fn for_all_pages_the_answer_is_one_and_without_credentials() {
        let said = put(&cors("*"), "https://b.org", &[]);
        assert_eq!(said, headers(&[("access-control-allow-origin", "*")]));
        let error = cors("*").allow_credentials().unwrap_err().to_string();
        assert!(
            error.starts_with("credentials cannot be allowed to all origins"),
            "{error}"
        );
        assert!(cors("null").allow_credentials().is_err());
        let cors = cors("https://a.org").allow_credentials().unwrap();
        let said = put(&cors, "https://a.org", &[]);
        assert_eq!(said[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    }

    #[test]
    fn only_an_options_request_that_asks_for_a_method_is_a_preflight() {
        let cors = cors("*");
        let asks = ("access-control-request-method", "POST");
        let origin = ("origin", "https://a.org");
        for (method, pairs, is_one) in [
            (Method::OPTIONS, &[origin, asks][..], true),
            (Method::POST, &[origin, asks], false),
            (Method::OPTIONS, &[origin], false),
            (Method::OPTIONS, &[asks], false),
        ] {
            assert_eq!(cors.preflight(&method, &headers(pairs)).is_some(), is_one);
        }
    }

    #[test]
    fn a_preflight_says_what_may_be_sent() {
        let ask = |cors: &Cors, more: &[(&'static str, &'static str)]| {
            let mut asked = headers(&[
                ("origin", "https://a.org"),
                ("access-control-request-method", "PUT"),
            ]);
            asked.extend(headers(more));
            cors.preflight(&Method::OPTIONS, &asked)
                .unwrap()
                .into_parts()
                .0
        };
        let network = ("access-control-request-private-network", "true");
        let wants = ("access-control-request-headers", "authorization,x-mine");
        let said = ask(&cors("https://*.org"), &[wants, network]);
        assert_eq!(said.status, StatusCode::NO_CONTENT);
        let allowed = &said.headers;
        assert_eq!(
            allowed[ACCESS_CONTROL_ALLOW_METHODS],
            "GET, HEAD, POST, PUT, PATCH, DELETE"
        );
        assert_eq!(
            allowed[ACCESS_CONTROL_ALLOW_HEADERS],
            "authorization,x-mine"
        );
        assert_eq!(allowed[ACCESS_CONTROL_MAX_AGE], "7200");
        assert!(!allowed.contains_key(ALLOW_PRIVATE_NETWORK));

        let strict = cors("https://a.org")
            .methods([Method::POST])
            .headers([HeaderName::from_static("x-mine")])
            .max_age(Duration::from_secs(5))
            .allow_private_network();
        let allowed = ask(&strict, &[wants, network]).headers;
        assert_eq!(allowed[ACCESS_CONTROL_ALLOW_METHODS], "POST");
        let names = allowed[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
        assert!(names.contains("x-grpc-web, x-user-agent") && names.ends_with(", x-mine"));
        assert_eq!(allowed[ACCESS_CONTROL_MAX_AGE], "5");
        assert_eq!(allowed[ALLOW_PRIVATE_NETWORK], "true");
        assert!(
            !ask(&strict, &[])
                .headers
                .contains_key(ALLOW_PRIVATE_NETWORK)
        );

        let said = ask(&cors("https://b.org"), &[wants]);
        assert_eq!(said.status, StatusCode::FORBIDDEN);
        assert!(!said.headers.contains_key(ACCESS_CONTROL_ALLOW_METHODS));
    }

    #[test]
    fn a_websocket_is_for_named_pages_or_without_credentials() {
        let page = ("origin", "https://a.org");
        for (origin, more, trusted) in [
            ("https://a.org", Some(("cookie", "a=b")), true),
            ("https://b.org", None, false),
            ("*", None, true),
            ("*", Some(("cookie", "a=b")), false),
        ] {
            let mut asked = headers(&[page]);
            asked.extend(headers(more.as_slice()));
            assert_eq!(cors(origin).trusts(&asked), trusted, "{origin} {more:?}");
        }
        // Any page can make itself one without an origin.
        let null = ("origin", "null");
        assert!(cors("null").trusts(&headers(&[null])));
        assert!(!cors("null").trusts(&headers(&[null, ("cookie", "a=b")])));
        assert!(!cors("*").trusts(&HeaderMap::new()));
    }
}
