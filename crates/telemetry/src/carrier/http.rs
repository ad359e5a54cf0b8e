//! OTLP/HTTP with protobuf, over HTTP/1.1, which every collector speaks; one
//! connection, kept from export to export.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::{ANSWER, Again, Failure, Signal};
use crate::otlp::ExportResponse;
use crate::{BuildError, Settings};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("portolan/", env!("CARGO_PKG_VERSION")));

pub(super) struct Http {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    path: Uri,
    headers: HeaderMap,
    connection: Option<Connection>,
}

/// A connection and whoever works on it.
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    _work: AbortOnDropHandle<()>,
}

impl Http {
    pub(super) fn new(signal: Signal, settings: &Settings) -> Result<Self, BuildError> {
        let uri = &settings.endpoint;
        let wrong = || BuildError::Endpoint(uri.clone());
        let authority = uri.authority().ok_or_else(wrong)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(settings.tls.connector(&host, &[b"http/1.1"])?), 443),
            _ => return Err(wrong()),
        };
        let base = uri.path().trim_end_matches('/');
        let path = format!("{base}{}", signal.http_path());
        let mut headers = settings.headers.clone();
        let name = HeaderValue::try_from(authority.as_str()).map_err(|_| wrong())?;
        headers.insert(HOST, name);
        headers.insert(CONTENT_TYPE, PROTOBUF);
        headers.insert(ACCEPT, PROTOBUF);
        headers.insert(USER_AGENT, AGENT);
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            host,
            tls,
            path: path.parse().map_err(|_| wrong())?,
            headers,
            connection: None,
        })
    }

    /// The same, without a connection.
    pub(super) fn fresh(&self) -> Self {
        Self {
            host: self.host.clone(),
            port: self.port,
            tls: self.tls.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            connection: None,
        }
    }

    /// Tries once. Dropped before its end, it leaves no connection that is in the
    /// middle of an answer.
    pub(super) async fn send(&mut self, body: Bytes) -> Result<ExportResponse, Failure> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut request = Request::post(self.path.clone())
            .body(Full::new(body))
            .map_err(|error| Failure::never(&error))?;
        request.headers_mut().clone_from(&self.headers);
        let response = connection.requests.send_request(request).await;
        let (head, body) = response
            .map_err(|error| Failure::later(&error))?
            .into_parts();
        let answer = Limited::new(body, ANSWER).collect().await;
        let answer = answer.map_err(|error| Failure::later(&error))?.to_bytes();
        self.connection = Some(connection);
        let response = Response::from_parts(head, answer);
        judge(&response)
    }

    /// The connection of before, if it takes another request.
    async fn kept(&mut self) -> Option<Connection> {
        let mut connection = self.connection.take()?;
        connection.requests.ready().await.ok()?;
        Some(connection)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| Failure::later(&error))?;
        stream
            .set_nodelay(true)
            .map_err(|error| Failure::later(&error))?;
        match &self.tls {
            None => begin(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                begin(stream.map_err(|error| Failure::later(&error))?).await
            }
        }
    }
}

async fn begin<S>(stream: S) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, work) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::later(&error))?;
    let work = tokio::spawn(async move {
        if let Err(error) = work.await {
            tracing::debug!(%error, "the connection to the collector ended");
        }
    });
    Ok(Connection {
        requests,
        _work: AbortOnDropHandle::new(work),
    })
}

/// What an answer means (OTLP/HTTP, "Response").
fn judge(response: &Response<Bytes>) -> Result<ExportResponse, Failure> {
    let status = response.status();
    if status.is_success() {
        // Some collectors answer with JSON, whatever they are asked for.
        return Ok(ExportResponse::decode(response.body().as_ref()).unwrap_or_default());
    }
    let again = match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            retry_after(response.headers()).map_or(Again::Later, Again::After)
        }
        _ => Again::Never,
    };
    Err(Failure {
        reason: format!("HTTP status {status}"),
        again,
    })
}

/// How many seconds a server wants to be left alone; a date is not read, and then
/// time is taken as for others (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, after: Option<&str>) -> Result<ExportResponse, Failure> {
        let mut response = Response::builder().status(status);
        if let Some(after) = after {
            response = response.header(RETRY_AFTER, after);
        }
        judge(&response.body(Bytes::new()).unwrap())
    }

    #[test]
    fn what_is_worth_another_try_is_what_the_protocol_says() {
        assert_eq!(answer(200, None), Ok(ExportResponse::default()));
        for (status, after, again) in [
            (429, Some("7"), Again::After(Duration::from_secs(7))),
            (
                429,
                Some("18446744073709551615"),
                Again::After(Duration::from_secs(u64::MAX)),
            ),
            (502, None, Again::Later),
            (503, Some("Fri, 31 Dec 1999 23:59:59 GMT"), Again::Later),
            (504, None, Again::Later),
            (400, None, Again::Never),
            (401, Some("7"), Again::Never),
            (404, None, Again::Never),
            (408, None, Again::Never),
            (413, None, Again::Never),
            (500, None, Again::Never),
        ] {
            assert_eq!(answer(status, after).unwrap_err().again, again, "{status}");
        }
    }

    #[test]
    fn paths_come_behind_the_endpoints_own() {
        for (endpoint, path) in [
            ("http://a:4318", "/v1/traces"),
            ("http://a:4318/", "/v1/traces"),
            ("https://a/otlp/", "/otlp/v1/traces"),
            ("http://[::1]:1/x", "/x/v1/traces"),
        ] {
            let mut settings = Settings::new(endpoint.parse().unwrap());
            settings.protocol = crate::Protocol::Http;
            let http = Http::new(Signal::Traces, &settings).unwrap();
            assert_eq!(http.path.path(), path, "{endpoint}");
        }
        for endpoint in ["/a", "a:1", "ftp://a"] {
            let settings = Settings::new(endpoint.parse().unwrap());
            assert!(Http::new(Signal::Traces, &settings).is_err(), "{endpoint}");
        }
    }
}
