//! What service authors put around their calls. An [`Interceptor`] stands in
//! front of a service that speaks gRPC, inside of the gateway: it sees every
//! call of every protocol in one shape, unary and streaming alike, and knows
//! nothing of how it came. [`InterceptorLayer`] stacks several.

mod body;
mod head;
mod load_limit;
mod rate_limit;
mod service;
mod sizes;
mod watching;

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use portolan_gateway::{Code, Status};
use tower_layer::Layer;

/// What an implementation of [`Interceptor`] is marked with.
pub use async_trait::async_trait;
pub use body::InterceptedBody;
pub use head::CallHead;
pub use load_limit::LoadLimit;
pub use rate_limit::{Per, RateLimit};
pub use service::Intercepted;

/// Sees every call before the service does.
///
/// ```
/// use portolan_gateway::{Code, Status};
/// use portolan_server::interceptor::{
///     Admission, CallHead, Interceptor, Refusal, async_trait,
/// };
///
/// /// What handlers find in `request.extensions()`.
/// #[derive(Clone)]
/// struct Tenant(String);
///
/// struct Tenants;
///
/// #[async_trait]
/// impl Interceptor for Tenants {
///     async fn intercept(&self, call: &mut CallHead) -> Result<Admission, Refusal> {
///         let Some(tenant) = call.metadata().get("x-tenant").and_then(|value| value.to_str().ok())
///         else {
///             return Err(Status::new(Code::InvalidArgument, "x-tenant is missing").into());
///         };
///         let tenant = Tenant(tenant.to_owned());
///         call.extensions_mut().insert(tenant);
///         Ok(Admission::granted())
///     }
/// }
/// ```
#[async_trait]
pub trait Interceptor: Send + Sync + 'static {
    /// Lets a call pass, perhaps with other metadata or with extensions for its
    /// handler, or refuses it. No message has been read yet; those of a call
    /// that is refused never are.
    ///
    /// # Errors
    /// With a [`Refusal`] the call is over: its status is what the client gets.
    async fn intercept(&self, call: &mut CallHead) -> Result<Admission, Refusal>;
}

/// A call may go on, and whether somebody watches it.
#[must_use]
#[derive(Default)]
pub struct Admission(Option<Box<dyn Watch>>);

impl Admission {
    /// The call may go on; how it goes is of no interest.
    pub fn granted() -> Self {
        Self(None)
    }

    /// The call may go on, and this sees how.
    pub fn watched(watch: impl Watch) -> Self {
        Self(Some(Box::new(watch)))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.0.is_some();
        let mut tuple = formatter.debug_struct("Admission");
        tuple.field("watched", &watched).finish()
    }
}

/// A call that is not let pass: its status, and metadata for the trailers.
///
/// Of the metadata `retry-after` and `www-authenticate` are HTTP's own, and
/// reach clients of REST and Connect under these names.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: Status,
    metadata: HeaderMap,
}

impl Refusal {
    /// Adds metadata; text that no header can hold is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, text: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(text) {
            self.metadata.insert(name, value);
        }
        self
    }

    /// What the client gets.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What goes along with it.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        &self.metadata
    }
}

impl From<Status> for Refusal {
    /// A status of OK refuses nothing, and becomes INTERNAL.
    fn from(status: Status) -> Self {
        let status = match status.code() {
            Code::Ok => Status::new(Code::Internal, "a call was refused with the status OK"),
            _ => status,
        };
        Self {
            status,
            metadata: HeaderMap::new(),
        }
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the service.
    Request,
    /// From the service to the client.
    Reply,
}

/// Sees how a call goes on that its [`Interceptor`] has let pass. All of it
/// happens while bytes are passed on: what takes long belongs elsewhere.
pub trait Watch: Send + 'static {
    /// The reply begins with this metadata. Not called for a reply that is a
    /// status and nothing else.
    fn metadata(&mut self, _metadata: &mut HeaderMap) {}

    /// A message of so many bytes, as they travel, has passed.
    fn message(&mut self, _direction: Direction, _bytes: usize) {}

    /// The reply ends with this metadata. Not called when the client leaves
    /// before.
    fn trailers(&mut self, _status: &Status, _trailers: &mut HeaderMap) {}

    /// The call is over. Called exactly once, also when the client has left
    /// (CANCELLED), the deadline has passed (DEADLINE_EXCEEDED), or the service
    /// has panicked (INTERNAL).
    fn end(&mut self, _status: &Status) {}
}

/// Puts interceptors around a service that speaks gRPC, the first outermost.
/// One without interceptors costs nothing.
///
/// It stands around any tonic service, alone or inside of a gateway:
///
/// ```
/// use portolan_server::Health;
/// use portolan_server::interceptor::InterceptorLayer;
/// use tower_layer::Layer;
///
/// # fn example(one: impl portolan_server::interceptor::Interceptor) {
/// let guarded = InterceptorLayer::new().with(one);
/// let service = guarded.layer(Health::new(["shop.v1.Orders"]).service());
/// # }
/// ```
#[derive(Clone, Default)]
pub struct InterceptorLayer {
    interceptors: Arc<[Arc<dyn Interceptor>]>,
}

impl InterceptorLayer {
    /// No interceptor yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, inside of those that are there.
    #[must_use]
    pub fn with(self, interceptor: impl Interceptor) -> Self {
        self.with_shared(Arc::new(interceptor))
    }

    /// The same of one that others hold too.
    #[must_use]
    pub fn with_shared(self, interceptor: Arc<dyn Interceptor>) -> Self {
        let there = self.interceptors.iter().cloned();
        Self {
            interceptors: there.chain([interceptor]).collect(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.interceptors.is_empty()
    }
}

impl fmt::Debug for InterceptorLayer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InterceptorLayer")
            .field("interceptors", &self.interceptors.len())
            .finish()
    }
}

impl<S> Layer<S> for InterceptorLayer {
    type Service = Intercepted<S>;

    fn layer(&self, service: S) -> Intercepted<S> {
        Intercepted::new(Arc::clone(&self.interceptors), service)
    }
}
