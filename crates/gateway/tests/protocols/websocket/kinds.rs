//! All four kinds of RPC, on all three kinds of routes, in both formats.

use portolan_gateway::Options;

use super::meet::{connect, connect_http2, serve};
use crate::contract::{Item, Place};
use crate::upstream::{shelf, shelf_with};

#[tokio::test]
async fn both_speak_in_turn() {
    let address = serve(shelf()).await;
    for path in [
        "/v1/items:chat",
        "/shelf.v1.ShelfService/Chat",
        "/grpc/shelf/chat",
    ] {
        let mut talk = connect(address, path, &[]).await;
        for n in 1..50 {
            let item = Item::counted("n", n);
            talk.say(&item.json()).await;
            // The answer is here before the next is sent.
            assert_eq!(Item::of_json(talk.next_text().await.as_bytes()), item);
        }
        talk.done().await;
        let heard = talk.rest().await;
        assert_eq!((heard.code(), heard.texts.len()), (1000, 0), "{path}");
    }
}

#[tokio::test]
async fn http2_does_the_same() {
    let address = serve(shelf()).await;
    let mut talk = connect_http2(address, "/v1/rooms/r:chat?count=3", &[]).await;
    for row in 1..20 {
        talk.say(&format!(r#"{{"row":{row}}}"#)).await;
        let place = Place {
            row,
            ..Place::default()
        };
        let expected = Item {
            place: Some(place),
            ..Item::counted("r", 3)
        };
        assert_eq!(Item::of_json(talk.next_text().await.as_bytes()), expected);
    }
    talk.done().await;
    assert_eq!(talk.rest().await.code(), 1000);
}

#[tokio::test]
async fn path_and_query_go_into_every_message() {
    let address = serve(shelf()).await;
    let mut talk = connect(address, "/v1/rooms/a%20b:chat?count=3&kind=KIND_VASE", &[]).await;
    talk.say(r#"{"shelf":"s"}"#).await;
    // A protobuf message is whole, whatever the rule takes as its body.
    let whole = Item {
        tags: vec!["t".into()],
        ..Item::default()
    };
    talk.say_bytes(whole.wire()).await;
    talk.done().await;
    let heard = talk.rest().await;
    let bound = Item {
        kind: 2,
        ..Item::counted("a b", 3)
    };
    let place = Place {
        shelf: "s".into(),
        row: 0,
    };
    let expected = [
        Item {
            place: Some(place),
            ..bound.clone()
        },
        Item {
            tags: whole.tags,
            ..bound
        },
    ];
    let said: Vec<Item> = heard
        .texts
        .iter()
        .map(|text| Item::of_json(text.as_bytes()))
        .collect();
    assert_eq!(said, expected);
    assert_eq!(heard.code(), 1000);
}

#[tokio::test]
async fn a_server_stream_whose_url_says_all_begins_at_once() {
    let address = serve(shelf()).await;
    // POST has another RPC here, which streams less.
    let talk = connect(address, "/v1/items?name=n&count=3", &[]).await;
    let heard = talk.rest().await;
    assert_eq!(
        heard.texts,
        [
            r#"{"name":"n"}"#,
            r#"{"name":"n","count":"1"}"#,
            r#"{"name":"n","count":"2"}"#
        ]
    );
    assert_eq!(heard.close, Some((1000, String::new())));
    // It may say that it has nothing to say.
    let mut talk = connect(address, "/v1/items?count=1", &[]).await;
    talk.done().await;
    assert_eq!(talk.rest().await.code(), 1000);
}

#[tokio::test]
async fn a_server_stream_with_a_message() {
    let address = serve(shelf()).await;
    let mut talk = connect(address, "/shelf.v1.ShelfService/List", &[]).await;
    talk.say(r#"{"name":"n","count":2}"#).await;
    let heard = talk.rest().await;
    assert_eq!((heard.texts.len(), heard.code()), (2, 1000));
    // No message is an empty one, as an empty body is.
    let mut talk = connect(address, "/shelf.v1.ShelfService/List?count=2", &[]).await;
    talk.done().await;
    let heard = talk.rest().await;
    assert_eq!((heard.texts.len(), heard.code()), (2, 1000));
}

#[tokio::test]
async fn a_client_stream_is_answered_when_it_is_done() {
    let address = serve(shelf()).await;
    for names in [&[][..], &["a"], &["a", "b", "c"]] {
        let mut talk = connect(address, "/v1/items:collect", &[]).await;
        for name in names {
            talk.say(&Item::counted(name, 2).json()).await;
        }
        talk.done().await;
        let heard = talk.rest().await;
        assert_eq!(heard.code(), 1000);
        let [text] = &heard.texts[..] else {
            panic!("{heard:?}");
        };
        assert_eq!(Item::of_json(text.as_bytes()).tags, names);
    }
}

#[tokio::test]
async fn one_message_is_answered_by_one() {
    let address = serve(shelf()).await;
    for path in ["/shelf.v1.ShelfService/Act", "/grpc/shelf/act"] {
        let mut talk = connect(address, path, &[]).await;
        talk.say(r#"{"name":"n","count":"7"}"#).await;
        let heard = talk.rest().await;
        assert_eq!(heard.texts, [r#"{"name":"n","count":"7"}"#], "{path}");
        assert_eq!(heard.code(), 1000);
    }
    // GET reads what its URL says, and a part of it where the rule says so.
    let talk = connect(address, "/v1/places/p?place.row=7", &[]).await;
    assert_eq!(talk.rest().await.texts, [r#"{"row":7}"#]);
}

#[tokio::test]
async fn protobuf_goes_both_ways() {
    let address = serve(shelf()).await;
    let proto = [("sec-websocket-protocol", "portolan.proto")];
    let mut talk = connect(address, "/v1/items:chat?count=9", &proto).await;
    assert_eq!(
        talk.response.headers()["sec-websocket-protocol"],
        "portolan.proto"
    );
    // Text is JSON all the same, and an empty message is a message.
    talk.say_bytes(Item::named("a").wire()).await;
    talk.say(r#"{"name":"b"}"#).await;
    talk.say_bytes(bytes::Bytes::new()).await;
    talk.done().await;
    let heard = talk.rest().await;
    let said: Vec<Item> = heard.binaries.iter().map(|b| Item::of_wire(b)).collect();
    assert_eq!(said, ["a", "b", ""].map(|name| Item::counted(name, 9)));
    assert_eq!((heard.code(), heard.texts.len()), (1000, 0));
}

#[tokio::test]
async fn bodies_of_any_type_are_what_they_are() {
    let address = serve(shelf()).await;
    let mut talk = connect(address, "/v1/puts/n", &[]).await;
    talk.say_bytes(bytes::Bytes::from_static(b"\x01\x02")).await;
    talk.say_bytes(bytes::Bytes::from_static(b"\xff")).await;
    talk.done().await;
    let heard = talk.rest().await;
    let item = Item::of_json(heard.texts[0].as_bytes());
    assert_eq!((item.count, item.labels["size"].as_str()), (2, "3"));

    let talk = connect(address, "/v1/downloads/n?count=2", &[]).await;
    let heard = talk.rest().await;
    assert_eq!(heard.binaries, ["n0", "n1"]);
    assert_eq!(heard.code(), 1000);
}

#[tokio::test]
async fn headers_are_metadata_also_among_subprotocols() {
    let (gateway, seen) = shelf_with(Options::default());
    let address = serve(gateway).await;
    let offered = "portolan.json, portolan.header.authorization.QmVhcmVyIHg";
    let headers = [
        ("sec-websocket-protocol", offered),
        ("x-in", "in"),
        ("grpc-metadata-tenant", "t"),
    ];
    let mut talk = connect(address, "/v1/items:chat", &headers).await;
    assert_eq!(
        talk.response.headers()["sec-websocket-protocol"],
        "portolan.json"
    );
    talk.say("{}").await;
    talk.next_text().await;
    let (path, metadata) = seen.lock().unwrap().pop_front().unwrap();
    assert_eq!(path, "/shelf.v1.ShelfService/Chat");
    assert_eq!(metadata["authorization"], "Bearer x");
    assert_eq!(metadata["x-in"], "in");
    assert_eq!(metadata["tenant"], "t");
    let own = |name: &str| name.starts_with("sec-websocket-") || name == "upgrade";
    assert!(
        !metadata.keys().any(|name| own(name.as_str())),
        "{metadata:?}"
    );
}
