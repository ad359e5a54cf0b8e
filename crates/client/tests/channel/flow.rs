//! Answers that come faster than they are read, or are larger than they may be.

use http_body_util::BodyExt;

use portolan_rpc::Code;

use crate::server::{
    Mortal, Server, anywhere, begin, call, channel, echo, message, request, within, writable,
};

#[tokio::test]
async fn readers_that_stall_hold_up_nobody_else() {
    let server = Mortal::on(anywhere(), "one");
    let channel = channel(&format!("http://{}", server.address));
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let endless = request("Count", message("100000"), &[]);
        let (_, mut answer) = begin(&channel, endless).await.unwrap();
        // Who reads much may have much under way, and then stops reading.
        let mut read = 0;
        while read < 6 << 20 {
            let frame = within(answer.frame()).await.unwrap().unwrap();
            read += frame.into_data().unwrap().len();
        }
        stalled.push(answer);
    }
    // Meanwhile they get all that they have room for.
    let text = "x".repeat(1 << 20);
    for _ in 0..40 {
        within(echo(&channel, &text)).await.unwrap();
    }
    assert_eq!(*channel.connected().borrow(), 1);
    for answer in &mut stalled {
        within(answer.frame()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn headers_that_are_too_large_end_their_call_alone() {
    let server = Server::start().await;
    let channel = server.channel();
    let (sender, body) = writable();
    sender.send(Ok(message("before"))).await.unwrap();
    let (_, mut other) = begin(&channel, request("Bidi", body, &[])).await.unwrap();
    let (head, _) = call(
        &channel,
        request("Unary", message(""), &[("x-large", "200000")]),
    )
    .await
    .unwrap();
    assert_eq!(head["x-filler"].len(), 200_000);
    for size in ["262144", "400000"] {
        let large = request("Unary", message(""), &[("x-large", size)]);
        let status = call(&channel, large).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let text = status.message();
        assert!(text.starts_with(&server.url()), "{text}");
        assert!(text.ends_with("bytes, and the limit is 262144"), "{text}");
    }
    // What came in them is still known to both sides.
    echo(&channel, "after").await.unwrap();
    sender.send(Ok(message("after"))).await.unwrap();
    for text in ["before", "after"] {
        let frame = within(other.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), message(text));
    }
    assert_eq!(*channel.connected().borrow(), 1);
}
