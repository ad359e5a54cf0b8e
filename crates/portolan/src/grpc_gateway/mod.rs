//! A tonic service with a gRPC port of its own, and with named HTTP routes in
//! an app that is there already.
//!
//! [`GrpcGateway`] serves services on a port, in every protocol;
//! `register_grpc_http_routes` (with the feature `axum`) puts their RPCs into an
//! axum `Router` as `/{path}/{service}/{method}`. Both reach the same services,
//! and so does [`InProcess`], which needs no port: a generated client calls
//! through it, and [`TestClient`] asks it, or an app, over HTTP.
//!
//! ```
//! use portolan::grpc_gateway::{GrpcGateway, TestClient};
//! use portolan::server::Health;
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any tonic service; here the one for health checks.
//! let health = Health::new(["greeter.Greeter"]);
//! let gateway = GrpcGateway::new("/grpc")
//!     .service(health.service())
//!     .descriptors(Health::FILE_DESCRIPTOR_SET)
//!     .expose_http(true)
//!     .port(0) // any that is free
//!     .build()?;
//!
//! let client = TestClient::new(gateway.in_process());
//! let response = client.post("/grpc/health/check").json(json!({})).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.text(), r#"{"status":"SERVING"}"#);
//!
//! let address = gateway.startup().await?;
//! println!("listening on http://{address}");
//! gateway.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod gateway;
mod in_process;
mod path;
#[cfg(feature = "axum")]
mod register;
mod routes;
mod services;
mod test_client;

pub use builder::GrpcGatewayBuilder;
pub use error::Error;
pub use gateway::GrpcGateway;
pub use in_process::InProcess;
#[cfg(feature = "axum")]
pub use register::register_grpc_http_routes;
pub use test_client::{TestClient, TestError, TestRequest, TestResponse};
