//! `CollaborativeEdit`.

use portolan_users::proto::users::v1::{EditOperation, edit_operation::OperationType};
use tokio::sync::mpsc::Sender;
use tokio_stream::iter;
use tonic::{Code, Streaming};

use crate::served::{Served, assert_status, end, feed, next, serve, violations};

fn operation(kind: OperationType, position: i32, text: &str) -> EditOperation {
    EditOperation {
        document_id: "minutes".into(),
        user_id: "alice".into(),
        position,
        text: text.into(),
        r#type: kind.into(),
        timestamp: None,
        revision: 0,
    }
}

fn insert(position: i32, text: &str) -> EditOperation {
    operation(OperationType::Insert, position, text)
}

fn join() -> EditOperation {
    operation(OperationType::Unspecified, 0, "")
}

/// A participant as a client writes one: it applies what comes.
struct Peer {
    sender: Sender<EditOperation>,
    operations: Streaming<EditOperation>,
    text: Vec<char>,
    revision: i64,
}

impl Peer {
    async fn join(served: &Served) -> Self {
        let (sender, requests) = feed();
        sender.send(join()).await.unwrap();
        let operations = served.users.clone().collaborative_edit(requests).await;
        Self {
            sender,
            operations: operations.unwrap().into_inner(),
            text: Vec::new(),
            revision: 0,
        }
    }

    async fn send(&self, mut operation: EditOperation) {
        operation.revision = self.revision;
        self.sender.send(operation).await.unwrap();
    }

    async fn read_until(&mut self, revision: i64) -> String {
        while self.revision < revision {
            let operation = next(&mut self.operations).await;
            let at = operation.position as usize;
            let letters: Vec<char> = operation.text.chars().collect();
            let removed = match operation.r#type() {
                OperationType::Insert => 0,
                _ => letters.len(),
            };
            self.text.drain(at..at + removed);
            if operation.r#type() != OperationType::Delete {
                self.text.splice(at..at, letters);
            }
            self.revision = operation.revision;
        }
        self.text.iter().collect()
    }
}

