//! The gateway's own port, from start to end.

use portolan::grpc_gateway::{GrpcGateway, TestClient, register_grpc_http_routes};
use portolan::server::Tls;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::greeter::*;

const NAME: &str = "greeter.v1.Greeter";

async fn connect(gateway: &GrpcGateway) -> Channel {
    let address = gateway.local_address().unwrap();
    let endpoint = Endpoint::new(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

#[tokio::test]
async fn it_starts_and_ends_and_starts_anew() {
    let gateway = greeter().build().unwrap();
    assert_eq!(gateway.local_address(), None);
    assert!(gateway.shutdown().await.is_none(), "it was not started");
    for call in 1..=2 {
        let address = gateway.startup().await.unwrap();
        assert_eq!(gateway.local_address(), Some(address));
        let message = say_hello(connect(&gateway).await, NAME, "Ada").await;
        assert_eq!(message.unwrap(), format!("Hello, Ada! ({call})"));
        assert_eq!(gateway.shutdown().await.unwrap().cut, 0);
        assert_eq!(gateway.local_address(), None);
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}

#[tokio::test]
async fn starting_twice_is_refused() {
    let gateway = greeter().build().unwrap();
    let address = gateway.startup().await.unwrap();
    assert_eq!(
        gateway.clone().startup().await.unwrap_err().to_string(),
        format!("the gateway serves on {address} already; await .shutdown() before it starts anew")
    );
    assert_eq!(gateway.shutdown().await.unwrap().cut, 0);
}

#[tokio::test]
async fn a_taken_port_is_one_sentence() {
    let first = greeter().build().unwrap();
    let port = first.startup().await.unwrap().port();
    let second = greeter().port(port).build().unwrap();
    assert_eq!(
        second.startup().await.unwrap_err().to_string(),
        format!("port {port} on 127.0.0.1 is in use; choose another with .port(…)")
    );
    // The one who has it is not disturbed.
    let message = say_hello(connect(&first).await, NAME, "Ada").await;
    assert_eq!(message.unwrap(), "Hello, Ada! (1)");
    let _ = first.shutdown().await;
    second.startup().await.unwrap();
    let _ = second.shutdown().await;
}

#[tokio::test]
async fn hosts_are_names_or_addresses() {
    for host in ["localhost", "127.0.0.1"] {
        let gateway = greeter().host(host).build().unwrap();
        let address = gateway.startup().await.unwrap();
        assert!(address.ip().is_loopback(), "{address}");
        let _ = gateway.shutdown().await;
    }
    // TEST-NET-1 (RFC 5737): on no interface.
    let gateway = greeter().host("192.0.2.1").build().unwrap();
    assert_eq!(
        gateway.startup().await.unwrap_err().to_string(),
        "192.0.2.1 is not an address of this machine; choose another with .host(…)"
    );
    let gateway = greeter().host("no such host").build().unwrap();
    let error = gateway.startup().await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot find the host `no such host`: "),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_started_is_not_there() {
    let gateway = greeter().build().unwrap();
    let address = gateway.startup().await.unwrap();
    let _ = gateway.shutdown().await;
    let endpoint = Endpoint::new(format!("http://{address}")).unwrap();
    let error = say_hello(endpoint.connect_lazy(), NAME, "Ada").await;
    assert_eq!(error.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_gateway_that_is_dropped_ends() {
    let gateway = greeter().build().unwrap();
    let address = gateway.startup().await.unwrap();
    drop(gateway);
    // The end takes as long as a turn of the runtime.
    let closed = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, closed).await.unwrap();
}

/// A certificate for `localhost`, and its key.
fn pair() -> (String, String) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (pair.cert.pem(), pair.signing_key.serialize_pem())
}

/// Says hello to a gateway that speaks TLS with this certificate.
async fn hello_over_tls(gateway: &GrpcGateway, certificate: &str) -> String {
    let url = gateway.local_url().unwrap();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(certificate))
        .domain_name("localhost");
    let endpoint = Endpoint::new(url).unwrap().tls_config(tls).unwrap();
    let channel = endpoint.connect().await.unwrap();
    say_hello(channel, NAME, "Ada").await.unwrap()
}

#[tokio::test]
async fn it_speaks_tls() {
    let (certificate, key) = pair();
    let given = greeter().expose_http(true).tls(certificate.clone(), key);
    let given = given.build().unwrap();
    given.startup().await.unwrap();
    assert_eq!(
        hello_over_tls(&given, &certificate).await,
        "Hello, Ada! (1)"
    );
    // Who does not speak it gets nothing.
    let address = given.local_address().unwrap();
    let plain = Endpoint::new(format!("http://{address}")).unwrap();
    let refused = say_hello(plain.connect_lazy(), NAME, "Ada").await;
    assert!(refused.is_err(), "{refused:?}");
    // The app speaks what its own port speaks.
    let app = register_grpc_http_routes(axum::Router::new(), [&given], "").unwrap();
    let client = TestClient::new(app);
    let response = client.post("/grpc/greeter/sayhello").body("{}");
    let response = response.header("content-type", "application/json").await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(given.shutdown().await.unwrap().cut, 0);

    let (certificate, key) = pair();
    let ready = Tls::from_pem(certificate.clone(), key).unwrap();
    let ready = greeter().is_secure(true).server_credentials(ready);
    let ready = ready.build().unwrap();
    ready.startup().await.unwrap();
    assert_eq!(
        hello_over_tls(&ready, &certificate).await,
        "Hello, Ada! (1)"
    );
    assert_eq!(ready.shutdown().await.unwrap().cut, 0);
}

#[tokio::test]
async fn tls_can_be_left_out() {
    let (certificate, key) = pair();
    let gateway = greeter().tls(certificate, key).is_secure(false);
    let gateway = gateway.build().unwrap();
    gateway.startup().await.unwrap();
    assert!(gateway.local_url().unwrap().starts_with("http://"));
    let message = say_hello(connect(&gateway).await, NAME, "Ada").await;
    assert_eq!(message.unwrap(), "Hello, Ada! (1)");
    assert_eq!(gateway.shutdown().await.unwrap().cut, 0);
}
