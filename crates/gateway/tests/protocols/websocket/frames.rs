//! Frames that no client should send (RFC 6455 §5), byte by byte: each ends the
//! call, and the connection with the code that the specification has for it.

use bytes::Bytes;
use portolan_gateway::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::meet::{LONGEST, connect, serve};
use crate::contract::Item;
use crate::upstream::shelf_with;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

/// A masked frame with this first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend(mask);
    let bytes = payload.iter().zip(mask.iter().cycle());
    frame.extend(bytes.map(|(byte, mask)| byte ^ mask));
    frame
}

/// Sends bytes behind a good handshake, and gives the frames that come until
/// the server closes.
async fn answers(limit: usize, bytes: &[u8]) -> Vec<(u8, Bytes)> {
    let options = Options {
        max_message_size: limit,
        ..Options::default()
    };
    let address = serve(shelf_with(options).0).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /v1/items:chat HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // Also frames that come with the handshake are heard.
    stream
        .write_all(&[head.as_bytes(), bytes].concat())
        .await
        .unwrap();
    let mut all = Vec::new();
    let reading = stream.read_to_end(&mut all);
    tokio::time::timeout(LONGEST, reading)
        .await
        .expect("the server closes")
        .unwrap();
    let end = all.windows(4).position(|window| window == b"\r\n\r\n");
    let mut rest = &all[end.unwrap() + 4..];
    let mut frames = Vec::new();
    while let [first, length, after @ ..] = rest {
        // What the server sends is never masked (RFC 6455 §5.1).
        let (length, after) = match length {
            126 => (
                usize::from(u16::from_be_bytes([after[0], after[1]])),
                &after[2..],
            ),
            127 => panic!("nothing is so long"),
            length => (usize::from(*length), after),
        };
        frames.push((*first, Bytes::copy_from_slice(&after[..length])));
        rest = &after[length..];
    }
    frames
}

/// The close code, and whether a text frame said why before.
async fn close(limit: usize, bytes: &[u8]) -> (u16, bool) {
    let frames = answers(limit, bytes).await;
    let Some((first, payload)) = frames.last() else {
        return (0, false);
    };
    assert_eq!(*first, FIN | CLOSE, "{frames:?}");
    let why = frames[..frames.len() - 1]
        .iter()
        .any(|(_, payload)| payload.starts_with(b"{\"error\""));
    (u16::from_be_bytes([payload[0], payload[1]]), why)
}

#[tokio::test]
async fn broken_frames_have_their_codes() {
    let unmasked = [FIN | TEXT, 2, b'{', b'}'];
    let long_ping = masked(FIN | PING, &[0; 126]);
    let half = masked(TEXT, b"{");
    for (name, bytes, code) in [
        ("no mask", unmasked.to_vec(), 1002),
        ("reserved bit 1", masked(FIN | 0x40 | TEXT, b"{}"), 1002),
        ("reserved bit 2", masked(FIN | 0x20 | TEXT, b"{}"), 1002),
        ("reserved bit 3", masked(FIN | 0x10 | TEXT, b"{}"), 1002),
        ("reserved data opcode", masked(FIN | 3, b"{}"), 1002),
        ("reserved control opcode", masked(FIN | 11, b""), 1002),
        ("a ping in fragments", masked(PING, b""), 1002),
        ("a close in fragments", masked(CLOSE, b""), 1002),
        ("a long ping", long_ping, 1002),
        ("nothing to continue", masked(FIN, b"{}"), 1002),
        (
            "two messages at once",
            [half.clone(), masked(FIN | TEXT, b"{}")].concat(),
            1002,
        ),
        ("bad UTF-8", masked(FIN | TEXT, b"\"\xff\""), 1007),
        (
            "bad UTF-8 over fragments",
            [masked(TEXT, b"\"\xc3"), masked(FIN, b"\x28\"")].concat(),
            1007,
        ),
    ] {
        assert_eq!(close(1000, &bytes).await, (code, true), "{name}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_comes() {
    let over = masked(FIN | TEXT, &[b' '; 101]);
    assert_eq!(close(100, &over).await, (1009, true), "one frame");
    let fragments = [
        masked(TEXT, &[b' '; 60]),
        masked(0, &[b' '; 30]),
        masked(FIN, &[b' '; 11]),
    ];
    assert_eq!(close(100, &fragments.concat()).await, (1009, true));
    // Eight exabytes, of which none comes.
    let declared = [FIN | BINARY, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255];
    let declared = [&declared[..], &[0; 4]].concat();
    assert_eq!(close(100, &declared).await, (1009, true));
    // And one that just fits passes.
    let item = format!(r#"{{"name":"{}"}}"#, "x".repeat(100 - 11));
    let fits = [masked(FIN | TEXT, item.as_bytes()), masked(FIN | TEXT, b"")];
    assert_eq!(close(100, &fits.concat()).await, (1000, false));
}

#[tokio::test]
async fn a_message_may_come_in_fragments_with_pings_between() {
    let json = Item::named("é").json();
    let (one, two) = json.as_bytes().split_at(10);
    let frames = answers(
        1000,
        &[
            masked(TEXT, one),
            masked(FIN | PING, b"are you there"),
            masked(0, b""),
            masked(FIN, two),
            masked(FIN | PONG, b"unasked"),
            masked(FIN | TEXT, b""),
        ]
        .concat(),
    )
    .await;
    assert_eq!(
        frames[0],
        (FIN | PONG, Bytes::from_static(b"are you there")),
        "{frames:?}"
    );
    assert_eq!(frames[1], (FIN | TEXT, json.into()));
    assert_eq!(frames[2], (FIN | CLOSE, Bytes::from_static(b"\x03\xe8")));
}

#[tokio::test]
async fn a_close_is_answered_by_its_code() {
    for (payload, code) in [(&b"\x03\xe8"[..], 1000_u16), (b"\x0f\xa0bye", 4000)] {
        let frames = answers(1000, &masked(FIN | CLOSE, payload)).await;
        let [(first, answer)] = &frames[..] else {
            panic!("{frames:?}");
        };
        assert_eq!(
            (*first, &answer[..2]),
            (FIN | CLOSE, &code.to_be_bytes()[..])
        );
    }
    let frames = answers(1000, &masked(FIN | CLOSE, b"")).await;
    assert_eq!(frames, [(FIN | CLOSE, Bytes::new())]);
    // A code that must not be on the wire, half a code, a reason that is none.
    for payload in [&b"\x03\xed"[..], b"\x03", b"\x03\xe8\xff"] {
        let frames = answers(1000, &masked(FIN | CLOSE, payload)).await;
        let (first, answer) = frames.last().expect("a close");
        assert_eq!(*first, FIN | CLOSE);
        let code = u16::from_be_bytes([answer[0], answer[1]]);
        assert!(matches!(code, 1002 | 1007), "{payload:?}: {code}");
    }
}

#[tokio::test]
async fn compression_is_not_taken() {
    let options = Options::default();
    let address = serve(shelf_with(options).0).await;
    let offer = [("sec-websocket-extensions", "permessage-deflate")];
    let talk = connect(address, "/v1/items:chat", &offer).await;
    let headers = talk.response.headers();
    assert!(!headers.contains_key("sec-websocket-extensions"));
}
