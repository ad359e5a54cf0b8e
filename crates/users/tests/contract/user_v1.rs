//! `user.v1.UserService`.

use std::collections::BTreeMap;

use portolan_users::proto::user::v1::{
    CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, SyncStatus,
    SyncUsersRequest, UpdateUserRequest, User, UserRole,
};
use prost_types::FieldMask;
use tokio_stream::iter;
use tonic::{Code, Status};

use crate::served::{V1, assert_status, end, feed, next, serve, serve_bounded, violations};

fn new(name: &str) -> CreateUserRequest {
    CreateUserRequest {
        email: format!("{name}@example.com"),
        name: name.into(),
        role: 0,
    }
}

fn get(id: &str) -> GetUserRequest {
    GetUserRequest { id: id.into() }
}

async fn update(client: &mut V1, request: UpdateUserRequest) -> Result<User, Status> {
    let response = client.update_user(request).await?;
    Ok(response.into_inner().user.unwrap())
}

fn change(id: &str) -> UpdateUserRequest {
    UpdateUserRequest {
        id: id.into(),
        ..UpdateUserRequest::default()
    }
}

#[tokio::test]
async fn a_user_is_made_given_changed_and_removed() {
    let served = serve().await;
    let mut client = served.v1.clone();
    let mut request = new("john");
    request.role = UserRole::Admin.into();
    let made = client.create_user(request).await.unwrap();
    let made = made.into_inner().user.unwrap();
    assert_eq!((made.id.as_str(), made.role()), ("1", UserRole::Admin));
    assert_eq!(made.created_at, made.updated_at);
    let given = client.get_user(get("1")).await.unwrap();
    assert_eq!(given.into_inner().user, Some(made.clone()));

    let mut request = change("1");
    request.name = Some("Johnny".into());
    let changed = update(&mut client, request).await.unwrap();
    assert_eq!(
        (changed.name.as_str(), &changed.email, changed.role),
        ("Johnny", &made.email, made.role)
    );
    assert_eq!(changed.created_at, made.created_at);

    let delete = DeleteUserRequest { id: "1".into() };
    client.delete_user(delete.clone()).await.unwrap();
    for result in [
        client.get_user(get("1")).await.map(drop),
        client.delete_user(delete).await.map(drop),
        update(&mut client, change("1")).await.map(drop),
    ] {
        assert_status(result, Code::NotFound, "User not found");
    }
}

#[tokio::test]
async fn presence_says_what_is_changed_unless_a_mask_does() {
    let served = serve().await;
    let mut client = served.v1.clone();
    served.user("John").await;
    let mut request = change("1");
    request.role = Some(UserRole::Admin.into());
    let admin = update(&mut client, request).await.unwrap();
    assert_eq!(admin.role(), UserRole::Admin);
    // Nothing present changes nothing.
    assert_eq!(update(&mut client, change("1")).await.unwrap(), admin);
    // What is present and empty is emptied, where that may be.
    let mut request = change("1");
    request.role = Some(0);
    let member = update(&mut client, request).await.unwrap();
    assert_eq!(member.role(), UserRole::Member);
    let mut request = change("1");
    request.name = Some(String::new());
    let result = update(&mut client, request).await;
    let status = assert_status(result, Code::InvalidArgument, "name is required");
    assert_eq!(violations(&status)[0].field, "name");

    let masked = |paths: &[&str]| UpdateUserRequest {
        name: Some("Johnny".into()),
        role: Some(UserRole::Admin.into()),
        update_mask: Some(FieldMask {
            paths: paths.iter().map(|path| (*path).into()).collect(),
        }),
        ..change("1")
    };
    let user = update(&mut client, masked(&["name"])).await.unwrap();
    assert_eq!(
        (user.name.as_str(), user.role()),
        ("Johnny", UserRole::Member)
    );
    let result = update(&mut client, masked(&["*"])).await;
    assert_status(result, Code::InvalidArgument, "email is required");
    let result = update(&mut client, masked(&["name", "password"])).await;
    let status = assert_status(
        result,
        Code::InvalidArgument,
        "update_mask names a field that is none of email, name, role, *",
    );
    assert_eq!(violations(&status)[0].field, "update_mask");
}

