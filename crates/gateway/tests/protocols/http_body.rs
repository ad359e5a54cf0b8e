//! `google.api.HttpBody`: bodies that are no JSON.

use bytes::Bytes;
use portolan_gateway::Options;
use serde_json::json;

use crate::client::{get, post_json, request, send};
use crate::contract::Item;
use crate::upstream::{shelf, shelf_with};

#[tokio::test]
async fn replies_go_out_as_they_are() {
    let gateway = shelf();
    let answer = send(&gateway, get("/v1/download/pixel")).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("content-type"),
            answer.text()
        ),
        (200, "image/png", "pixel0")
    );
    let answer = send(&gateway, get("/v1/downloads/pixel?count=3")).await;
    assert_eq!(
        (answer.header("content-type"), answer.text()),
        ("image/png", "pixel0pixel1pixel2")
    );
    assert_eq!(answer.trailers["x-tail"], "end");
    let answer = send(&gateway, get("/v1/downloads/pixel")).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("content-type"),
            answer.text()
        ),
        (200, "application/octet-stream", "")
    );
    // On the path that Connect has too it is a message as any other.
    let answer = send(
        &gateway,
        post_json("/shelf.v1.ShelfService/Download", r#"{"name":"n"}"#),
    )
    .await;
    assert_eq!(
        answer.json(),
        json!({ "contentType": "image/png", "data": "bjA=" })
    );
}

#[tokio::test]
async fn requests_come_in_as_they_are() {
    let gateway = shelf();
    let content = [("content-type", "text/csv; header=present")];
    let answer = send(
        &gateway,
        request("POST", "/v1/put", &content, b"a,b\n\xff".to_vec()),
    )
    .await;
    let item = Item {
        name: "text/csv; header=present".into(),
        raw: b"a,b\n\xff".to_vec(),
        ..Item::default()
    };
    assert_eq!(Item::of_json(&answer.body), item);

    let answer = send(
        &gateway,
        request("POST", "/v1/put/n", &content, b"{".to_vec()),
    )
    .await;
    let item = Item {
        tags: vec!["n".into(), content[0].1.into()],
        labels: [("size".into(), "1".into())].into(),
        weight: 123.0,
        count: 1,
        ..Item::default()
    };
    assert_eq!(Item::of_json(&answer.body), item);

    let zipped = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    let answer = send(
        &gateway,
        request("POST", "/v1/put", &zipped, crate::client::gzip(b"a,b")),
    )
    .await;
    assert_eq!(Item::of_json(&answer.body).raw, b"a,b");
}

#[tokio::test]
async fn a_large_file_goes_in_pieces() {
    let gateway = shelf();
    let file: Vec<u8> = (0..10_000_000_u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    let answer = send(&gateway, request("POST", "/v1/puts/big", &[], file.clone())).await;
    let item = Item::of_json(&answer.body);
    let sum: f64 = file.iter().map(|byte| f64::from(*byte)).sum();
    assert_eq!(
        (item.count, item.weight, item.tags),
        (153, sum, vec!["big".to_owned(), String::new()])
    );
    assert_eq!(item.labels["size"], "10000000");
    // A file without a byte is one too.
    let answer = send(&gateway, request("POST", "/v1/puts/none", &[], Vec::new())).await;
    assert_eq!(
        Item::of_json(&answer.body),
        Item {
            tags: vec!["none".into(), String::new()],
            labels: [("size".into(), "0".into())].into(),
            count: 1,
            ..Item::default()
        }
    );
}

#[tokio::test]
async fn the_limit_holds() {
    let (gateway, _) = shelf_with(Options {
        max_message_size: 100,
        ..Options::default()
    });
    let answer = send(
        &gateway,
        request("POST", "/v1/put", &[], Bytes::from(vec![0; 101])),
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (413, &json!(8))
    );
    // A message has more in it than the file.
    let whole = Bytes::from(vec![0; 100]);
    let answer = send(&gateway, request("POST", "/v1/put", &[], whole)).await;
    assert_eq!(answer.status, 413);
    // A stream of pieces is cut so that each is within it.
    let file = Bytes::from(vec![1; 1000]);
    let of_a_kind = [("content-type", "image/png")];
    let answer = send(
        &gateway,
        request("POST", "/v1/puts/n", &of_a_kind, file.clone()),
    )
    .await;
    let item = Item::of_json(&answer.body);
    assert_eq!(item.labels["size"], "1000");
    assert!(item.count > 10, "{item:?}");
    let uri = format!("/v1/puts/{}", "n".repeat(100));
    let answer = send(&gateway, request("POST", &uri, &[], file)).await;
    assert_eq!(answer.status, 413);
}
