//! A database that goes away, says nothing or takes too long.

use super::{together::say, *};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_loses_no_change_and_ends_talks() {
    let Some((postgres, url, one, other)) = two().await else {
        return;
    };
    let mut watcher = other.watch(Vec::new()).await.unwrap();
    let mut talker = other.rooms().enter(RoomName::default()).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        deafen(postgres, &url);
        for i in 0..10 {
            match one.create(user(&format!("u{round}-{i}"))).await {
                Ok(made) => acknowledged.push(made),
                Err(Error::Unavailable) => stands(&one, true).await,
                Err(error) => panic!("{error}"),
            }
        }
    }
    let last = acknowledged.last().unwrap().clone();
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        told.push(soon(watcher.next()).await.unwrap().user.clone());
    }
    assert!(acknowledged.iter().all(|made| told.contains(made)));
    let gone = soon(talker.hear()).await.unwrap_err();
    assert!(matches!(gone, Error::Unavailable));
    drop(talker);
    stands(&other, true).await;
    let again = other.rooms().enter(RoomName::default()).unwrap();
    say(&again, "a", "here again").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_said_to_be_at_once_and_comes_back() {
    let Some(postgres) = Postgres::start(&[], &[]) else {
        return;
    };
    let node = node(&postgres.database()).await;
    let mut watcher = node.watch(Vec::new()).await.unwrap();
    let id = node.create(user("before")).await.unwrap().id;
    postgres.stop();
    stands(&node, false).await;
    let begin = std::time::Instant::now();
    let away = node.get(id).await.unwrap_err();
    assert_eq!(
        away.to_string(),
        "the database of the users does not answer; try again in a moment"
    );
    assert!(matches!(
        node.create(user("away")).await,
        Err(Error::Unavailable)
    ));
    assert!(matches!(
        node.watch(Vec::new()).await,
        Err(Error::Unavailable)
    ));
    assert!(begin.elapsed() < Duration::from_secs(5));
    postgres.start_again();
    stands(&node, true).await;
    assert!(node.get(id).await.is_ok());
    node.create(user("after")).await.unwrap();
    // Who watched goes on to.
    for name in ["before", "after"] {
        let change = soon(watcher.next()).await.unwrap();
        assert_eq!(change.user.name.as_str(), name);
    }
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_says_nothing_is_away_too() {
    let Some(postgres) = Postgres::start(&[], &[]) else {
        return;
    };
    let second = Duration::from_secs(1);
    let database = Database::new(&postgres.database()).unwrap();
    let database = database
        .with_connect_timeout(second)
        .with_statement_timeout(second);
    let node = Directory::connect(&database).await.unwrap();
    let id = node.create(user("john")).await.unwrap().id;
    postgres.freeze();
    let (read, written, ()) = tokio::join!(
        soon(node.get(id)),
        soon(node.create(user("jane"))),
        stands(&node, false),
    );
    assert!(matches!(read, Err(Error::Unavailable)), "{read:?}");
    assert!(matches!(written, Err(Error::Unavailable)), "{written:?}");
    postgres.thaw();
    stands(&node, true).await;
    assert!(node.get(id).await.is_ok());
    // Whether it was made is not known before one looks.
    match node.create(user("jane")).await {
        Ok(_) | Err(Error::EmailTaken(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_connections_are_in_use_nobody_waits_for_ever() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let database = Database::new(&postgres.database()).unwrap();
    let database = database
        .with_connections(1)
        .with_connect_timeout(Duration::from_millis(300));
    let node = Directory::connect(&database).await.unwrap();
    let john = node.create(user("john")).await.unwrap();
    let (mut holder, connection) = database
        .config()
        .connect(database.tls().clone())
        .await
        .unwrap();
    let driving = tokio::spawn(connection);
    let held = holder.transaction().await.unwrap();
    held.execute("select from portolan_users.ledger for update", &[])
        .await
        .unwrap();
    // The one connection waits for the ledger, and who reads for the connection.
    let (written, read) = tokio::join!(node.create(user("jane")), async {
        let read = loop {
            match node.get(john.id).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        held.rollback().await.unwrap();
        read
    });
    assert!(matches!(read, Error::Unavailable));
    assert!(written.is_ok());
    drop(holder);
    soon(driving).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let url = postgres.database();
    let database = Database::new(&url).unwrap();
    let database = database.with_statement_timeout(Duration::from_millis(300));
    let node = Directory::connect(&database).await.unwrap();
    node.create(user("john")).await.unwrap();
    // Somebody holds the ledger and does nothing.
    let (mut holder, connection) = database
        .config()
        .options("")
        .connect(database.tls().clone())
        .await
        .unwrap();
    let driving = tokio::spawn(connection);
    let held = holder.transaction().await.unwrap();
    held.execute("select from portolan_users.ledger for update", &[])
        .await
        .unwrap();
    let late = soon(node.create(user("jane"))).await;
    assert!(matches!(late, Err(Error::Unavailable)));
    assert!(
        node.get(UserId::new(1).unwrap()).await.is_ok(),
        "reads go on"
    );
    held.rollback().await.unwrap();
    assert!(node.create(user("jane")).await.is_ok());
    drop(holder);
    soon(driving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_write_that_panics_fails_alone() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let database = Database::new(&postgres.database()).unwrap();
    let store = PostgresStore::connect(&database, Arc::new(Deaf)).await;
    let store = store.unwrap();
    let never = |_: &mut draft::Draft| -> Result<(), Error> { panic!("on purpose") };
    let error = store.writer.write(Needs::default(), 0, never).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "the users' database failed: the write ended in a panic"
    );
    assert_eq!(store.create(user("john")).await.unwrap().id.get(), 1);
}