#[tokio::test]
async fn everything_that_is_wrong_is_named() {
    let served = serve().await;
    let mut client = served.v1.clone();
    for request in [CreateUserRequest::default(), new(""), {
        let mut nobody = new("x");
        nobody.email.clear();
        nobody
    }] {
        let fields = usize::from(request.email.is_empty() || request.name.is_empty());
        let result = client.create_user(request).await;
        let status = assert_status(result, Code::InvalidArgument, "Email and name are required");
        assert!(violations(&status).len() >= fields);
    }
    let wrong = CreateUserRequest {
        email: "john".into(),
        name: "x".repeat(201),
        role: 7,
    };
    let result = client.create_user(wrong).await;
    let status = assert_status(
        result,
        Code::InvalidArgument,
        "an email has the form name@example.com; a name has at most 200 characters; \
         role 7 is none of UserRole",
    );
    let fields: Vec<_> = violations(&status)
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    assert_eq!(fields, ["email", "name", "role"]);

    served.user("John").await;
    let mut request = new("x");
    request.email = "JOHN@Example.com".into();
    let result = client.create_user(request).await;
    let status = assert_status(
        result,
        Code::AlreadyExists,
        "User with email JOHN@Example.com already exists",
    );
    assert_eq!(violations(&status)[0].field, "email");

    let result = client.get_user(get("")).await;
    assert_status(result, Code::InvalidArgument, "User ID is required");
    let result = client.get_user(get(&"9".repeat(65))).await;
    assert_status(
        result,
        Code::InvalidArgument,
        "a user ID has at most 64 characters",
    );
    for id in ["x", "01", "0", "-1", "99999999999999999999"] {
        let result = client.get_user(get(id)).await;
        assert_status(result, Code::NotFound, "User not found");
    }
}

/// A page: the names, and the token of the next one.
async fn page(client: &mut V1, size: i32, token: &str) -> (Vec<String>, Option<String>) {
    let request = ListUsersRequest {
        page_size: size,
        page_token: token.into(),
    };
    let response = client.list_users(request).await.unwrap();
    let token = |metadata: &tonic::metadata::MetadataMap| {
        let token = metadata.get("next-page-token");
        token.map(|token| token.to_str().unwrap().to_owned())
    };
    let first = token(response.metadata());
    let mut stream = response.into_inner();
    let mut names = Vec::new();
    while let Some(user) = stream.message().await.unwrap() {
        names.push(user.name);
    }
    let trailers = stream.trailers().await.unwrap().unwrap_or_default();
    assert_eq!(token(&trailers), first);
    (names, first)
}

#[tokio::test]
async fn users_are_listed_in_pages_that_nothing_shifts() {
    let served = serve().await;
    let mut client = served.v1.clone();
    assert_eq!(page(&mut client, 0, "").await, (Vec::new(), None));
    for i in 0..120 {
        served.user(&format!("u{i}")).await;
    }
    let (names, token) = page(&mut client, 0, "").await;
    assert_eq!((names.len(), names[49].as_str()), (50, "u49"));
    for id in ["1", "50", "51"] {
        let delete = DeleteUserRequest { id: id.into() };
        client.delete_user(delete).await.unwrap();
    }
    served.user("u120").await;
    let (names, token) = page(&mut client, 70, &token.unwrap()).await;
    assert_eq!((names[0].as_str(), names.len()), ("u51", 70));
    assert_eq!(token, None, "that was the last one");
    let (names, token) = page(&mut client, 1000, "").await;
    assert_eq!((names.len(), token), (118, None));

    for size in [-1, 1001] {
        let request = ListUsersRequest {
            page_size: size,
            page_token: String::new(),
        };
        let message = format!("page_size must be 1 to 1000, or 0 for 50; got {size}");
        let result = client.list_users(request).await;
        let status = assert_status(result, Code::InvalidArgument, &message);
        assert_eq!(violations(&status)[0].field, "page_size");
    }
    for token in ["50", "AQAAADI", "ü", &"A".repeat(50)] {
        let request = ListUsersRequest {
            page_size: 0,
            page_token: token.into(),
        };
        let result = client.list_users(request).await;
        let status = assert_status(
            result,
            Code::InvalidArgument,
            "page_token is not one that a page of this server came with",
        );
        assert_eq!(violations(&status)[0].field, "page_token");
    }
}

