//! `Chat`.

use portolan_users::proto::users::v1::ChatMessage;
use tokio::sync::mpsc::Sender;
use tokio_stream::iter;
use tonic::{Code, Request, Status, Streaming};

use crate::served::{Served, assert_status, end, feed, next, serve, violations, with_metadata};

fn message(user_id: &str, content: &str) -> ChatMessage {
    ChatMessage {
        user_id: user_id.into(),
        content: content.into(),
        timestamp: None,
    }
}

async fn enter(
    served: &Served,
    room: Option<&str>,
) -> Result<(Sender<ChatMessage>, Streaming<ChatMessage>), Status> {
    let (sender, requests) = feed();
    let request = match room {
        Some(room) => with_metadata(requests, "x-room", room),
        None => Request::new(requests),
    };
    let messages = served.users.clone().chat(request).await?;
    Ok((sender, messages.into_inner()))
}

#[tokio::test]
async fn a_lone_participant_gets_an_echo_and_an_end() {
    let served = serve().await;
    let said = ["Hello", "How are you?", "Goodbye"];
    let requests = iter(said.map(|content| message("user123", content)));
    let messages = served.users.clone().chat(requests).await.unwrap();
    let mut messages = messages.into_inner();
    for content in said {
        let heard = next(&mut messages).await;
        assert_eq!(
            (heard.user_id.as_str(), heard.content.as_str()),
            ("user123", content)
        );
        assert!(heard.timestamp.unwrap().seconds > 1_700_000_000);
    }
    end(&mut messages).await.unwrap();
}

#[tokio::test]
async fn everybody_in_a_room_hears_everything_in_one_order() {
    let served = serve().await;
    let mut people = Vec::new();
    for _ in 0..20 {
        people.push(enter(&served, Some("deck")).await.unwrap());
    }
    let (elsewhere, mut quiet) = enter(&served, None).await.unwrap();
    for (i, (sender, _)) in people.iter().enumerate() {
        let said = message(&format!("p{i}"), "ahoy");
        sender.send(said).await.unwrap();
    }
    let mut orders = Vec::new();
    for (_, messages) in &mut people {
        let mut order = Vec::new();
        for _ in 0..20 {
            order.push(next(messages).await.user_id);
        }
        orders.push(order);
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
    // One who leaves is not missed.
    people.pop();
    people[0].0.send(message("p0", "bye")).await.unwrap();
    assert_eq!(next(&mut people[1].1).await.content, "bye");
    elsewhere.send(message("q", "alone")).await.unwrap();
    assert_eq!(next(&mut quiet).await.content, "alone");
}

#[tokio::test]
async fn bad_messages_and_rooms_are_named() {
    let served = serve().await;
    for room in ["Deck", "a b", "", &"x".repeat(65)] {
        let result = enter(&served, Some(room)).await;
        let status = assert_status(
            result,
            Code::InvalidArgument,
            "a room is 1 to 64 characters of a-z, 0-9, '.', '_' and '-'",
        );
        assert_eq!(violations(&status)[0].field, "x-room");
    }
    for (bad, text, field) in [
        (message("", "x"), "User ID is required", "user_id"),
        (
            message(&"u".repeat(129), "x"),
            "a user ID has at most 128 characters",
            "user_id",
        ),
        (message("u", ""), "content is required", "content"),
        (
            message("u", &"x".repeat(16_385)),
            "a message has at most 16384 bytes",
            "content",
        ),
    ] {
        let (sender, mut messages) = enter(&served, None).await.unwrap();
        sender.send(bad).await.unwrap();
        let result = end(&mut messages).await;
        let status = assert_status(result, Code::InvalidArgument, text);
        assert_eq!(violations(&status)[0].field, field);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_is_let_go_and_holds_up_nobody() {
    let served = serve().await;
    let (_silent, mut unread) = enter(&served, None).await.unwrap();
    let (sender, mut messages) = enter(&served, None).await.unwrap();
    let long = "x".repeat(8000);
    for i in 0..2000 {
        let said = message("a", &format!("{i} {long}"));
        sender.send(said).await.unwrap();
        let heard = next(&mut messages).await;
        assert!(heard.content.starts_with(&format!("{i} ")));
    }
    assert_status(
        end(&mut unread).await,
        Code::ResourceExhausted,
        "too many messages waited for you; join again and read faster",
    );
    sender.send(message("a", "still here")).await.unwrap();
    assert_eq!(next(&mut messages).await.content, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_reaches_everybody_who_reads() {
    const SAID: usize = 5000;
    let served = serve().await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (sender, mut messages) = enter(&served, None).await.unwrap();
        readers.spawn(async move {
            for i in 0..SAID {
                assert_eq!(next(&mut messages).await.content, i.to_string());
            }
            drop(sender);
        });
    }
    let said = (0..SAID).map(|i| message("a", &i.to_string()));
    let echo = served.users.clone().chat(iter(said)).await.unwrap();
    end(&mut echo.into_inner()).await.unwrap();
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
}

#[tokio::test]
async fn a_chat_ends_with_the_server() {
    let served = serve().await;
    let (_sender, mut messages) = enter(&served, None).await.unwrap();
    served.directory.end_streams();
    assert_status(
        end(&mut messages).await,
        Code::Unavailable,
        "the server is ending; connect again",
    );
}
