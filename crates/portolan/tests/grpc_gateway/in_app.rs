//! Named routes in an axum app.

use axum::Router;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use portolan::grpc_gateway::{GrpcGateway, TestClient, register_grpc_http_routes};
use serde_json::{Value, json};

use super::greeter::*;

fn app(gateways: &[GrpcGateway], base_path: &str) -> TestClient<Router> {
    let app = Router::new().route("/", get(async || "the app's own"));
    TestClient::new(register_grpc_http_routes(app, gateways, base_path).unwrap())
}

#[tokio::test]
async fn a_service_answers_by_both_names() {
    let client = app(&[greeter().expose_http(true).build().unwrap()], "");
    for (path, call) in [
        ("/grpc/greeter/sayhello", 1),
        ("/grpc/greeterservice/sayhello", 2),
    ] {
        let response = client.post(path).json(json!({ "name": "World" })).await;
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(
            response.json::<Value>().unwrap(),
            json!({ "message": format!("Hello, World! ({call})") })
        );
    }
}

#[tokio::test]
async fn nothing_is_added_unless_http_is_exposed() {
    let client = app(&[greeter().build().unwrap()], "");
    let response = client.post("/grpc/greeter/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().status(), 404);
    let response = client.get("/").await.unwrap();
    assert_eq!(response.text(), "the app's own");
}

#[tokio::test]
async fn errors_have_their_status_and_detail() {
    let client = app(&[greeter().expose_http(true).build().unwrap()], "");
    for (body, status, detail) in [
        (json!({ "name": "error" }), 400, "Invalid request"),
        (json!({ "name": "nobody" }), 404, "User not found"),
    ] {
        let response = client.post("/grpc/greeter/sayhello").json(body).await;
        let response = response.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(
            response.json::<Value>().unwrap(),
            json!({ "detail": detail })
        );
    }
    // A panic is one call's, and says nothing of the inside.
    let panic = json!({ "name": "panic" });
    let response = client.post("/grpc/greeter/sayhello").json(panic).await;
    let response = response.unwrap();
    assert_eq!(response.status(), 500);
    assert!(
        !response.text().contains("on purpose"),
        "{}",
        response.text()
    );
    // What the gateway itself refuses has the same form.
    let response = client
        .post("/grpc/greeter/sayhello")
        .json(json!({ "nam": 1 }))
        .await;
    let response = response.unwrap();
    assert_eq!(response.status(), 400);
    let detail = &response.json::<Value>().unwrap()["detail"];
    assert!(detail.as_str().unwrap().contains("nam"), "{detail}");
    // Not JSON at all.
    let request = client.post("/grpc/greeter/sayhello").body("name=World");
    let response = request.header("content-type", "text/plain").await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(response.json::<Value>().unwrap()["detail"].is_string());
}

#[tokio::test]
async fn routes_begin_at_the_base_path() {
    let gateway = [greeter().expose_http(true).build().unwrap()];
    for base in ["/api/v1", "/api/v1/", "/API/v1"] {
        let client = app(&gateway, base);
        let base = base.trim_end_matches('/');
        let path = format!("{base}/grpc/greeter/sayhello");
        let response = client.post(&path).json(json!({})).await.unwrap();
        assert_eq!(response.status(), 200, "{base}");
        let response = client.post("/grpc/greeter/sayhello").json(json!({})).await;
        assert_eq!(response.unwrap().status(), 404, "{base}");
    }
    let error = register_grpc_http_routes(Router::<()>::new(), &gateway, "api").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the path `api` does not begin with `/`; write `/api`"
    );
}

#[tokio::test]
async fn services_under_one_path_keep_their_own_routes() {
    // In one gateway, and in two.
    let one = greeter()
        .service(Friendly::<UserService>::new("Welcome"))
        .expose_http(true);
    let users = GrpcGateway::new("/grpc")
        .service(Friendly::<UserService>::new("Welcome"))
        .descriptors(descriptors())
        .expose_http(true);
    let two = [
        greeter().expose_http(true).build().unwrap(),
        users.build().unwrap(),
    ];
    for client in [app(&[one.build().unwrap()], ""), app(&two, "")] {
        for (path, message) in [
            ("/grpc/greeter/sayhello", "Hello, Ada! (1)"),
            ("/grpc/user/sayhello", "Welcome, Ada! (1)"),
            ("/grpc/userservice/sayhello", "Welcome, Ada! (2)"),
            ("/grpc/greeterservice/sayhello", "Hello, Ada! (2)"),
        ] {
            let response = client.post(path).json(json!({ "name": "Ada" })).await;
            let answer = response.unwrap().json::<Value>().unwrap();
            assert_eq!(answer, json!({ "message": message }), "{path}");
        }
    }
}

