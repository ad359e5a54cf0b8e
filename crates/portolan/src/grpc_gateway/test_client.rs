//! Requests to an app that need no port.

use std::error::Error as StdError;
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use portolan_gateway::{Body, BoxError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::{Service, ServiceExt as _};

/// Asks an app over HTTP without a socket: an axum `Router`, an
/// [`InProcess`](super::InProcess), or any tower service that answers HTTP
/// requests.
///
/// ```
/// use http::{Request, Response};
/// use portolan::gateway::{Body, BoxError};
/// use portolan::grpc_gateway::TestClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let app = tower::service_fn(async |request: Request<Body>| {
///     Ok::<_, BoxError>(Response::new(request.into_body()))
/// });
/// let client = TestClient::new(app);
/// let echo = serde_json::json!({ "name": "World" });
/// let response = client.post("/echo").json(&echo).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.json::<serde_json::Value>()?, echo);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestClient<S>(S);

impl<S: Clone> TestClient<S> {
    /// A client of this app.
    pub fn new(app: S) -> Self {
        Self(app)
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> TestRequest<S> {
        self.request(Method::GET, path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> TestRequest<S> {
        self.request(Method::POST, path)
    }

    /// A PUT request.
    pub fn put(&self, path: &str) -> TestRequest<S> {
        self.request(Method::PUT, path)
    }

    /// A PATCH request.
    pub fn patch(&self, path: &str) -> TestRequest<S> {
        self.request(Method::PATCH, path)
    }

    /// A DELETE request.
    pub fn delete(&self, path: &str) -> TestRequest<S> {
        self.request(Method::DELETE, path)
    }

    /// A request of any method, to a path with or without a query.
    pub fn request(&self, method: Method, path: &str) -> TestRequest<S> {
        TestRequest {
            app: self.0.clone(),
            parts: Request::builder().method(method).uri(path),
            body: Ok(Bytes::new()),
        }
    }
}

/// A request that is sent when it is awaited.
///
/// ```no_run
/// # use portolan::grpc_gateway::{InProcess, TestClient, TestError};
/// # async fn example(client: TestClient<InProcess>) -> Result<(), TestError> {
/// let request = client.post("/grpc/file/downloadfile").header("accept", "text/event-stream");
/// let response = request.json(serde_json::json!({ "name": "numbers.bin" })).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct TestRequest<S> {
    app: S,
    parts: http::request::Builder,
    body: Result<Bytes, TestError>,
}

impl<S> TestRequest<S> {
    /// Adds a header.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        N::Error: Into<http::Error>,
        V: TryInto<HeaderValue>,
        V::Error: Into<http::Error>,
    {
        self.parts = self.parts.header(name, value);
        self
    }

    /// Sends this value as JSON.
    pub fn json(mut self, value: impl Serialize) -> Self {
        self.body = match serde_json::to_vec(&value) {
            Ok(json) => Ok(json.into()),
            Err(error) => Err(TestError::Request(error.into())),
        };
        self.header(header::CONTENT_TYPE, "application/json")
    }

    /// Sends these bytes; what they are, a header says.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Ok(bytes.into());
        self
    }
}

impl<S, B> IntoFuture for TestRequest<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<TestResponse, TestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Sends the request and reads the whole answer.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let body = Body::from(self.body?);
            let request = self.parts.body(body);
            let request = request.map_err(|error| TestError::Request(error.into()))?;
            let answer = self.app.oneshot(request).await;
            let (head, body) = answer
                .map_err(|error| TestError::App(error.into()))?
                .into_parts();
            let body = body.collect().await;
            let body = body.map_err(|error| TestError::Body(error.into()))?;
            Ok(TestResponse {
                status: head.status,
                headers: head.headers,
                trailers: body.trailers().cloned().unwrap_or_default(),
                body: body.to_bytes(),
            })
        })
    }
}

/// An answer, read to its end.
///
/// ```no_run
/// # use portolan::grpc_gateway::{TestError, TestResponse};
/// # fn example(response: TestResponse) -> Result<(), TestError> {
/// assert_eq!(response.status(), 405);
/// assert_eq!(response.header("allow"), Some("POST"));
/// let error: serde_json::Value = response.json()?;
/// println!("{}", error["detail"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

impl TestResponse {
    /// The HTTP status, which compares with a number.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first header of this name, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The trailers; none where the body has none.
    #[must_use]
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; what is not UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as the JSON of a value.
    ///
    /// # Errors
    /// When it is none; the error has the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, TestError> {
        serde_json::from_slice(&self.body).map_err(|source| TestError::Json {
            source,
            body: self.text(),
        })
    }
}

/// Why a request has no answer, or an answer no value. A status such as 404 is
/// an answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum TestError {
    /// The request cannot be made of what was given.
    Request(BoxError),
    /// The app failed instead of answering.
    App(BoxError),
    /// The answer broke off.
    Body(BoxError),
    /// The body is not the JSON of the value.
    Json {
        /// Where it is wrong.
        source: serde_json::Error,
        /// The body.
        body: String,
    },
}

impl fmt::Display for TestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => write!(formatter, "the request is not valid: {error}"),
            Self::App(error) => write!(formatter, "the app failed: {error}"),
            Self::Body(error) => write!(formatter, "the answer broke off: {error}"),
            Self::Json { source, body } => {
                write!(
                    formatter,
                    "the answer is not the JSON expected: {source}; it is `{body}`"
                )
            }
        }
    }
}

impl StdError for TestError {}
