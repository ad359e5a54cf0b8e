//! Notes, over gRPC, gRPC-Web, Connect and REST/JSON on one port.

mod service;

use portolan::grpc_gateway::GrpcGateway;
use service::Notes;
use service::proto::{DESCRIPTORS, note_service_server::NoteServiceServer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Port 0 lets the system choose.
    let port = std::env::args()
        .nth(1)
        .map_or(Ok(50051), |port| port.parse())?;
    let gateway = GrpcGateway::new("/grpc")
        .service(NoteServiceServer::new(Notes::default()))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .port(port)
        .build()?;
    println!("listening on http://{}", gateway.startup().await?);
    tokio::signal::ctrl_c().await?;
    // Running calls may finish.
    gateway.shutdown().await;
    Ok(())
}
