//! What every store must do, as tests that any implementation runs: see
//! `store_suite!` at the end.

use std::sync::Arc;

use super::{ChangeKind, PageEnd, Store};
use crate::{
    document::{Author, DocumentId, Doing, MAX_LATE, Operation, Proposal},
    error::Error,
    user::{
        Age, Email, Metadata, Name, NewUser, Role, Status, SyncUser, Synced, Tags, UserChange,
        UserId,
    },
};

pub(crate) fn email(text: &str) -> Email {
    Email::new(text).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn user(who: &str) -> NewUser {
    NewUser::new(email(&format!("{who}@example.com")), name(who))
}

fn id(number: i32) -> UserId {
    UserId::new(number).unwrap()
}

fn named(text: &str) -> UserChange {
    UserChange {
        name: Some(name(text)),
        ..UserChange::default()
    }
}

fn with_email(text: &str) -> UserChange {
    UserChange {
        email: Some(email(text)),
        ..UserChange::default()
    }
}

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    let pairs = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    Metadata::new(pairs.collect()).unwrap()
}

#[track_caller]
fn assert_taken<T>(result: Result<T, Error>, text: &str) {
    let error = result.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("User with email {text} already exists")
    );
}

pub(crate) async fn users_are_kept_whole(store: Arc<dyn Store>) {
    let mut new = user("john");
    new.role = Role::Admin;
    new.status = Status::Suspended;
    new.age = Age::new(33).unwrap();
    new.tags = Tags::new(vec!["b".into(), "ä\"'".into()]).unwrap();
    new.metadata = metadata(&[("bio", "line\nline"), ("k", "")]);
    let made = store.create(new.clone()).await.unwrap();
    assert_eq!((made.id, made.updated_at), (id(1), made.created_at));
    let read = store.get(made.id).await.unwrap().unwrap();
    assert_eq!(read, made);
    assert_eq!(
        (read.email, read.name, read.role, read.status),
        (new.email, new.name, new.role, new.status)
    );
    assert_eq!(
        (read.age, read.tags, read.metadata),
        (new.age, new.tags, new.metadata)
    );
    assert_eq!(store.get(id(2)).await.unwrap(), None);
}

pub(crate) async fn an_email_is_of_one_user_in_any_case(store: Arc<dyn Store>) {
    let john = store.create(user("John")).await.unwrap();
    assert_taken(store.create(user("jOHN")).await, "jOHN@example.com");
    let jane = store.create(user("jane")).await.unwrap();
    let change = with_email("JOHN@EXAMPLE.COM");
    assert_taken(store.update(jane.id, change).await, "JOHN@EXAMPLE.COM");
    // One's own email may change its case.
    let change = with_email("john@EXAMPLE.com");
    let john = store.update(john.id, change).await.unwrap();
    assert_eq!(john.email, email("john@EXAMPLE.com"));
    assert!(store.delete(john.id).await.unwrap());
    store.create(user("john")).await.unwrap();
}

pub(crate) async fn no_id_is_given_twice(store: Arc<dyn Store>) {
    for number in 1..=3 {
        let made = store.create(user("john")).await.unwrap();
        assert_eq!(made.id, id(number));
        assert!(store.delete(made.id).await.unwrap());
        assert!(!store.delete(made.id).await.unwrap());
    }
}

pub(crate) async fn changes_change_what_they_say(store: Arc<dyn Store>) {
    let made = store.create(user("john")).await.unwrap();
    let change = UserChange {
        role: Some(Role::Admin),
        metadata: Some(metadata(&[("a", "1"), ("b", "2")])),
        ..named("Johnny")
    };
    let changed = store.update(made.id, change).await.unwrap();
    assert_eq!(
        (changed.role, &changed.name),
        (Role::Admin, &name("Johnny"))
    );
    assert_eq!(changed.email, made.email);
    assert!(changed.updated_at >= made.updated_at);
    // Pairs are added to those that are there.
    let change = UserChange {
        metadata: Some(metadata(&[("b", "3"), ("c", "4")])),
        ..UserChange::default()
    };
    let changed = store.update(made.id, change.clone()).await.unwrap();
    let expected = metadata(&[("a", "1"), ("b", "3"), ("c", "4")]);
    assert_eq!(changed.metadata, expected);
    // What changes nothing has no time either.
    assert_eq!(store.update(made.id, change).await.unwrap(), changed);
    let many = (0..31).map(|i| (format!("x{i}"), String::new())).collect();
    let change = UserChange {
        metadata: Some(Metadata::new(many).unwrap()),
        ..named("never")
    };
    let error = store.update(made.id, change).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a user has at most 32 pairs of metadata; got 34"
    );
    assert_eq!(store.get(made.id).await.unwrap(), Some(changed));
    let error = store.update(id(7), named("x")).await.unwrap_err();
    assert_eq!(error.to_string(), "User 7 not found");
}

