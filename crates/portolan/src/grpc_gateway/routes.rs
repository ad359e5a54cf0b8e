//! The named routes of a gateway: which paths, for which RPC, and whether
//! everybody has their own.

use portolan_gateway::{Finding, GatewayLayer, RouteEntry, RouteKind};

use super::Error;
use super::services::Services;

/// The named routes that reach one of these services by some HTTP method, in
/// the order of the contract.
///
/// # Errors
/// When two RPCs claim one, or there are none.
pub(super) fn named<'a>(
    layer: &'a GatewayLayer,
    services: &Services,
) -> Result<Vec<RouteEntry<'a>>, Error> {
    let taken = layer.findings().iter().find_map(|finding| match finding {
        // The gateway's own services may go without.
        Finding::NameTaken { loser, winner } if services.has(service(&loser.rpc)) => {
            Some((loser, winner))
        }
        _ => None,
    });
    if let Some((loser, winner)) = taken {
        return Err(Error::SharedRoute {
            path: loser.path.clone(),
            first: winner.rpc.clone(),
            second: loser.rpc.clone(),
        });
    }
    let reaches = |route: &RouteEntry<'_>| {
        route.kind() == RouteKind::Named
            && services.has(service(&rpc(route)))
            && route.methods().is_none_or(|methods| !methods.is_empty())
    };
    let routes: Vec<_> = layer.routes().filter(reaches).collect();
    if routes.is_empty() {
        return Err(Error::Unreachable);
    }
    Ok(routes)
}

/// The full name of a route's RPC, such as `users.v1.Users.Get`.
pub(super) fn rpc(route: &RouteEntry<'_>) -> String {
    route.rpc().trim_start_matches('/').replace('/', ".")
}

/// The service in the full name of an RPC.
fn service(rpc: &str) -> &str {
    rpc.rsplit_once('.').unwrap_or_default().0
}
