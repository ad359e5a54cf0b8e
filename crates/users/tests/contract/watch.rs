//! `WatchUserChanges`.

use portolan_users::proto::users::v1::{
    DeleteUserRequest, UpdateUserRequest, WatchUserChangesRequest, user_event::EventType,
};
use tonic::Code;

use crate::served::{assert_status, end, next, serve, violations};

fn watch(ids: &[&str]) -> WatchUserChangesRequest {
    WatchUserChangesRequest {
        user_ids: ids.iter().map(|id| (*id).into()).collect(),
    }
}

#[tokio::test]
async fn every_change_after_the_call_is_told_in_order() {
    let served = serve().await;
    let mut client = served.users.clone();
    served.user("Before").await;
    let all = client.watch_user_changes(watch(&[])).await.unwrap();
    let one = client.watch_user_changes(watch(&["2", "7"])).await.unwrap();
    let (mut all, mut one) = (all.into_inner(), one.into_inner());
    served.user("John").await;
    served.user("Jane").await;
    let change = UpdateUserRequest {
        id: "2".into(),
        age: 33,
        ..UpdateUserRequest::default()
    };
    client.update_user(change).await.unwrap();
    let delete = DeleteUserRequest { id: "2".into() };
    client.delete_user(delete).await.unwrap();
    for (kind, name, age) in [
        (EventType::Created, "John", 0),
        (EventType::Created, "Jane", 0),
        (EventType::Updated, "John", 33),
        (EventType::Deleted, "John", 33),
    ] {
        let event = next(&mut all).await;
        let user = event.user.clone().unwrap();
        assert_eq!(
            (event.r#type(), user.name.as_str(), user.age),
            (kind, name, age)
        );
        assert!(event.timestamp.is_some());
        if name == "John" {
            assert_eq!(next(&mut one).await, event);
        }
    }
    served.directory.end_streams();
    for mut stream in [all, one] {
        assert_status(
            end(&mut stream).await,
            Code::Unavailable,
            "the server is ending; connect again",
        );
    }
}

#[tokio::test]
async fn what_is_no_id_cannot_be_watched() {
    let served = serve().await;
    let mut client = served.users.clone();
    let result = client.watch_user_changes(watch(&["1", "john"])).await;
    let status = assert_status(result, Code::InvalidArgument, "john is no user ID");
    assert_eq!(violations(&status)[0].field, "user_ids");
    let result = client.watch_user_changes(watch(&["1"; 1001])).await;
    assert_status(
        result,
        Code::InvalidArgument,
        "one watches at most 1000 users; got 1001",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_told_in_the_end_that_something_is_missing() {
    let served = serve().await;
    let mut client = served.users.clone();
    let slow = client.watch_user_changes(watch(&[])).await.unwrap();
    let mut slow = slow.into_inner();
    // What fits into the connection's windows is on its way; so many more that
    // they do not.
    for round in 0..15 {
        let mut batch = served.directory.batch();
        for i in 0..1500 {
            let email = format!("{}{round}x{i}@example.com", "m".repeat(50));
            let email = portolan_users::Email::new(&email).unwrap();
            let name = portolan_users::Name::new(&"n".repeat(100)).unwrap();
            batch
                .push(Ok(portolan_users::NewUser::new(email, name)))
                .unwrap();
        }
        batch.finish().await.unwrap();
    }
    let mut read = 0;
    let status = loop {
        match slow.message().await {
            Ok(Some(event)) => {
                read += 1;
                // Up to there nothing is missing.
                assert_eq!(event.user.unwrap().id, read.to_string());
            }
            Ok(None) => panic!("it ended without a word"),
            Err(status) => break status,
        }
    };
    assert_status::<()>(
        Err(status),
        Code::ResourceExhausted,
        "you fell more than 10000 changes behind; begin to watch anew and list the users again",
    );
}
