//! Answers that come faster than they are read.

use http_body_util::BodyExt;

use crate::server::{Mortal, anywhere, begin, channel, echo, message, request, within};

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
