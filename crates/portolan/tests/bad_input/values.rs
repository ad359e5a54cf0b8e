//! Requests that are well-formed and ask for what cannot be.

use portolan::memory::proto::{
    DeleteMemoryRequest, GetMemoryRequest, SearchHybridRequest, SearchTextRequest,
    SearchVectorRequest, StoreMemoryRequest,
};

use crate::ask::{Bad, INVALID_ARGUMENT, JSON, NOT_FOUND, is_rest_error};
use crate::support::wire::http1;
use crate::support::{Folder, Server};

const STORE: &str = "POST /v1/memories";

fn store(vector: Vec<f32>) -> StoreMemoryRequest {
    StoreMemoryRequest {
        content: "x".into(),
        vector,
        ..StoreMemoryRequest::default()
    }
}

#[tokio::test]
async fn a_vector_of_another_dimension() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--dimension", "384"]);
    let sentence = "Invalid vector dimension: expected 384, got 3";
    let vector = vec![1.0, 2.0, 3.0];
    let bad = [
        Bad::new(
            "StoreMemory",
            STORE,
            r#"{"content":"x","vector":[1,2,3]}"#,
            &store(vector.clone()),
        ),
        Bad::new(
            "SearchVector",
            "POST /v1/memories:search",
            r#"{"vector":[1,2,3]}"#,
            &SearchVectorRequest {
                vector: vector.clone(),
                ..SearchVectorRequest::default()
            },
        ),
        Bad::new(
            "SearchHybrid",
            "POST /v1/memories:searchHybrid",
            r#"{"query":"x","vector":[1,2,3]}"#,
            &SearchHybridRequest {
                query: "x".into(),
                vector,
                ..SearchHybridRequest::default()
            },
        ),
    ];
    for bad in bad {
        bad.is_refused(&server, INVALID_ARGUMENT, sentence).await;
    }
    assert_eq!(server.total().await, 0);
    server.unharmed();
}

#[tokio::test]
async fn the_first_vector_decides_the_dimension() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    server
        .memories()
        .await
        .store_memory(store(vec![1.0; 5]))
        .await
        .unwrap();
    Bad::new(
        "StoreMemory",
        STORE,
        r#"{"vector":[1,2]}"#,
        &store(vec![1.0, 2.0]),
    )
    .is_refused(
        &server,
        INVALID_ARGUMENT,
        "Invalid vector dimension: expected 5, got 2",
    )
    .await;
    server.unharmed();
}

#[tokio::test]
async fn vectors_that_point_nowhere() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--dimension", "3"]);
    let finite = "components must be finite numbers";
    for (json, vector, sentence) in [
        (
            r#"[1,"NaN",2]"#,
            [1.0, f32::NAN, 2.0],
            format!("vector component 1 is NaN; {finite}"),
        ),
        (
            r#"[1,2,"Infinity"]"#,
            [1.0, 2.0, f32::INFINITY],
            format!("vector component 2 is inf; {finite}"),
        ),
        (
            r#"["-Infinity",2,3]"#,
            [f32::NEG_INFINITY, 2.0, 3.0],
            format!("vector component 0 is -inf; {finite}"),
        ),
        (
            "[0,-0.0,0]",
            [0.0, -0.0, 0.0],
            "vector components 0 to 2 are all zero; at least one must differ from zero".to_owned(),
        ),
    ] {
        let json = format!("{{\"vector\":{json}}}");
        Bad::new("StoreMemory", STORE, &json, &store(vector.to_vec()))
            .is_refused(&server, INVALID_ARGUMENT, &sentence)
            .await;
        let search = SearchVectorRequest {
            vector: vector.to_vec(),
            ..SearchVectorRequest::default()
        };
        Bad::new("SearchVector", "POST /v1/memories:search", &json, &search)
            .is_refused(&server, INVALID_ARGUMENT, &sentence)
            .await;
    }
    assert_eq!(server.total().await, 0);
    server.unharmed();
}

#[tokio::test]
async fn ids_of_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let id = "0190a5b2-0000-7000-8000-000000000000".to_owned();
    let get = GetMemoryRequest { id: id.clone() };
    let delete = DeleteMemoryRequest { id: id.clone() };
    let route = |verb: &str, id: &str| format!("{verb} /v1/memories/{id}");
    let json = format!("{{\"id\":\"{id}\"}}");
    for bad in [
        Bad::new("GetMemory", &route("GET", &id), &json, &get),
        Bad::new("DeleteMemory", &route("DELETE", &id), &json, &delete),
        Bad::new(
            "GetMemory",
            &route("GET", "nothing"),
            r#"{"id":"nothing"}"#,
            &GetMemoryRequest {
                id: "nothing".into(),
            },
        ),
        Bad::new(
            "GetMemory",
            &route("GET", "%00"),
            r#"{"id":"\u0000"}"#,
            &GetMemoryRequest { id: "\0".into() },
        ),
    ] {
        bad.is_refused(&server, NOT_FOUND, "Memory not found").await;
    }
    // Over REST an empty id is another path.
    for (method, wire) in [
        (
            "GetMemory",
            &Bad::new(
                "GetMemory",
                "POST /somafractalmemory.v1.MemoryService/GetMemory",
                "{}",
                &GetMemoryRequest::default(),
            ),
        ),
        (
            "DeleteMemory",
            &Bad::new(
                "DeleteMemory",
                "POST /somafractalmemory.v1.MemoryService/DeleteMemory",
                "{}",
                &DeleteMemoryRequest::default(),
            ),
        ),
    ] {
        assert_eq!(method, wire.method);
        wire.is_refused(&server, INVALID_ARGUMENT, "id is required")
            .await;
    }
    assert_eq!(
        http1(server.address(), "GET /v1/memories/", &[], b"").status,
        404
    );
    server.unharmed();
}

