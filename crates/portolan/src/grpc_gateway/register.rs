//! Named routes in an axum router.

use std::borrow::Borrow;
use std::collections::HashMap;

use axum::Router;

use super::gateway::NamedRoutes;
use super::path::BasePath;
use super::{Error, GrpcGateway};

/// Adds to the router, for every RPC of the gateways, the named routes
/// `{base_path}{path}/{service}/{method}`: in lower case, the service with and
/// without the suffix `service`. They answer over HTTP and JSON by the very
/// services that the gateways serve over gRPC, started or not. The base path
/// may be empty.
///
/// A gateway without [`expose_http`](super::GrpcGatewayBuilder::expose_http)
/// adds nothing. All other routes stay as they are, and the router's layers
/// that are added afterwards apply to these routes too.
///
/// ```
/// use axum::Router;
/// use portolan::grpc_gateway::{GrpcGateway, TestClient, register_grpc_http_routes};
/// use portolan::server::Health;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = GrpcGateway::new("/grpc")
///     .service(Health::new(["greeter.Greeter"]).service())
///     .descriptors(Health::FILE_DESCRIPTOR_SET)
///     .expose_http(true)
///     .build()?;
/// let app: Router = register_grpc_http_routes(Router::new(), [&gateway], "/api/v1")?;
///
/// let client = TestClient::new(app);
/// let request = client.post("/api/v1/grpc/health/check");
/// let response = request.json(serde_json::json!({ "service": "greeter.Greeter" })).await?;
/// assert_eq!(response.text(), r#"{"status":"SERVING"}"#);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the base path is none, or two of the gateways claim one route.
///
/// # Panics
/// As [`Router::route`] does, when the router has one of these routes already.
pub fn register_grpc_http_routes<S, G>(
    router: Router<S>,
    gateways: impl IntoIterator<Item = G>,
    base_path: &str,
) -> Result<Router<S>, Error>
where
    S: Clone + Send + Sync + 'static,
    G: Borrow<GrpcGateway>,
{
    let base = BasePath::parse_optional(base_path)?;
    let mut router = router;
    let mut owners: HashMap<String, String> = HashMap::new();
    for gateway in gateways {
        let Some(NamedRoutes { service, routes }) = gateway.borrow().named_routes(&base)? else {
            continue;
        };
        for (path, rpc) in routes {
            if let Some(first) = owners.insert(path.clone(), rpc.clone()) {
                return Err(Error::SharedRoute {
                    path,
                    first,
                    second: rpc,
                });
            }
            router = router.route_service(&path, service.clone());
        }
    }
    Ok(router)
}
