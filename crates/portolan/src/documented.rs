//! What is served, described beside it: OpenAPI and the page at `/docs`, unless
//! the configuration wants none.

use std::sync::Arc;

use portolan_gateway::{Docs, DocsLayer, DocsOptions, OpenApiOptions, Security};
use portolan_schema::Schema;
use tower::util::Either;
use tower_layer::Layer;

use crate::config::{Auth, Config};

/// A gateway with its description, or without.
pub(crate) type Documented<G> = Either<Docs<G>, G>;

/// Puts the description of these services around a gateway.
pub(crate) fn documented<G>(
    gateway: G,
    schema: &Arc<Schema>,
    services: Vec<String>,
    config: &Config,
) -> Documented<G> {
    if !config.docs.unwrap_or(true) {
        return Either::Right(gateway);
    }
    let options = config.gateway_options();
    let docs = DocsOptions {
        base_path: options.base_path.clone(),
        open_api: OpenApiOptions {
            services,
            security: config.auth.iter().map(security).collect(),
            public_services: config
                .auth
                .as_ref()
                .map(Auth::public_services)
                .unwrap_or_default(),
            ..OpenApiOptions::for_gateway(&options)
        },
        ..DocsOptions::default()
    };
    Either::Left(DocsLayer::new(Arc::clone(schema), docs).layer(gateway))
}

/// How callers say who they are.
fn security(auth: &Auth) -> Security {
    let format = auth.takes_jwt() && auth.tokens.is_none();
    Security::Bearer {
        format: format.then(|| "JWT".to_owned()),
    }
}
