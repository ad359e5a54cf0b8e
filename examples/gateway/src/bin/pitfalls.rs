//! Common pitfalls, and what is said about each.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin pitfalls
//! no descriptors: no descriptor has the service Greeter; give the set of its file and imports with .descriptors(…)
//! …
//! ```

use gateway_examples::GreeterService;
use gateway_examples::proto::greeter_client::GreeterClient;
use gateway_examples::proto::{DESCRIPTORS, HelloRequest, greeter_server::GreeterServer};
use portolan::grpc_gateway::{GrpcGateway, GrpcGatewayBuilder};

fn gateway() -> GrpcGatewayBuilder {
    GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .descriptors(DESCRIPTORS)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // What cannot work is said when the gateway is built.
    let nothing = GrpcGateway::new("/grpc").descriptors(DESCRIPTORS).build();
    if let Err(error) = nothing {
        println!("no service: {error}");
    }
    let undescribed = GrpcGateway::new("/grpc").service(GreeterServer::new(GreeterService));
    if let Err(error) = undescribed.build() {
        println!("no descriptors: {error}");
    }

    // Port conflict: the second one cannot have the port of the first.
    let first = gateway().port(0).build()?;
    let address = first.startup().await?;
    let second = gateway().port(address.port()).build()?;
    if let Err(error) = second.startup().await {
        println!("port conflict: {error}");
    }
    // A different port will do.
    let second = gateway().port(0).build()?;
    second.startup().await?;
    second.shutdown().await;

    // Not starting the server: calls fail, since nobody listens.
    first.shutdown().await;
    match GreeterClient::connect(format!("http://{address}")).await {
        Ok(_) => println!("not started: somebody else listens on {address}"),
        Err(_) => println!("not started: nobody listens on {address}"),
    }
    first.startup().await?;
    if let Some(address) = first.local_address() {
        let mut client = GreeterClient::connect(format!("http://{address}")).await?;
        let name = "World".to_owned();
        let reply = client.say_hello(HelloRequest { name }).await?;
        println!("started: {}", reply.into_inner().message);
    }
    first.shutdown().await;
    Ok(())
}
