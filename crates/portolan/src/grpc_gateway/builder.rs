//! How a gateway is put together.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use portolan_gateway::{BoxError, Options};
use portolan_schema::Schema;
use portolan_server::interceptor::InterceptorLayer;
use portolan_server::{Health, Metrics, Tls, reflection};
use portolan_telemetry::Telemetry;
use tonic::server::NamedService;
use tower_service::Service;

use super::Error;
use super::gateway::{GrpcGateway, Parts};
use super::path::BasePath;
use super::services::{Served, Services, served};

/// What every gateway can add by itself: the services for health checks and
/// reflection, and their contracts.
const HEALTH: (&str, &[u8]) = ("grpc.health.v1.Health", Health::FILE_DESCRIPTOR_SET);
const REFLECTION: [(&str, &[u8]); 2] = [
    (
        "grpc.reflection.v1.ServerReflection",
        reflection::FILE_DESCRIPTOR_SET_V1,
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        reflection::FILE_DESCRIPTOR_SET_V1ALPHA,
    ),
];

/// The choices for a [`GrpcGateway`]; [`build`](Self::build) checks them.
///
/// ```
/// use portolan::grpc_gateway::GrpcGateway;
/// use portolan::server::Health;
///
/// # fn main() -> Result<(), portolan::grpc_gateway::Error> {
/// let health = Health::new(["greeter.Greeter"]);
/// let builder = || {
///     GrpcGateway::new("/grpc")
///         .service(health.service())
///         .descriptors(Health::FILE_DESCRIPTOR_SET)
///         .expose_http(true)
///         .http_methods(["POST"])
///         .host("127.0.0.1")
///         .port(50051)
/// };
/// let gateway = builder().build()?;
///
/// let error = builder().is_secure(true).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "TLS is asked for, but there are no credentials; give a certificate and its key with \
///      .tls(certificate, key)"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct GrpcGatewayBuilder {
    path: String,
    services: Vec<(&'static str, Served)>,
    descriptors: Vec<Cow<'static, [u8]>>,
    expose_http: bool,
    http_methods: Option<Vec<String>>,
    host: String,
    port: u16,
    is_secure: Option<bool>,
    credentials: Option<Credentials>,
    reflection: bool,
    drain_timeout: Option<Duration>,
    metrics: Metrics,
    interceptors: InterceptorLayer,
    telemetry: Option<Telemetry>,
    options: Options,
}

impl GrpcGatewayBuilder {
    pub(super) fn new(path: String) -> Self {
        Self {
            path,
            services: Vec::new(),
            descriptors: Vec::new(),
            expose_http: false,
            http_methods: None,
            host: "127.0.0.1".to_owned(),
            port: 50051,
            is_secure: None,
            credentials: None,
            reflection: true,
            drain_timeout: None,
            metrics: Metrics::default(),
            interceptors: InterceptorLayer::new(),
            telemetry: None,
            options: Options::default(),
        }
    }

