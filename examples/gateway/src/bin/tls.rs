//! Secure gRPC: TLS on the gateway's own port.
//!
//! ```console
//! $ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
//!     -keyout server.key -out server.crt -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE
//! $ cargo run -p gateway-examples --bin tls
//! $ curl --cacert server.crt https://localhost:50051/secure/greeter/sayhello \
//!     -H 'content-type: application/json' -d '{"name": "World"}'
//! {"message":"Hello, World!"}
//! $ grpcurl -cacert server.crt -d '{"name": "World"}' localhost:50051 Greeter/SayHello
//! ```

use std::fs;

use anyhow::Context;
use gateway_examples::proto::{DESCRIPTORS, greeter_server::GreeterServer};
use gateway_examples::{GreeterService, Ports, ctrl_c};
use portolan::grpc_gateway::GrpcGateway;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Load TLS credentials. `Tls::from_files` with `.server_credentials(…)`
    // reads them again when they are renewed.
    let private_key = fs::read("server.key").context("cannot read server.key")?;
    let certificate_chain = fs::read("server.crt").context("cannot read server.crt")?;

    // Create secure gateway.
    let gateway = GrpcGateway::new("/secure")
        .service(GreeterServer::new(GreeterService))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .port(Ports::from_arguments()?.grpc)
        .tls(certificate_chain, private_key)
        .build()?;

    let stop = ctrl_c();
    println!("gRPC on https://{}", gateway.startup().await?);
    stop.await;
    gateway.shutdown().await;
    Ok(())
}