pub(crate) async fn a_batch_is_made_whole_or_not_at_all(store: Arc<dyn Store>) {
    store.create(user("john")).await.unwrap();
    let bad = vec![user("a"), user("b"), user("JOHN"), user("c")];
    let error = store.create_all(bad).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "item 2: User with email JOHN@example.com already exists"
    );
    let twice = vec![user("a"), user("A")];
    assert!(store.create_all(twice).await.is_err());
    let none = store.users(Some(id(1)), None, 10).await.unwrap();
    assert_eq!(none, []);
    let newest = *store.newest().borrow();
    assert_eq!(newest, 1, "nothing of it is a change");
    let made = store.create_all(vec![user("a"), user("b")]).await.unwrap();
    assert_eq!(made.len(), 2);
    assert_eq!(store.users(Some(id(1)), None, 10).await.unwrap(), made);
}

pub(crate) async fn each_is_made_that_can_be(store: Arc<dyn Store>) {
    let users = vec![user("a"), user("A"), user("b")];
    let outcomes = store.create_each(users).await.unwrap();
    let made: Vec<_> = outcomes.iter().flatten().cloned().collect();
    assert_eq!((outcomes.len(), made.len()), (3, 2));
    assert!(matches!(outcomes[1], Err(Error::EmailTaken(_))));
    assert_eq!(store.users(None, None, 10).await.unwrap(), made);
}

pub(crate) async fn writes_that_share_a_commit_share_no_refusal(store: Arc<dyn Store>) {
    let bad = store.create_all(vec![user("x"), user("y"), user("y")]);
    let (a, bad, b) = tokio::join!(store.create(user("a")), bad, store.create(user("b")));
    assert!(bad.is_err());
    let made = [a.unwrap(), b.unwrap()];
    assert_eq!(store.users(None, None, 10).await.unwrap(), made);
}

pub(crate) async fn syncing_finds_by_id_and_else_by_email(store: Arc<dyn Store>) {
    let sync = |id: Option<i32>, who: &str, name_is: &str| SyncUser {
        id: id.and_then(UserId::new),
        change: UserChange {
            email: Some(email(&format!("{who}@example.com"))),
            ..named(name_is)
        },
    };
    for (item, expected, number) in [
        (sync(None, "john", "John"), Synced::Created, 1),
        (sync(None, "john", "John"), Synced::Unchanged, 1),
        (sync(None, "john", "Johnny"), Synced::Updated, 1),
        (sync(Some(1), "johnny", "Johnny"), Synced::Updated, 1),
        (sync(Some(7), "JOHNNY", "Johnny"), Synced::Updated, 1),
        // An id of somebody else's making is none of ours.
        (sync(Some(7), "jane", "Jane"), Synced::Created, 2),
        (sync(Some(2), "jane", "Jane"), Synced::Unchanged, 2),
    ] {
        let (user, synced) = store.sync(item.clone()).await.unwrap();
        assert_eq!((synced, user.id), (expected, id(number)), "{item:?}");
    }
    let taken = store.sync(sync(Some(2), "johnny", "Jane")).await;
    assert_taken(taken, "johnny@example.com");
    let nameless = SyncUser {
        id: None,
        change: with_email("new@example.com"),
    };
    let error = store.sync(nameless).await.unwrap_err();
    assert_eq!(error.to_string(), "Email and name are required");
    let known = SyncUser {
        id: None,
        change: with_email("jane@example.com"),
    };
    assert_eq!(store.sync(known).await.unwrap().1, Synced::Unchanged);
}

pub(crate) async fn pages_go_by_id_and_nothing_shifts_them(store: Arc<dyn Store>) {
    assert_eq!(store.page(None, 10).await.unwrap(), None);
    for i in 1..=7 {
        store.create(user(&format!("u{i}"))).await.unwrap();
    }
    let end = |last, more| {
        Some(PageEnd {
            last: id(last),
            more,
        })
    };
    assert_eq!(store.page(None, 3).await.unwrap(), end(3, true));
    assert!(store.delete(id(3)).await.unwrap());
    assert!(store.delete(id(5)).await.unwrap());
    assert_eq!(store.page(Some(id(3)), 3).await.unwrap(), end(7, false));
    assert_eq!(store.page(Some(id(7)), 3).await.unwrap(), None);
    assert_eq!(store.page(None, 2).await.unwrap(), end(2, true));
    assert_eq!(store.page(None, 5).await.unwrap(), end(7, false));
    let read = store.users(Some(id(1)), Some(id(6)), 2).await.unwrap();
    let ids: Vec<i32> = read.iter().map(|user| user.id.get()).collect();
    assert_eq!(ids, [2, 4]);
}