    /// Adds a service: a server that tonic generated, with or without an
    /// interceptor, or any other tower service that speaks gRPC and has a name.
    /// Every protocol reaches clones of this one.
    pub fn service<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<tonic::body::Body>, Response = Response<B>>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.services.push((S::NAME, served(service)));
        self
    }

    /// Adds descriptors of the services: an encoded
    /// `google.protobuf.FileDescriptorSet` with everything that is imported, as
    /// `protoc --include_imports --descriptor_set_out` writes it. May be called
    /// again; a file that comes twice counts once.
    pub fn descriptors(mut self, set: impl Into<Cow<'static, [u8]>>) -> Self {
        self.descriptors.push(set.into());
        self
    }

    /// Whether there are named HTTP routes, `/{path}/{service}/{method}`; no by
    /// default. Without them the gateway's own port still speaks gRPC,
    /// gRPC-Web and Connect, and answers to the HTTP rules of the contract.
    pub fn expose_http(mut self, expose: bool) -> Self {
        self.expose_http = expose;
        self
    }

    /// The HTTP methods that named routes, and `POST /package.Service/Method` on
    /// the gateway's own port, are limited to, such as `["POST"]`; what comes by
    /// another is answered with 405. By default named routes take DELETE, PATCH,
    /// POST and PUT. GET is for RPCs without side effects only
    /// (`idempotency_level = NO_SIDE_EFFECTS`), whether it is listed or not.
    pub fn http_methods<M: AsRef<str>>(mut self, methods: impl IntoIterator<Item = M>) -> Self {
        let methods = methods.into_iter().map(|method| method.as_ref().to_owned());
        self.http_methods = Some(methods.collect());
        self
    }

    /// The host of the gateway's own port: an address, or a name, of which all
    /// addresses are listened on; `127.0.0.1` by default.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The gateway's own port; 50051 by default. With 0 the system chooses.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Speaks TLS on the gateway's own port, with this certificate chain and its
    /// private key, both in PEM text.
    pub fn tls(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let (certificate, key) = (certificate.into(), key.into());
        self.credentials = Some(Credentials::Pem { certificate, key });
        self
    }

    /// Speaks TLS on the gateway's own port with these credentials: from files
    /// that are read again when they change, with certificates of clients, or
    /// as [`tls`](Self::tls) has them.
    pub fn server_credentials(mut self, credentials: Tls) -> Self {
        self.credentials = Some(Credentials::Ready(credentials));
        self
    }

    /// Whether the gateway's own port speaks TLS; by default it does when there
    /// are credentials. To ask for it without any is an error.
    pub fn is_secure(mut self, secure: bool) -> Self {
        self.is_secure = Some(secure);
        self
    }

    /// Whether clients such as grpcurl may ask the gateway's own port for its
    /// contracts (server reflection, v1 and v1alpha); yes by default.
    pub fn reflection(mut self, reflect: bool) -> Self {
        self.reflection = reflect;
        self
    }

    /// How long running calls may take to finish at the end; 30 seconds by
    /// default.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = Some(limit);
        self
    }

    /// The figures in which calls to the gateway's own port are counted, and
    /// with which it answers `GET /metrics`: figures of its own by default.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Puts interceptors around every call of the services, by whatever protocol
    /// it comes, and of the health checks and reflection that the gateway adds:
    /// authentication, for instance, or one's own.
    pub fn intercept(mut self, interceptors: InterceptorLayer) -> Self {
        self.interceptors = interceptors;
        self
    }

    /// The telemetry that hears of every call to the gateway's own port; none by
    /// default.
    pub fn telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = Some(telemetry);
        self
    }

    /// Everything else: the size limit, how JSON is read and written, the form
    /// of errors. Where named routes begin the builder says, and which HTTP
    /// methods they take if [`http_methods`](Self::http_methods) is called.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The gateway; it serves no port yet.
    ///
    /// # Errors
    /// When the path does not begin with `/`; when TLS is asked for and there are
    /// no credentials, or they cannot be used; when there is no service, one
    /// comes twice, or the descriptors have none of its name; when an HTTP
    /// method is none or the chosen ones reach nothing; when two RPCs claim one
    /// route.
    pub fn build(self) -> Result<GrpcGateway, Error> {
        let path = BasePath::parse(&self.path)?;
        let tls = tls(self.is_secure, self.credentials)?;
        if self.services.is_empty() {
            return Err(Error::NoService {
                path: path.to_string(),
            });
        }
        let names: Vec<&'static str> = self.services.iter().map(|(name, _)| *name).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(**name)) {
            return Err(Error::RepeatedService(twice));
        }
        let services: Services = self.services.into_iter().collect();
        let own = std::iter::once(HEALTH).chain(REFLECTION.into_iter().filter(|_| self.reflection));
        let own: Vec<_> = own.collect();
        let contracts = Contracts::read(self.descriptors, &own, &services)?;
        let described = |name: &&str| contracts.schema.service(name).is_some();
        if let Some(name) = names.into_iter().find(|name| !described(name)) {
            return Err(Error::Undescribed(name));
        }

        let mut options = self.options;
        // A call that is refused is not to be read before.
        options.read_on_demand |= !self.interceptors.is_empty();
        if let Some(names) = self.http_methods {
            options.http_methods = Some(http_methods(names)?);
        }
        let mut behind = services.clone();
        if self.reflection {
            behind = behind
                .with(reflection::v1(contracts.sets())?)
                .with(reflection::v1alpha(contracts.sets())?);
        }
        let parts = Parts {
            schema: contracts.schema.into(),
            services,
            behind,
            path,
            expose_http: self.expose_http,
            host: self.host,
            port: self.port,
            tls,
            drain_timeout: self.drain_timeout,
            metrics: self.metrics,
            interceptors: self.interceptors,
            telemetry: self.telemetry,
            options,
        };
        GrpcGateway::of(parts)
    }
}

/// What TLS is spoken with.
#[derive(Debug)]
enum Credentials {
    Pem { certificate: Vec<u8>, key: Vec<u8> },
    Ready(Tls),
}

/// What the port speaks TLS with; nothing when it does not.
fn tls(is_secure: Option<bool>, credentials: Option<Credentials>) -> Result<Option<Tls>, Error> {
    let credentials = match (is_secure, credentials) {
        (Some(false), _) | (None, None) => return Ok(None),
        (Some(true), None) => return Err(Error::NoCredentials),
        (_, Some(credentials)) => credentials,
    };
    match credentials {
        Credentials::Ready(tls) => Ok(Some(tls)),
        Credentials::Pem { certificate, key } if certificate.is_empty() && key.is_empty() => {
            Err(Error::NoCredentials)
        }
        Credentials::Pem { certificate, key } => Ok(Some(Tls::from_pem(certificate, key)?)),
    }
}

/// The contracts of all that a gateway serves.
struct Contracts {
    schema: Schema,
    sets: Vec<Cow<'static, [u8]>>,
}

impl Contracts {
    /// Links the given sets, with those of the gateway's `own` services that
    /// they lack, and leaves out services that are not served: they would take
    /// routes from those that are.
    fn read(
        given: Vec<Cow<'static, [u8]>>,
        own: &[(&str, &'static [u8])],
        served: &Services,
    ) -> Result<Self, Error> {
        let mut sets = given;
        let mut schema = link(&sets)?;
        let known = sets.len();
        for (name, set) in own {
            if schema.service(name).is_none() {
                sets.push(Cow::Borrowed(*set));
            }
        }
        if sets.len() > known {
            schema = link(&sets)?;
        }
        schema.retain_services(|service| {
            served.has(service.name()) || own.iter().any(|(name, _)| *name == service.name())
        });
        Ok(Self { schema, sets })
    }

    fn sets(&self) -> impl Iterator<Item = &[u8]> {
        self.sets.iter().map(|set| &**set)
    }
}

fn link(sets: &[Cow<'static, [u8]>]) -> Result<Schema, Error> {
    Ok(Schema::from_descriptor_sets(sets.iter().map(|set| &**set))?)
}

/// The methods with these names, which routes take.
fn http_methods(names: Vec<String>) -> Result<Vec<Method>, Error> {
    let taken = [
        Method::DELETE,
        Method::GET,
        Method::PATCH,
        Method::POST,
        Method::PUT,
    ];
    let method = |name: String| {
        let found = taken.iter().find(|method| method.as_str() == name);
        found.cloned().ok_or(Error::HttpMethod(name))
    };
    names.into_iter().map(method).collect()
}
