//! `users.v1.UserService`: what it has in common with the others.

use std::collections::BTreeMap;

use portolan_users::proto::users::v1::{
    CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, UpdateUserRequest,
    UserStatus, create_user_request::Profile,
};
use tokio_stream::iter;
use tonic::Code;

use crate::served::{assert_status, serve, serve_bounded, violations};

fn new(name: &str) -> CreateUserRequest {
    CreateUserRequest {
        email: format!("{name}@example.com"),
        name: name.into(),
        ..CreateUserRequest::default()
    }
}

fn get(id: &str) -> GetUserRequest {
    GetUserRequest { id: id.into() }
}

#[tokio::test]
async fn a_user_is_made_given_changed_and_removed() {
    let served = serve().await;
    let mut client = served.users.clone();
    let request = CreateUserRequest {
        profile: Some(Profile {
            bio: "sails".into(),
            avatar_url: "https://example.com/j.png".into(),
        }),
        age: 33,
        tags: vec!["crew".into(), "night".into()],
        ..new("john")
    };
    let made = client.create_user(request).await.unwrap().into_inner();
    assert_eq!(made.message, "User 1 created");
    let made = made.user.unwrap();
    assert!(made.is_active && made.status() == UserStatus::Active);
    assert_eq!((made.age, made.tags.len()), (33, 2));
    let metadata = [
        ("avatar_url", "https://example.com/j.png"),
        ("bio", "sails"),
    ];
    assert!(
        made.metadata
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .eq(metadata)
    );
    assert!(made.created_at.is_some() && made.created_at == made.updated_at);
    let given = client.get_user(get("1")).await.unwrap();
    assert_eq!(given.into_inner().user, Some(made.clone()));

    let request = UpdateUserRequest {
        id: "1".into(),
        tags: vec!["shore".into()],
        status: UserStatus::Suspended.into(),
        metadata: BTreeMap::from([("bio".into(), "sailed".into())]),
        ..UpdateUserRequest::default()
    };
    let changed = client.update_user(request).await.unwrap();
    let changed = changed.into_inner().user.unwrap();
    assert!(!changed.is_active && changed.status() == UserStatus::Suspended);
    assert_eq!((changed.age, changed.name.as_str()), (33, "john"));
    assert_eq!(
        (&changed.tags[..], &changed.metadata["bio"][..]),
        (&["shore".to_owned()][..], "sailed")
    );
    assert_eq!(changed.metadata.len(), 2);
    // Nothing can be emptied here.
    let request = UpdateUserRequest {
        id: "1".into(),
        ..UpdateUserRequest::default()
    };
    let same = client.update_user(request.clone()).await.unwrap();
    assert_eq!(same.into_inner().user, Some(changed));

    let delete = DeleteUserRequest { id: "1".into() };
    client.delete_user(delete.clone()).await.unwrap();
    for result in [
        client.get_user(get("1")).await.map(drop),
        client.delete_user(delete).await.map(drop),
        client.update_user(request).await.map(drop),
    ] {
        assert_status(result, Code::NotFound, "User 1 not found");
    }
    let result = client.get_user(get("nobody")).await;
    assert_status(result, Code::NotFound, "User nobody not found");
}

#[tokio::test]
async fn everything_that_is_wrong_is_named() {
    let served = serve().await;
    let mut client = served.users.clone();
    let code = Code::InvalidArgument;
    let nobody = client.create_user(CreateUserRequest::default()).await;
    assert_status(nobody, code, "Email and name are required");
    let result = client.get_user(get("")).await;
    assert_status(result, code, "User ID is required");
    let wrong = CreateUserRequest {
        profile: Some(Profile {
            bio: "x".repeat(1025),
            avatar_url: String::new(),
        }),
        age: -1,
        tags: vec![String::new()],
        ..new("john")
    };
    let result = client.create_user(wrong).await;
    let status = assert_status(
        result,
        code,
        "age must be 0 to 150; got -1; a tag is not empty; \
         a value of metadata has at most 1024 characters",
    );
    let fields = violations(&status).into_iter().map(|one| one.field);
    assert!(fields.eq(["age", "tags", "profile"]));
    client.create_user(new("john")).await.unwrap();
    let result = client.create_user(new("JOHN")).await;
    assert_status(
        result,
        Code::AlreadyExists,
        "User with email JOHN@example.com already exists",
    );
    let request = UpdateUserRequest {
        id: "1".into(),
        status: 9,
        ..UpdateUserRequest::default()
    };
    let result = client.update_user(request).await;
    assert_status(result, code, "status 9 is none of UserStatus");
}

#[tokio::test]
async fn a_user_of_one_contract_is_there_in_the_others() {
    let served = serve().await;
    served.users.clone().create_user(new("john")).await.unwrap();
    let request = portolan_users::proto::user::v1::GetUserRequest { id: "1".into() };
    let same = served.v1.clone().get_user(request).await.unwrap();
    assert_eq!(same.into_inner().user.unwrap().name, "john");
    let request = portolan_users::proto::user::GetUserRequest { id: 1 };
    let same = served.small.clone().get_user(request).await.unwrap();
    assert_eq!(same.into_inner().user.unwrap().email, "john@example.com");
    served.user("Jane").await;
    let request = ListUsersRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let page = served.users.clone().list_users(request).await.unwrap();
    let token = page.metadata().get("next-page-token").unwrap().clone();
    let request = portolan_users::proto::user::v1::ListUsersRequest {
        page_size: 0,
        // A token is of the directory, not of a contract.
        page_token: token.to_str().unwrap().into(),
    };
    let page = served.v1.clone().list_users(request).await.unwrap();
    let mut page = page.into_inner();
    assert_eq!(page.message().await.unwrap().unwrap().name, "Jane");
    assert_eq!(page.message().await.unwrap(), None);
}

#[tokio::test]
async fn those_who_cannot_be_made_are_counted() {
    let served = serve().await;
    let mut client = served.users.clone();
    let users = (0..1200).map(|i| match i % 4 {
        0 => new("twice"),
        1 => new(""),
        _ => new(&format!("u{i}")),
    });
    let made = client.create_users(iter(users)).await.unwrap().into_inner();
    assert_eq!((made.created_count, made.failed_count), (601, 599));
    assert_eq!(made.users.len(), 601);
    assert_eq!(made.users[0].name, "twice");
    let nobody = client.create_users(iter([])).await.unwrap().into_inner();
    assert_eq!((nobody.created_count, nobody.failed_count), (0, 0));
}

#[tokio::test]
async fn those_before_a_full_answer_are_made() {
    let served = serve_bounded(1000).await;
    let mut client = served.users.clone();
    let users = iter((0..9).map(|i| new(&format!("u{i}"))));
    let result = client.create_users(users).await;
    assert_status(
        result,
        Code::OutOfRange,
        "the answer would pass 1000 bytes; cut the stream: of its first 6 users 6 were made, \
         send the rest as another one",
    );
    client.get_user(get("6")).await.unwrap();
    let result = client.get_user(get("7")).await;
    assert_status(result, Code::NotFound, "User 7 not found");
}
