//! Users over several processes, and the tables.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_watcher_of_every_process_is_told_the_same_in_order() {
    let Some((_, _, one, other)) = two().await else {
        return;
    };
    const WRITERS: usize = 16;
    const ROUNDS: usize = 12;
    let nodes = [&one, &other];
    let mut watchers: Vec<Subscription> = Vec::new();
    for node in nodes {
        watchers.push(node.watch(Vec::new()).await.unwrap());
    }
    // Each makes somebody and changes it, through one process and the other.
    let writer = |writer: usize| async move {
        let made = nodes[writer % 2].create(user(&format!("w{writer}"))).await;
        let id = made.unwrap().id;
        for round in 0..ROUNDS {
            let change = UserChange {
                name: Some(name(&format!("{writer} {round}"))),
                ..UserChange::default()
            };
            let node = nodes[(writer + round) % 2];
            let changed = node.update(id, change).await.unwrap();
            assert_eq!(changed.name.as_str(), format!("{writer} {round}"));
        }
        if writer.is_multiple_of(4) {
            nodes[writer / 4 % 2].delete(id).await.unwrap();
        }
    };
    let count = WRITERS * (ROUNDS + 1) + WRITERS / 4;
    let watching = async {
        let mut told = Vec::new();
        for watcher in &mut watchers {
            let mut changes = Vec::new();
            for _ in 0..count {
                changes.push(soon(watcher.next()).await.unwrap());
            }
            told.push(changes);
        }
        told
    };
    let (_, told) = tokio::join!(join_all((0..WRITERS).map(writer)), watching);
    assert_eq!(told[0], told[1]);
    let mut rounds: HashMap<UserId, usize> = HashMap::new();
    for (place, change) in told[0].iter().enumerate() {
        assert_eq!(change.sequence, place as i64 + 1, "numbers have no gaps");
        let next = rounds.entry(change.user.id).or_default();
        match change.kind {
            ChangeKind::Created => assert_eq!(*next, 0),
            ChangeKind::Updated => {
                let name = change.user.name.as_str();
                assert!(name.ends_with(&format!(" {}", *next - 1)), "{name}");
            }
            ChangeKind::Deleted => assert_eq!(*next, ROUNDS + 1),
        }
        *next += 1;
    }
    assert_eq!(rounds.len(), WRITERS);
}

#[tokio::test]
async fn who_watches_is_told_nothing_from_before() {
    let Some((_, _, one, other)) = two().await else {
        return;
    };
    for i in 0..20 {
        one.create(user(&format!("before{i}"))).await.unwrap();
        let mut watcher = other.watch(Vec::new()).await.unwrap();
        let made = one.create(user(&format!("after{i}"))).await.unwrap();
        assert_eq!(soon(watcher.next()).await.unwrap().user, made);
    }
}

#[tokio::test]
async fn an_email_is_of_one_user_in_all_processes() {
    let Some((_, _, one, other)) = two().await else {
        return;
    };
    for i in 0..10 {
        let made = join_all([&one, &other, &one, &other].map(|node| {
            let mut new = user("x");
            new.email = email(&format!("Same{i}@example.com"));
            node.create(new)
        }));
        let made = made.await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
        let taken = made.iter().filter_map(|made| made.as_ref().err());
        assert!(taken.clone().all(|one| matches!(one, Error::EmailTaken(_))));
    }
    let token = {
        let size = crate::page::PageSize::new(3).unwrap();
        one.list(size, "").await.unwrap().next.unwrap()
    };
    let size = crate::page::PageSize::new(3).unwrap();
    assert!(
        other.list(size, &token).await.is_ok(),
        "a token holds in both"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_make_the_tables_once() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let url = postgres.database();
    let nodes = join_all((0..6).map(|_| node(&url))).await;
    nodes[0].create(user("john")).await.unwrap();
    for node in &nodes {
        assert!(node.get(UserId::new(1).unwrap()).await.is_ok());
        node.close().await.unwrap();
    }
    let nobody = nodes[0].create(user("late")).await;
    assert!(matches!(nobody, Err(Error::Closed)));
}

#[tokio::test]
async fn a_database_that_cannot_be_used_says_why() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let url = postgres.database();
    node(&url).await.close().await.unwrap();
    postgres.ask(&url, "update portolan_users.format set version = 99");
    let other = postgres.database();
    postgres.ask(
        &other,
        "create database ascii template template0 encoding 'SQL_ASCII'",
    );
    let ascii = format!("{}/ascii", other.rsplit_once('/').unwrap().0);
    let nobody = "postgres://u:hunter2@127.0.0.1:1/x".to_owned();
    let missing = format!("{}/missing", other.rsplit_once('/').unwrap().0);
    for (url, reason) in [
        (
            url,
            "have format 99, but this version knows formats up to 1",
        ),
        (ascii, "its encoding is SQL_ASCII, and has to be UTF8"),
        (nobody, "x on 127.0.0.1:1 cannot be used: error connecting"),
        (missing, "database \"missing\" does not exist"),
    ] {
        let database = Database::new(&url).unwrap();
        let error = Directory::connect(&database).await.err().unwrap();
        let text = error.to_string();
        assert!(text.contains(reason), "{text}");
        assert!(
            text.ends_with("or choose another with --database"),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn the_last_id_is_the_last_and_old_changes_are_forgotten() {
    let Some((postgres, url, one, _)) = two().await else {
        return;
    };
    let sql = format!(
        "update portolan_users.ledger set last_user = {}",
        UserId::MAX - 1
    );
    postgres.ask(&url, &sql);
    let last = one.create(user("john")).await.unwrap();
    assert_eq!(last.id.get(), UserId::MAX);
    let error = one.create(user("jane")).await.unwrap_err();
    assert!(matches!(error, Error::NoMoreIds));
    let sql = "update portolan_users.ledger set last_user = 0, last_change = 30999";
    postgres.ask(&url, sql);
    one.create(user("jane")).await.unwrap();
    let kept = postgres.ask(&url, "select min(sequence) from portolan_users.change");
    assert_eq!(kept, "31000");
    let changes = one.watch(Vec::new()).await;
    assert!(changes.is_ok());
}

/// How many users a second are made, one by one by many at once: for whoever
/// asks for it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn how_fast_users_are_made() {
    let Some((_, _, one, other)) = two().await else {
        return;
    };
    for (nodes, what) in [([&one, &one], "one process"), ([&one, &other], "two")] {
        let begin = std::time::Instant::now();
        join_all((0..64).map(|writer| async move {
            for i in 0..50 {
                let who = user(&format!("{what}{writer}x{i}").replace(' ', "-"));
                nodes[writer % 2].create(who).await.unwrap();
            }
        }))
        .await;
        let rate = 3200.0 / begin.elapsed().as_secs_f64();
        eprintln!("{what}: {rate:.0} users a second");
    }
}