#[tokio::test]
async fn a_service_that_is_not_served_takes_no_routes() {
    // The contract has `User` too, which would be `/grpc/user/sayhello`; and
    // `greeter.v1.Greeter`, which comes first.
    let gateway = GrpcGateway::new("/grpc")
        .service(Friendly::<OtherGreeter>::new("Servus"))
        .descriptors(descriptors())
        .expose_http(true)
        .build()
        .unwrap();
    let client = app(&[gateway], "");
    let response = client.post("/grpc/greeter/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().text(), r#"{"message":"Servus, ! (1)"}"#);
    let response = client.post("/grpc/user/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().status(), 404);
}

#[tokio::test]
async fn two_gateways_cannot_claim_one_route() {
    let gateways = [(); 2].map(|()| greeter().expose_http(true).build().unwrap());
    let error = register_grpc_http_routes(Router::<()>::new(), &gateways, "").unwrap_err();
    assert_eq!(
        error.to_string(),
        "/grpc/greeter/sayhello would be the route of both greeter.v1.Greeter.SayHello and \
         greeter.v1.Greeter.SayHello; give one of them a gateway with a path of its own"
    );
}

#[tokio::test]
async fn http_methods_are_limited() {
    let any = app(&[greeter().expose_http(true).build().unwrap()], "");
    let posts = greeter().expose_http(true).http_methods(["POST"]);
    let posts = app(&[posts.build().unwrap()], "");
    let path = "/grpc/greeter/sayhello";
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let method: http::Method = method.parse().unwrap();
        let response = any.request(method.clone(), path).json(json!({})).await;
        assert_eq!(response.unwrap().status(), 200, "{method}");
        let response = posts.request(method.clone(), path).json(json!({})).await;
        let response = response.unwrap();
        if method == http::Method::POST {
            assert_eq!(response.status(), 200);
            continue;
        }
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.header("allow"), Some("POST"));
        assert_eq!(
            response.json::<Value>().unwrap(),
            json!({ "detail": format!("{path} does not take {method}; it takes POST") })
        );
    }
    // What has no side effects may be read by GET, and only that.
    let response = any.get("/grpc/greeter/lookat?name=Ada").await.unwrap();
    assert_eq!(response.status(), 200);
    let response = any.get("/grpc/greeter/sayhello?name=Ada").await.unwrap();
    assert_eq!(response.status(), 405);
    let response = posts.get("/grpc/greeter/lookat?name=Ada").await.unwrap();
    assert_eq!(response.status(), 405);
    // A gateway for reading only has no other routes.
    let reads = greeter().expose_http(true).http_methods(["GET"]);
    let reads = app(&[reads.build().unwrap()], "");
    let response = reads.get("/grpc/greeter/lookat?name=Ada").await.unwrap();
    assert_eq!(response.status(), 200);
    let response = reads.post("/grpc/greeter/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().status(), 404);
}

#[tokio::test]
async fn layers_of_the_app_apply() {
    let gateway = greeter().expose_http(true).build().unwrap();
    let stamp = map_response(async |mut response: Response| {
        let value = HeaderValue::from_static("was here");
        response.headers_mut().insert("x-layer", value);
        response
    });
    let app = register_grpc_http_routes(Router::new(), [gateway], "").unwrap();
    let client = TestClient::new(app.layer::<_>(stamp));
    let response = client.post("/grpc/greeter/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().header("x-layer"), Some("was here"));
}

#[tokio::test]
async fn an_app_with_state_takes_routes_too() {
    let gateway = greeter().expose_http(true).build().unwrap();
    let app: Router<String> = Router::new();
    let app = register_grpc_http_routes(app, [&gateway], "").unwrap();
    let client = TestClient::new(app.with_state("state".to_owned()));
    let response = client.post("/grpc/greeter/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_is_an_array_lines_or_events() {
    let client = app(&[greeter().expose_http(true).build().unwrap()], "");
    for (accept, body) in [
        (
            "application/json",
            r#"[{"message":"Hello, Ada! (1)"},{"message":"Hello, Ada! (2)"}]"#,
        ),
        (
            "application/x-ndjson",
            "{\"message\":\"Hello, Ada! (3)\"}\n{\"message\":\"Hello, Ada! (4)\"}\n",
        ),
        (
            "text/event-stream",
            "id: 1\ndata: {\"message\":\"Hello, Ada! (5)\"}\n\n\
             id: 2\ndata: {\"message\":\"Hello, Ada! (6)\"}\n\n\
             event: end\ndata: {}\n\n",
        ),
    ] {
        let request = client.post("/grpc/greeter/repeat").header("accept", accept);
        let response = request.json(json!({ "name": "Ada" })).await.unwrap();
        assert_eq!(response.header("content-type"), Some(accept));
        assert_eq!(response.text(), body);
    }
}

#[tokio::test]
async fn http_and_grpc_reach_the_same_service() {
    let gateway = greeter().expose_http(true).build().unwrap();
    let client = app(std::slice::from_ref(&gateway), "");
    let address = gateway.startup().await.unwrap();
    let channel = tonic::transport::Endpoint::new(format!("http://{address}"));
    let channel = channel.unwrap().connect().await.unwrap();

    let name = "greeter.v1.Greeter";
    let over_grpc = say_hello(channel, name, "Ada").await.unwrap();
    assert_eq!(over_grpc, "Hello, Ada! (1)");
    let over_http = client.post("/grpc/greeter/sayhello");
    let over_http = over_http.json(json!({ "name": "Ada" })).await.unwrap();
    assert_eq!(over_http.text(), r#"{"message":"Hello, Ada! (2)"}"#);
    let in_process = say_hello(gateway.in_process(), name, "Ada").await.unwrap();
    assert_eq!(in_process, "Hello, Ada! (3)");
    assert_eq!(gateway.shutdown().await.unwrap().cut, 0);
}