pub(crate) async fn every_change_is_recorded_in_order(store: Arc<dyn Store>) {
    let mut newest = store.newest();
    let before = *newest.borrow_and_update();
    let john = store.create(user("john")).await.unwrap();
    let johnny = store.update(john.id, named("Johnny")).await.unwrap();
    store.update(john.id, named("Johnny")).await.unwrap();
    store.delete(john.id).await.unwrap();
    store.create_all(vec![user("a"), user("b")]).await.unwrap();
    // An answer comes behind the news of it.
    assert!(newest.has_changed().unwrap());
    let read = store.changes(before, 10).await.unwrap();
    assert!(!read.lost);
    let kinds: Vec<_> = read.changes.iter().map(|change| change.kind).collect();
    use ChangeKind::{Created, Deleted, Updated};
    assert_eq!(kinds, [Created, Updated, Deleted, Created, Created]);
    assert_eq!(read.changes[0].user, john);
    assert_eq!(read.changes[1].user, johnny);
    assert_eq!(read.changes[2].user, johnny);
    assert!(read.changes.is_sorted_by_key(|change| change.sequence));
    let last = read.changes.last().unwrap().sequence;
    assert_eq!(last, *newest.borrow());
    let rest = store.changes(read.changes[1].sequence, 2).await.unwrap();
    assert_eq!(rest.changes, read.changes[2..4]);
    assert_eq!(store.changes(last, 10).await.unwrap().changes, []);
}

fn inserting(text: &str, made_for: Option<i64>) -> Proposal {
    Proposal {
        author: Author::new("alice").unwrap(),
        operation: Operation {
            doing: Doing::Insert,
            position: 0,
            text: text.into(),
        },
        made_for,
    }
}

pub(crate) async fn documents_are_kept_with_what_was_done(store: Arc<dyn Store>) {
    let minutes = DocumentId::new("minutes").unwrap();
    let other = DocumentId::new("Minutes").unwrap();
    let nothing = store.document(&minutes).await.unwrap();
    assert_eq!((nothing.text.as_str(), nothing.revision), ("", 0));
    let edit = |text: &str, made_for| store.edit(&minutes, inserting(text, made_for));
    assert_eq!(edit("b", None).await.unwrap(), 1);
    assert_eq!(edit("c", Some(0)).await.unwrap(), 2);
    assert_eq!(edit("a", None).await.unwrap(), 3);
    let read = store.document(&minutes).await.unwrap();
    assert_eq!((read.text.as_str(), read.revision), ("abc", 3));
    assert_eq!(store.document(&other).await.unwrap(), nothing);
    let edits = store.edits(&minutes, 1, 10).await.unwrap();
    assert_eq!((edits.len(), edits[0].revision), (2, 2));
    assert_eq!(edits[0].operation.position, 1);
    assert_eq!(edits[1].author.as_str(), "alice");
    assert_eq!(store.edits(&minutes, 0, 1).await.unwrap().len(), 1);
    let error = edit("x", Some(4)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the document has no revision 4 yet, the newest is 3"
    );
    for _ in 0..MAX_LATE {
        edit("", None).await.unwrap();
    }
    let error = edit("x", Some(2)).await.unwrap_err();
    assert!(matches!(error, Error::TooLate { revision: 2, .. }));
    assert_eq!(edit("x", Some(3)).await.unwrap(), MAX_LATE + 4);
    let error = store.edits(&minutes, 2, 10).await.unwrap_err();
    assert!(matches!(error, Error::BehindDocument { .. }));
}

pub(crate) async fn nothing_works_when_it_is_closed(store: Arc<dyn Store>) {
    store.create(user("john")).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    for error in [
        store.create(user("jane")).await.unwrap_err(),
        store.get(id(1)).await.unwrap_err(),
        store.changes(0, 1).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Closed), "{error}");
    }
}

/// Runs the suite on stores that this expression makes, anew for each test, as
/// `Some((Arc<dyn Store>, what has to live as long as it))`; `None` where there
/// can be none.
macro_rules! store_suite {
    ($fresh:expr) => {
        $crate::store::suite::store_suite!(
            $fresh;
            users_are_kept_whole,
            an_email_is_of_one_user_in_any_case,
            no_id_is_given_twice,
            changes_change_what_they_say,
            a_batch_is_made_whole_or_not_at_all,
            each_is_made_that_can_be,
            writes_that_share_a_commit_share_no_refusal,
            syncing_finds_by_id_and_else_by_email,
            pages_go_by_id_and_nothing_shifts_them,
            every_change_is_recorded_in_order,
            documents_are_kept_with_what_was_done,
            nothing_works_when_it_is_closed,
        );
    };
    ($fresh:expr; $($test:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let Some((store, _keep)) = $fresh else {
                    return;
                };
                $crate::store::suite::$test(store).await;
            }
        )*
    };
}
pub(crate) use store_suite;
