//! The greeter: a service as tonic has it, with nothing of a gateway in it.

use tonic::{Request, Response, Status};

use crate::proto::greeter_server::Greeter;
use crate::proto::{HelloReply, HelloRequest};

/// Says hello to everybody but `error`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GreeterService;

#[tonic::async_trait]
impl Greeter for GreeterService {
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