#[tokio::test]
async fn operations_are_applied_and_told_and_the_stream_ends() {
    let served = serve().await;
    let mut client = served.users.clone();
    let operations = iter([
        insert(0, "äbc"),
        operation(OperationType::Delete, 1, "x"),
        operation(OperationType::Replace, 0, "XY"),
    ]);
    let told = client.collaborative_edit(operations).await.unwrap();
    let mut told = told.into_inner();
    for (kind, position, text, revision) in [
        (OperationType::Insert, 0, "äbc", 1),
        // It says what was removed.
        (OperationType::Delete, 1, "b", 2),
        (OperationType::Replace, 0, "XY", 3),
    ] {
        let operation = next(&mut told).await;
        assert_eq!(
            (
                operation.r#type(),
                operation.position,
                operation.text.as_str()
            ),
            (kind, position, text)
        );
        assert_eq!(
            (operation.revision, operation.user_id.as_str()),
            (revision, "alice")
        );
        assert!(operation.timestamp.is_some());
    }
    end(&mut told).await.unwrap();
    // Who comes later gets the text.
    let told = client.collaborative_edit(iter([join()])).await.unwrap();
    let mut told = told.into_inner();
    let text = next(&mut told).await;
    assert_eq!(
        (text.r#type(), text.text.as_str(), text.revision),
        (OperationType::Insert, "XY", 3)
    );
    assert_eq!(text.user_id, "server");
}

#[tokio::test]
async fn all_end_with_the_same_text_however_late_they_are() {
    let served = serve().await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(Peer::join(&served).await);
    }
    peers[0].send(insert(0, "the harbour")).await;
    for peer in &mut peers {
        peer.read_until(1).await;
    }
    // All three write for revision 1, and none knows of the others.
    peers[0].send(insert(3, " old")).await;
    peers[1]
        .send(operation(OperationType::Delete, 0, "the "))
        .await;
    peers[2]
        .send(operation(OperationType::Replace, 4, "H"))
        .await;
    let mut texts = Vec::new();
    for peer in &mut peers {
        // The removal is cut in two if the insertion came before it.
        peer.read_until(4).await;
    }
    // A last one by each, after which all is settled.
    for peer in &peers {
        peer.send(insert(0, "")).await;
    }
    let settled = {
        let document = portolan_users::DocumentId::new("minutes").unwrap();
        loop {
            let mut editor = served
                .directory
                .documents()
                .join(document.clone())
                .await
                .unwrap();
            let applied = editor.next().await.unwrap();
            if applied.revision >= 7 {
                break applied.revision;
            }
            tokio::task::yield_now().await;
        }
    };
    for peer in &mut peers {
        texts.push(peer.read_until(settled).await);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    assert!(
        texts[0].contains(" old") || texts[0].contains("old "),
        "{texts:?}"
    );
    assert!(texts[0].ends_with("Harbour"), "{texts:?}");
}

#[tokio::test]
async fn bad_operations_are_named() {
    let served = serve().await;
    let mut client = served.users.clone();
    let mut nameless = insert(0, "x");
    nameless.user_id.clear();
    let mut nowhere = insert(0, "x");
    nowhere.document_id.clear();
    let mut future = insert(0, "x");
    future.revision = 7;
    let mut past = insert(0, "x");
    past.revision = -1;
    for (bad, code, message, field) in [
        (
            insert(1, "x"),
            Code::OutOfRange,
            "the operation ends at position 1, but the document has 0 characters at revision 0",
            None,
        ),
        (
            operation(OperationType::Delete, 0, "x"),
            Code::OutOfRange,
            "the operation ends at position 1, but the document has 0 characters at revision 0",
            None,
        ),
        (
            insert(-1, "x"),
            Code::InvalidArgument,
            "position must be 0 or more; got -1",
            Some("position"),
        ),
        (
            operation(OperationType::Unspecified, 0, "x"),
            Code::InvalidArgument,
            "type must be INSERT, DELETE or REPLACE",
            Some("type"),
        ),
        (
            past,
            Code::InvalidArgument,
            "revision must be 0 or more; got -1",
            Some("revision"),
        ),
        (
            future,
            Code::InvalidArgument,
            "the document has no revision 7 yet, the newest is 0",
            None,
        ),
        (
            nameless,
            Code::InvalidArgument,
            "User ID is required",
            Some("user_id"),
        ),
        (
            nowhere,
            Code::InvalidArgument,
            "document_id is required",
            Some("document_id"),
        ),
        (
            insert(0, &"x".repeat((256 << 10) + 1)),
            Code::ResourceExhausted,
            "a document has at most 262144 bytes, and this operation would make 262145",
            None,
        ),
    ] {
        let told = client.collaborative_edit(iter([bad])).await.unwrap();
        let status = assert_status(end(&mut told.into_inner()).await, code, message);
        if let Some(field) = field {
            assert_eq!(violations(&status)[0].field, field);
        }
    }
    let mut other = insert(0, "x");
    other.document_id = "other".into();
    let operations = iter([insert(0, "x"), other]);
    let told = client.collaborative_edit(operations).await.unwrap();
    assert_status(
        end(&mut told.into_inner()).await,
        Code::InvalidArgument,
        "all operations of a call are for the document of the first",
    );
}

#[tokio::test]
async fn one_who_writes_quickly_hears_of_all_of_it() {
    let served = serve().await;
    let mut client = served.users.clone();
    let operations = iter((0..3000).map(|_| insert(0, "x")));
    let told = client.collaborative_edit(operations).await.unwrap();
    let mut told = told.into_inner();
    for revision in 1..=3000 {
        assert_eq!(next(&mut told).await.revision, revision);
    }
    end(&mut told).await.unwrap();
}
