//! A greeter, written as any tonic service; one layer makes it answer gRPC,
//! gRPC-Web, Connect and REST/JSON on one port.
//!
//! ```console
//! $ cargo run -p greeter
//! $ curl http://127.0.0.1:50051/grpc/greeter/sayhello -H 'content-type: application/json' -d '{"name":"World"}'
//! {"message":"Hello, World!"}
//! ```

use std::sync::Arc;

use portolan_gateway::GatewayLayer;
use portolan_schema::Schema;
use portolan_server::{Listener, Recover, Server};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tower::Layer;

#[allow(missing_docs, unreachable_pub, reason = "generated from the contract")]
mod proto {
    tonic::include_proto!("_");
    pub(crate) const DESCRIPTORS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/greeter.binpb"));
}
use proto::greeter_server::{Greeter, GreeterServer};
use proto::{HelloReply, HelloRequest};

struct Friendly;

#[tonic::async_trait]
impl Greeter for Friendly {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let HelloRequest { name } = request.into_inner();
        if name == "error" {
            return Err(Status::invalid_argument("Invalid request"));
        }
        Ok(Response::new(HelloReply {
            message: format!("Hello, {name}!"),
        }))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let schema = Arc::new(Schema::from_descriptor_sets([proto::DESCRIPTORS])?);
    let greeter = Routes::new(GreeterServer::new(Friendly)).prepare();
    let everywhere = GatewayLayer::new(schema).layer(Recover::new(greeter));

    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:50051".to_owned());
    let listener = Listener::bind(address.parse()?)?;
    println!("listening on {}", listener.url());
    let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    let _ = Server::new(everywhere).listen(listener).serve(stop).await;
    Ok(())
}