#[tokio::test]
async fn a_batch_is_made_whole_or_not_at_all() {
    let served = serve().await;
    let mut client = served.v1.clone();
    served.user("John").await;
    for (third, code, message, field) in [
        (
            new("JOHN"),
            Code::AlreadyExists,
            "item 2: User with email JOHN@example.com already exists",
            "items[2].email",
        ),
        (
            new(""),
            Code::InvalidArgument,
            "item 2: Email and name are required",
            "items[2].email",
        ),
        (
            new("a"),
            Code::AlreadyExists,
            "item 2: User with email a@example.com already exists",
            "items[2].email",
        ),
    ] {
        let users = iter([new("a"), new("b"), third, new("c")]);
        let result = client.batch_create_users(users).await;
        let status = assert_status(result, code, message);
        assert_eq!(violations(&status)[0].field, field);
        assert_eq!(page(&mut client, 0, "").await.0, ["John"]);
    }
    let users = iter([new("a"), new("b")]);
    let made = client.batch_create_users(users).await.unwrap().into_inner();
    assert_eq!((made.created_count, made.users[1].name.as_str()), (2, "b"));
    let nobody = client.batch_create_users(iter([])).await.unwrap();
    assert_eq!(nobody.into_inner().created_count, 0);
}

#[tokio::test]
async fn a_batch_has_to_fit_into_its_answer() {
    let served = serve_bounded(1000).await;
    let mut client = served.v1.clone();
    let users = iter((0..8).map(|i| new(&format!("u{i}"))));
    assert_status(
        client.batch_create_users(users).await,
        Code::OutOfRange,
        "the answer to this batch would pass 1000 bytes; cut the batch",
    );
    assert_eq!(page(&mut client, 0, "").await.0, [""; 0]);
}

fn item(id: &str, name: &str, email: &str) -> SyncUsersRequest {
    SyncUsersRequest {
        user: Some(User {
            id: id.into(),
            name: name.into(),
            email: email.into(),
            ..User::default()
        }),
    }
}

#[tokio::test]
async fn what_is_synchronised_is_answered_one_by_one() {
    let served = serve().await;
    let mut client = served.v1.clone();
    served.user("John").await;
    let (items, requests) = feed();
    let mut answers = client.sync_users(requests).await.unwrap().into_inner();
    for (request, status, id) in [
        (
            item("", "Jane", "jane@example.com"),
            SyncStatus::Created,
            "2",
        ),
        (
            item("", "Jane", "JANE@example.com"),
            SyncStatus::Updated,
            "2",
        ),
        (item("1", "Johnny", ""), SyncStatus::Updated, "1"),
        (
            item("theirs", "", "john@example.com"),
            SyncStatus::Unchanged,
            "1",
        ),
        (
            item("77", "Carol", "carol@example.com"),
            SyncStatus::Created,
            "3",
        ),
    ] {
        items.send(request).await.unwrap();
        let answer = next(&mut answers).await;
        assert_eq!(
            (answer.status(), answer.user.unwrap().id.as_str()),
            (status, id)
        );
    }
    drop(items);
    end(&mut answers).await.unwrap();
}

#[tokio::test]
async fn synchronising_ends_with_the_first_bad_item_and_its_place() {
    let served = serve().await;
    let mut client = served.v1.clone();
    served.user("John").await;
    served.user("Jane").await;
    let cases = BTreeMap::from([
        ("item 1: Email and name are required", item("", "x", "")),
        (
            "item 1: an email has the form name@example.com",
            item("1", "", "x"),
        ),
        ("item 1: user is required", SyncUsersRequest { user: None }),
        (
            "item 1: User with email jane@example.com already exists",
            item("1", "", "jane@example.com"),
        ),
    ]);
    for (index, (message, bad)) in cases.into_iter().enumerate() {
        let good = item("", "x", &format!("x{index}@example.com"));
        let answers = client.sync_users(iter([good, bad, item("1", "never", "")]));
        let mut answers = answers.await.unwrap().into_inner();
        assert_eq!(next(&mut answers).await.status(), SyncStatus::Created);
        let code = match message.contains("exists") {
            true => Code::AlreadyExists,
            false => Code::InvalidArgument,
        };
        let status = assert_status(end(&mut answers).await, code, message);
        assert!(violations(&status)[0].field.starts_with("items[1]."));
        let john = client.get_user(get("1")).await.unwrap();
        assert_eq!(john.into_inner().user.unwrap().name, "John");
    }
}
