//! Write a gRPC service once; everyone can reach it: gRPC, gRPC-Web, Connect
//! and REST/JSON on one port.
//!
//! The rooms, from the ground up; each is a crate and can be used alone:
//!
//! - [`schema`] reads contracts: messages, services, HTTP rules;
//! - [`transcode`] turns JSON into protobuf and back, in one pass;
//! - [`gateway`] is a layer around any tower service that speaks gRPC, and
//!   makes it speak the other protocols too;
//! - [`server`] serves any tower service: listeners, health, reflection,
//!   metrics, logs, and an end that lets running calls finish;
//! - [`grpc_gateway`] is the short way to all that for tonic services, with a
//!   port of their own and routes in an app;
//! - [`telemetry`] tells a collector of OpenTelemetry what is served;
//! - [`memory`] is a service that comes with it: a durable vector memory;
//! - [`users`] is another: a directory of users behind three contracts.
//!
//! A server of one's own is these, put together:
//!
//! ```
//! use std::error::Error;
//! use std::sync::Arc;
//!
//! use portolan::gateway::GatewayLayer;
//! use portolan::schema::Schema;
//! use portolan::server::{Health, Listener, Server};
//! use tonic::service::Routes;
//! use tower_layer::Layer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn Error>> {
//! // Any tonic services; here only the one for health checks.
//! let health = Health::new(["greeter.v1.Greeter"]);
//! let services = Routes::new(health.service()).prepare();
//!
//! // One layer makes them speak every protocol.
//! let schema = Schema::from_descriptor_sets([Health::FILE_DESCRIPTOR_SET])?;
//! let services = GatewayLayer::new(Arc::new(schema)).layer(services);
//!
//! // Try `curl -d '{}' http://127.0.0.1:PORT/grpc.health.v1.Health/Check`.
//! let listener = Listener::bind("127.0.0.1:0".parse()?)?;
//! println!("listening on http://{}", listener.address());
//! # let shutdown = async {};
//! # #[cfg(any())]
//! let shutdown = async { drop(tokio::signal::ctrl_c().await) };
//! let drained = Server::new(services).listen(listener).health(health).serve(shutdown).await;
//! assert_eq!(drained.cut, 0);
//! # Ok(())
//! # }
//! ```

pub mod grpc_gateway;

pub use portolan_gateway as gateway;
pub use portolan_memory as memory;
pub use portolan_schema as schema;
pub use portolan_server as server;
pub use portolan_telemetry as telemetry;
pub use portolan_transcode as transcode;
pub use portolan_users as users;
