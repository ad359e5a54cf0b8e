//! What is refused before anything is served, and the sentence that says why.

use portolan::grpc_gateway::{Error, GrpcGateway};

use super::greeter::*;

fn refused(result: Result<GrpcGateway, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_path_begins_with_a_slash() {
    let gateway = GrpcGateway::new("grpc")
        .service(Friendly::<Greeter>::new("Hello"))
        .descriptors(descriptors())
        .build();
    assert_eq!(
        refused(gateway),
        "the path `grpc` does not begin with `/`; write `/grpc`"
    );
}

#[test]
fn there_is_a_service() {
    assert_eq!(
        refused(GrpcGateway::new("/grpc").descriptors(descriptors()).build()),
        "the gateway at /grpc has no service; add one with .service(…)"
    );
}

#[test]
fn a_service_comes_once() {
    let twice = greeter().service(Friendly::<Greeter>::new("Servus"));
    assert_eq!(
        refused(twice.build()),
        "the service greeter.v1.Greeter is added twice; a gateway serves one instance of each"
    );
}

#[test]
fn a_service_is_described() {
    let unknown = greeter().service(Friendly::<Unknown>::new("?"));
    assert_eq!(
        refused(unknown.build()),
        "no descriptor has the service nobody.v1.Knows; give the set of its file and imports \
         with .descriptors(…)"
    );
    let garbage = greeter().descriptors(b"\xff\xff".to_vec());
    assert_eq!(
        refused(garbage.build()),
        "cannot read the descriptors: the bytes are not a protobuf FileDescriptorSet"
    );
    // One that comes twice counts once.
    assert!(greeter().descriptors(descriptors()).build().is_ok());
}

#[test]
fn two_services_of_one_name_cannot_share_a_path() {
    let two = || greeter().service(Friendly::<OtherGreeter>::new("Servus"));
    assert_eq!(
        refused(two().expose_http(true).build()),
        "/grpc/greeter/sayhello would be the route of both greeter.v1.Greeter.SayHello and \
         other.v1.Greeter.SayHello; give one of them a gateway with a path of its own"
    );
    assert!(two().build().is_ok(), "gRPC tells them apart");
    let suffix = greeter()
        .service(Friendly::<User>::new("Hi"))
        .service(Friendly::<UserService>::new("Welcome"))
        .expose_http(true);
    let error = refused(suffix.build());
    assert!(
        error.starts_with("/grpc/user/sayhello would be "),
        "{error}"
    );
}

#[test]
fn http_methods_are_those_of_http() {
    assert_eq!(
        refused(greeter().http_methods(["POST", "BREW"]).build()),
        "routes take no HTTP method `BREW`; choose among DELETE, GET, PATCH, POST and PUT"
    );
    assert!(greeter().http_methods([http::Method::POST]).build().is_ok());
    let unreachable = GrpcGateway::new("/grpc")
        .service(Friendly::<UserService>::new("Welcome"))
        .descriptors(descriptors())
        .expose_http(true)
        .http_methods(["GET"]);
    assert_eq!(
        refused(unreachable.build()),
        "no RPC can be reached by the HTTP methods chosen, since GET is for those without side \
         effects; add POST, or leave out .expose_http(true)"
    );
}

#[test]
fn tls_needs_credentials() {
    for builder in [greeter().is_secure(true), greeter().tls("", "")] {
        assert_eq!(
            refused(builder.build()),
            "TLS is asked for, but there are no credentials; give a certificate and its key with \
             .tls(certificate, key)"
        );
    }
    let error = refused(greeter().tls("no certificate", "no key").build());
    assert!(error.starts_with("cannot use the certificate: "), "{error}");
    let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (pair(), pair());
    let (certificate, key) = (one.cert.pem(), other.signing_key.serialize_pem());
    let error = refused(greeter().tls(certificate, key).build());
    assert_eq!(
        error,
        "the private key does not belong to the certificate; give the two of one pair"
    );
}
