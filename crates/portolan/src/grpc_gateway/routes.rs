//! The named routes of a gateway: which paths, for which RPC.

use std::collections::HashMap;

use portolan_schema::Schema;

use super::Error;
use super::path::BasePath;
use super::services::Services;

/// A named route.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "axum"),
    expect(dead_code, reason = "only an app's router reads them")
)]
pub(super) struct NamedRoute {
    pub(super) path: String,
    /// The gRPC path of the RPC that it reaches.
    pub(super) rpc: String,
}

/// The named routes of these services below `base`, in the order of the
/// contract.
pub(super) fn named(
    schema: &Schema,
    services: &Services,
    base: &BasePath,
) -> Result<Vec<NamedRoute>, Error> {
    let mut routes = Vec::new();
    let mut owners: HashMap<String, String> = HashMap::new();
    for service in schema
        .services()
        .filter(|service| services.has(service.name()))
    {
        let name = service.short_name().to_ascii_lowercase();
        let bare = match name.strip_suffix("service") {
            None | Some("") => &name,
            Some(bare) => bare,
        };
        for method in service.methods() {
            let last = method.name().to_ascii_lowercase();
            for name in [bare.to_owned(), format!("{bare}service")] {
                let path = format!("{}/{name}/{last}", base.as_str());
                if let Some(first) = owners.insert(path.clone(), method.path().to_owned()) {
                    let second = method.path().to_owned();
                    return Err(Error::SharedRoute {
                        path,
                        first,
                        second,
                    });
                }
                let rpc = method.path().to_owned();
                routes.push(NamedRoute { path, rpc });
            }
        }
    }
    Ok(routes)
}
