//! gRPC, gRPC-Web, Connect, REST/JSON and WebSockets in front of any tower service that
//! speaks gRPC.
//!
//! Whatever a client says becomes a call: a method, metadata, a deadline and a
//! stream of protobuf messages; whatever comes back is a reply. So a protocol
//! is a pair of translations, never one per pair of protocols, and the service
//! behind may be a tonic service in this process or a channel to another one.
//! Where both ends speak the same encoding, messages pass untouched.
//!
//! ```
//! # fn example<S: Clone>(service: S, descriptors: &[u8]) -> Result<(), portolan_schema::Error> {
//! use std::sync::Arc;
//! use portolan_gateway::GatewayLayer;
//! use portolan_schema::Schema;
//! use tower_layer::Layer;
//!
//! let schema = Schema::from_descriptor_sets([descriptors])?;
//! let everywhere = GatewayLayer::new(Arc::new(schema)).layer(service);
//! # Ok(())
//! # }
//! ```

mod call;
mod docs;
mod gateway;
mod held;
mod linger;
mod messages;
mod metadata;
mod on_demand;
mod openapi;
mod options;
mod outcome;
mod protocol;
mod route;
mod tunnel;

pub use docs::{Docs, DocsLayer, DocsOptions};
pub use gateway::{Gateway, GatewayLayer};
pub use metadata::tells_of_client;
pub use openapi::{OpenApi, OpenApiOptions, RouteKinds, Security};
pub use options::{DEFAULT_MAX_MESSAGE_SIZE, ErrorStyle, Options};
pub use outcome::{Outcome, OutcomeSlot};
pub use portolan_rpc::{Body, BoxError, Code, Deadline, Status};
pub use protocol::{TrustedOrigin, lift_websocket_headers};
pub use route::{Finding, MultiSegment, RouteEntry, RouteErrors, RouteKind, RouteParty, Severity};
pub use tunnel::{Tunnel, TunnelSlot};

use portolan_rpc::{compression, details, frame};
