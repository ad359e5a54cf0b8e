//! Bodies that are not the JSON of the contract, or not JSON at all.

use serde_json::Value;

use crate::ask::{JSON, SERVICE};
use crate::support::wire::{Http2, frame, http1};
use crate::support::{Folder, Server};

/// The size of what is sent to those who count on a body being small.
const LARGE: usize = 10 * 1000 * 1000;

/// Sends a body by REST and by Connect, and gives the sentence that both say.
fn sentence(server: &Server, body: &[u8]) -> String {
    let rest = http1(server.address(), "POST /v1/memories", &[JSON], body);
    let path = format!("POST {SERVICE}/StoreMemory");
    let connect = http1(
        server.address(),
        &path,
        &[JSON, "connect-protocol-version: 1"],
        body,
    );
    assert_eq!(
        (rest.status, connect.status),
        (400, 400),
        "{rest:?} {connect:?}"
    );
    let (rest, connect) = (rest.json(), connect.json());
    assert_eq!(
        (&rest["code"], &connect["code"]),
        (&Value::from(3), &"invalid_argument".into())
    );
    assert_eq!(rest["message"], connect["message"]);
    rest["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_mistake_is_named_with_its_place() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for (body, parts) in [
        (
            &br#"{"contents":"x"}"#[..],
            &["unknown field `contents`", "$", "byte"][..],
        ),
        (
            br#"{"content":"x","metadata":{"a":{"b":1}}}"#,
            &["$.metadata[\"a\"]", "expected a string"],
        ),
        (
            br#"{"content":7}"#,
            &["$.content: expected a string, found a number at byte"],
        ),
        (br#"{"content":"x","vector":[1,"two"]}"#, &["$.vector[1]"]),
        (br#"{"content":"x","vector":[1,1e400]}"#, &["$.vector[1]"]),
        (
            br#"{"content":"x","vector":{}}"#,
            &["$.vector: expected an array"],
        ),
        (br#"{"content":"x""#, &["$"]),
        (br#"{"content":"x"#, &["$.content"]),
        (br#"{"content":"x"} {}"#, &["$"]),
        (br#"{"content":"x","content":"y"}"#, &["there twice"]),
        (
            br#"["content"]"#,
            &["$: expected an object, found an array"],
        ),
        (b"not json", &["$"]),
        (b"\xff\xfe", &["$"]),
        (b"{\"content\":\"caf\xe9\"}", &["$.content"]),
        (br#"{"content":"\ud800"}"#, &["$.content"]),
        (b"{\"content\":\"a\nb\"}", &["$.content"]),
        (br#"{"content":"x","vector":[NaN]}"#, &["$.vector[0]"]),
    ] {
        let text = String::from_utf8_lossy(body);
        let sentence = sentence(&server, body);
        for part in parts {
            assert!(
                sentence.contains(part),
                "{text}: {part} is not in {sentence}"
            );
        }
        assert!(!sentence.contains('\n'), "{sentence}");
    }
    assert_eq!(server.total().await, 0);
    server.unharmed();
}

#[tokio::test]
async fn nesting_has_an_end() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for piece in ["[", "{\"content\":", "{\"metadata\":{\"a\":"] {
        sentence(&server, piece.repeat(200_000 / piece.len()).as_bytes());
    }
    // Below the limit of a message, and inside of a value that is skipped.
    sentence(&server, &b"[".repeat(4 << 20));
    sentence(
        &server,
        format!("{{\"vector\":{}", "[".repeat(1 << 20)).as_bytes(),
    );
    server.unharmed();
}

#[tokio::test]
async fn ten_megabytes_of_brackets() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let before = server.status("VmRSS");
    let body = b"[".repeat(LARGE);
    let rest = http1(server.address(), "POST /v1/memories", &[JSON], &body);
    assert_eq!(
        (rest.status, &rest.json()["code"]),
        (413, &8.into()),
        "{rest:?}"
    );
    let chunked: Vec<u8> = body
        .chunks(65_536)
        .flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())
        .chain(*b"0\r\n\r\n")
        .collect();
    let rest = http1(
        server.address(),
        "POST /v1/memories",
        &[JSON, "transfer-encoding: chunked"],
        &chunked,
    );
    assert_eq!(
        (rest.status, &rest.json()["code"]),
        (413, &8.into()),
        "{rest:?}"
    );
    let path = format!("POST {SERVICE}/StoreMemory");
    let connect = http1(
        server.address(),
        &path,
        &[JSON, "connect-protocol-version: 1"],
        &body,
    );
    assert_eq!(connect.json()["code"], "resource_exhausted", "{connect:?}");
    // A stream of values, the first of which never ends.
    let batch = http1(server.address(), "POST /v1/memories:batch", &[JSON], &body);
    assert!(matches!(batch.status, 400 | 413), "{batch:?}");
    let lines = ["content-type: application/x-ndjson"];
    let batch = http1(server.address(), "POST /v1/memories:batch", &lines, &body);
    assert!(matches!(batch.status, 400 | 413), "{batch:?}");
    let mut http2 = Http2::connect(server.address()).await;
    let json = [("content-type", "application/grpc+json")];
    let ending = http2
        .call(&format!("{SERVICE}/StoreMemory"), &json, &frame(0, &body))
        .await;
    assert_eq!(ending.code, 8, "{ending:?}");
    server.unharmed();
    let grown = server.status("VmRSS").saturating_sub(before);
    assert!(
        grown < 100 * 1024,
        "{grown} KiB for bodies that were refused"
    );
}

#[tokio::test]
async fn a_stream_of_values_that_breaks_off() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for (body, what) in [
        (&br#"[{"content":"a"},{"content":"b""#[..], "truncated"),
        (br#"[{"content":"a"},{"content":7}]"#, "wrong type"),
        (br#"[{"content":"a"} {"content":"b"}]"#, "no comma"),
        (br#"[{"content":"a"},]"#, "a comma too many"),
        (br#"[{"content":"a"}"#, "not closed"),
        (b"[{\"content\":\"\xff\"}]", "not UTF-8"),
    ] {
        let answer = http1(server.address(), "POST /v1/memories:batch", &[JSON], body);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &3.into()),
            "{what}: {answer:?}"
        );
    }
    server.unharmed();
}