#[tokio::test]
async fn limits_and_thresholds_out_of_range() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for limit in [-1, 1001, i32::MIN, i32::MAX] {
        let sentence = format!("limit must be 1 to 1000, or 0 for 10; got {limit}");
        let vector = SearchVectorRequest {
            vector: vec![1.0],
            limit,
            ..SearchVectorRequest::default()
        };
        let text = SearchTextRequest {
            query: "x".into(),
            limit,
            ..SearchTextRequest::default()
        };
        let hybrid = SearchHybridRequest {
            query: "x".into(),
            limit,
            ..SearchHybridRequest::default()
        };
        for bad in [
            Bad::new(
                "SearchVector",
                "POST /v1/memories:search",
                &format!(r#"{{"vector":[1],"limit":{limit}}}"#),
                &vector,
            ),
            Bad::new(
                "SearchText",
                "POST /v1/memories:searchText",
                &format!(r#"{{"query":"x","limit":{limit}}}"#),
                &text,
            ),
            Bad::new(
                "SearchHybrid",
                "POST /v1/memories:searchHybrid",
                &format!(r#"{{"query":"x","limit":{limit}}}"#),
                &hybrid,
            ),
        ] {
            bad.is_refused(&server, INVALID_ARGUMENT, &sentence).await;
        }
    }
    let threshold = SearchVectorRequest {
        vector: vec![1.0],
        threshold: f32::NAN,
        ..SearchVectorRequest::default()
    };
    Bad::new(
        "SearchVector",
        "POST /v1/memories:search",
        r#"{"vector":[1],"threshold":"NaN"}"#,
        &threshold,
    )
    .is_refused(
        &server,
        INVALID_ARGUMENT,
        "threshold must be a finite number; got NaN",
    )
    .await;
    server.unharmed();
}

#[tokio::test]
async fn metadata_that_cannot_be() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let sentence = "a namespace is 1 to 64 characters of a-z, 0-9, '.', '_' and '-'";
    for header in [
        "x-namespace: No Spaces",
        "x-namespace: ../../etc",
        "x-namespace: \u{e9}",
        "x-namespace: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let mut bad = Bad::new(
            "StoreMemory",
            STORE,
            r#"{"content":"x"}"#,
            &store(Vec::new()),
        );
        bad.headers.push(header);
        bad.is_refused(&server, INVALID_ARGUMENT, sentence).await;
    }
    for (header, value) in [
        ("x-request-timeout", "soon"),
        ("grpc-timeout", "soon"),
        ("grpc-timeout", "-1S"),
    ] {
        let answer = http1(
            server.address(),
            STORE,
            &[JSON, &format!("{header}: {value}")],
            b"{}",
        );
        let sentence = format!("the header {header} has no valid timeout: `{value}`");
        is_rest_error(&answer, INVALID_ARGUMENT, &sentence);
    }
    let path = "POST /somafractalmemory.v1.MemoryService/StoreMemory";
    let connect = [
        JSON,
        "connect-protocol-version: 1",
        "connect-timeout-ms: -5",
    ];
    let answer = http1(server.address(), path, &connect, b"{}");
    assert_eq!(answer.json()["code"], "invalid_argument");
    let mut http2 = crate::support::wire::Http2::connect(server.address()).await;
    let ending = http2
        .call(&path[5..], &[("grpc-timeout", "1fortnight")], b"\0\0\0\0\0")
        .await;
    assert_eq!(
        (ending.code, ending.message.as_str()),
        (
            3,
            "the header grpc-timeout has no valid timeout: `1fortnight`"
        )
    );
    assert_eq!(server.total().await, 0);
    server.unharmed();
}

#[tokio::test]
async fn bad_items_of_a_batch_are_named_and_the_others_stored() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--dimension", "2"]);
    let items = [
        vec![1.0, 2.0],
        vec![1.0],
        vec![f32::NAN, 0.0],
        vec![],
        vec![0.0, 0.0],
    ];
    let items: Vec<_> = items.into_iter().map(store).collect();
    let answer = server
        .memories()
        .await
        .batch_store_memories(tokio_stream::iter(items))
        .await;
    let answer = answer.unwrap().into_inner();
    let failures: Vec<_> = answer
        .failures
        .iter()
        .map(|failure| (failure.index, failure.code, failure.message.as_str()))
        .collect();
    assert_eq!(
        failures,
        [
            (1, 3, "Invalid vector dimension: expected 2, got 1"),
            (
                2,
                3,
                "vector component 0 is NaN; components must be finite numbers"
            ),
            (
                4,
                3,
                "vector components 0 to 1 are all zero; at least one must differ from zero"
            ),
        ]
    );
    assert_eq!((answer.stored_count, server.total().await), (2, 2));
    let body = br#"[{"vector":[1,2]},{"vector":[1]},{"vector":["NaN",1]}]"#;
    let answer = http1(server.address(), "POST /v1/memories:batch", &[JSON], body).json();
    assert_eq!(
        (&answer["storedCount"], &answer["failures"][1]["index"]),
        (&1.into(), &2.into())
    );
    assert_eq!(server.total().await, 3);
    server.unharmed();
}
