//! Writes the server's trait for the suite's service from a description of its
//! six methods: the suite's own contract is there only once it is installed.
//!
//! Every method is one of many answers for tonic, also where the contract says
//! one: on the wire there is no difference, and only so does tonic let a service
//! end a call that went well with trailers of its own.

use tonic_prost_build::manual::{Builder, Method, Service};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let service = Service::builder()
        .name("ConformanceService")
        .package("connectrpc.conformance.v1")
        .method(method("unary", "Unary", "UnaryRequest").build())
        .method(method("idempotent_unary", "IdempotentUnary", "UnaryRequest").build())
        .method(method("unimplemented", "Unimplemented", "UnaryRequest").build())
        .method(method("server_stream", "ServerStream", "StreamRequest").build())
        .method(
            method("client_stream", "ClientStream", "UnaryRequest")
                .client_streaming()
                .build(),
        )
        .method(
            method("bidi_stream", "BidiStream", "BidiRequest")
                .client_streaming()
                .build(),
        )
        .build();
    Builder::new()
        .build_client(false)
        .build_transport(false)
        .compile(&[service]);
}

fn method(name: &str, route: &str, input: &str) -> tonic_prost_build::manual::MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("crate::messages::{input}"))
        .output_type("crate::messages::Answer")
        .codec_path("tonic_prost::ProstCodec")
        .server_streaming()
}
