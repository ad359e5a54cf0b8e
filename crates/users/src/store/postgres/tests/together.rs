//! Rooms and documents over several processes.

use super::*;

pub(super) async fn say(
    participant: &Participant,
    author: &str,
    content: &str,
) -> Result<(), Error> {
    match participant.say(Author::new(author).unwrap(), content.into())? {
        Saying::Done => panic!("it went nowhere"),
        Saying::Coming(coming) => soon(coming).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_a_room_hears_the_same_in_every_process() {
    let Some((_, _, one, other)) = two().await else {
        return;
    };
    let lobby = RoomName::default;
    let mut people: Vec<Participant> = [&one, &other, &one, &other]
        .map(|node| node.rooms().enter(lobby()).unwrap())
        .into();
    let elsewhere = other.rooms().enter(RoomName::new("kitchen").unwrap());
    let elsewhere = elsewhere.unwrap();
    // Some in many parts, and of characters that are bytes in no other form.
    let contents = ["ahoy", &"\0".repeat(5000), &"ü€🦀".repeat(1700)];
    join_all(people.iter().enumerate().map(|(i, one)| async move {
        for content in contents {
            say(one, &format!("p{i}"), content).await.unwrap();
        }
    }))
    .await;
    let mut orders = Vec::new();
    for one in &mut people {
        let mut order = Vec::new();
        for _ in 0..4 * contents.len() {
            let heard = soon(one.hear()).await.unwrap();
            assert!(contents.contains(&heard.content.as_str()));
            order.push((heard.author.as_str().to_owned(), heard.content.len()));
        }
        orders.push(order);
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(elsewhere.waiting(), 0);
    // Whoever has said something has it, too.
    say(&people[0], "p0", "last").await.unwrap();
    assert_eq!(people[0].waiting(), 1);
}

fn inserting(position: usize, text: &str) -> Proposal {
    Proposal {
        author: Author::new("alice").unwrap(),
        operation: Operation {
            doing: Doing::Insert,
            position,
            text: text.into(),
        },
        made_for: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_one_text_in_every_process() {
    let Some((postgres, url, one, other)) = two().await else {
        return;
    };
    let minutes = || DocumentId::new("min\0utes").unwrap();
    let mut editors = Vec::new();
    for node in [&one, &other] {
        editors.push(node.documents().join(minutes()).await.unwrap());
    }
    join_all(
        (0..40).map(|i| editors[i % 2].submit(inserting(0, if i % 3 == 0 { "\0" } else { "ü" }))),
    )
    .await
    .into_iter()
    .for_each(|done| assert!(done.is_ok()));
    let mut told = Vec::new();
    for editor in &mut editors {
        let mut all = Vec::new();
        while editor.seen() < 40 {
            all.push(soon(editor.next()).await.unwrap());
        }
        told.push(all);
    }
    assert_eq!(told[0], told[1]);
    // What is missed while nobody listens is read afterwards.
    deafen(postgres, &url);
    let revision = loop {
        match editors[0].submit(inserting(0, "!")).await {
            Ok(revision) => break revision,
            Err(Error::Unavailable) => stands(&one, true).await,
            Err(error) => panic!("{error}"),
        }
    };
    for editor in &mut editors {
        while editor.seen() < revision {
            soon(editor.next()).await.unwrap();
        }
    }
}
