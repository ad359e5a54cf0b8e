//! `user.UserService`.

use portolan_users::proto::{
    user::{GetUserRequest, ListUsersRequest},
    users::v1::UpdateUserRequest,
};
use tonic::Code;

use crate::served::{assert_status, serve, serve_bounded, violations};

#[tokio::test]
async fn users_are_given_and_listed() {
    let served = serve().await;
    let mut small = served.small.clone();
    let listed = small.list_users(ListUsersRequest {}).await.unwrap();
    assert_eq!(listed.into_inner().users, []);
    served.user("John").await;
    served.user("Jane").await;
    let given = small.get_user(GetUserRequest { id: 2 }).await.unwrap();
    let jane = given.into_inner().user.unwrap();
    assert_eq!(
        (jane.id, jane.name.as_str(), jane.email.as_str()),
        (2, "Jane", "jane@example.com")
    );
    let listed = small.list_users(ListUsersRequest {}).await.unwrap();
    let ids: Vec<i32> = listed.get_ref().users.iter().map(|user| user.id).collect();
    assert_eq!(ids, [1, 2]);
    // Those who are not active are there, and not listed.
    let change = UpdateUserRequest {
        id: "1".into(),
        status: 2,
        ..UpdateUserRequest::default()
    };
    served.users.clone().update_user(change).await.unwrap();
    let listed = small.list_users(ListUsersRequest {}).await.unwrap();
    assert_eq!(listed.into_inner().users, [jane]);
    small.get_user(GetUserRequest { id: 1 }).await.unwrap();
}

#[tokio::test]
async fn an_id_that_is_not_there_is_not_found() {
    let served = serve().await;
    let mut small = served.small.clone();
    for id in [1, -1, i32::MAX, i32::MIN] {
        let result = small.get_user(GetUserRequest { id }).await;
        assert_status(result, Code::NotFound, "User not found");
    }
    let result = small.get_user(GetUserRequest { id: 0 }).await;
    let status = assert_status(result, Code::InvalidArgument, "User ID is required");
    assert_eq!(violations(&status)[0].field, "id");
}

#[tokio::test]
async fn a_list_has_to_fit_into_its_answer() {
    let served = serve_bounded(1000).await;
    let mut small = served.small.clone();
    for i in 0..6 {
        served.user(&format!("u{i}")).await;
    }
    small.list_users(ListUsersRequest {}).await.unwrap();
    for i in 6..8 {
        served.user(&format!("u{i}")).await;
    }
    assert_status(
        small.list_users(ListUsersRequest {}).await,
        Code::ResourceExhausted,
        "the users take more than 1000 bytes together; list them by pages with \
         user.v1.UserService/ListUsers",
    );
}
