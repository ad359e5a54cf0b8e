//! The shared store: the suite of all stores, and what is its own: several
//! processes at once, and a database that comes and goes. Each process is a
//! directory of its own here.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use portolan_postgres::Postgres;
use rustls::pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    directory::Directory,
    document::{Author, Doing, Operation},
    feed::Subscription,
    rooms::{Message, Participant, RoomName, Saying},
    store::{
        ChangeKind,
        suite::{email, name, store_suite, user},
    },
    uploads::FileFacts,
};

/// How long anything may take; tests share the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What hears nothing.
struct Deaf;

impl Ears for Deaf {
    fn edited(&self, _: &DocumentId, _: i64) {}

    fn open_documents(&self) -> Vec<DocumentId> {
        Vec::new()
    }

    fn said(&self, _: &RoomName, _: Message) {}

    fn cut(&self) {}

    fn mended(&self) {}
}

async fn fresh() -> Option<(Arc<dyn Store>, ())> {
    let url = Postgres::shared()?.database();
    let database = Database::new(&url).unwrap();
    let store = PostgresStore::connect(&database, Arc::new(Deaf)).await;
    Some((Arc::new(store.unwrap()), ()))
}

store_suite!(fresh().await);

async fn node(url: &str) -> Directory {
    let database = Database::new(url).unwrap();
    Directory::connect(&database).await.unwrap()
}

/// Two processes over one new database.
async fn two() -> Option<(&'static Postgres, String, Directory, Directory)> {
    let postgres = Postgres::shared()?;
    let url = postgres.database();
    let (one, other) = (node(&url).await, node(&url).await);
    Some((postgres, url, one, other))
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it takes too long")
}

/// Waits until a directory can, or cannot, reach its database.
async fn stands(directory: &Directory, stands: bool) {
    let mut standing = directory.standing();
    soon(standing.wait_for(|now| *now == stands)).await.unwrap();
}

/// The connections that listen, killed.
fn deafen(postgres: &Postgres, url: &str) {
    let killed = postgres.ask(
        url,
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    );
    assert_ne!(killed, "0");
}

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

async fn say(participant: &Participant, author: &str, content: &str) -> Result<(), Error> {
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

fn facts(size: i64) -> FileFacts {
    FileFacts::new("a.bin", size, "").unwrap()
}

#[tokio::test]
async fn files_are_kept_in_parts_and_those_given_up_are_removed() {
    let Some((postgres, url, one, other)) = two().await else {
        return;
    };
    let count = |table: &str| {
        postgres.ask(
            &url,
            &format!("select count(*) from portolan_users.{table}"),
        )
    };
    // The same file through both, cut differently.
    let content: Vec<u8> = (0..700_000_u32).map(|i| (i % 251) as u8).collect();
    let mut ids = Vec::new();
    for (node, cut) in [(&one, 1000), (&other, 300_000)] {
        let mut upload = node.uploads().begin(facts(700_000)).await.unwrap();
        for chunk in content.chunks(cut) {
            upload.write(chunk).await.unwrap();
        }
        ids.push(upload.finish().await.unwrap().id);
    }
    assert_eq!(ids[0], ids[1]);
    let kept = postgres.ask(
        &url,
        "select 'file_' || encode(sha256, 'hex'), size, (
            select encode(sha256(string_agg(bytes, '' order by number)), 'hex')
            from portolan_users.part where part.upload = file.upload
         ) = encode(sha256, 'hex') from portolan_users.file",
    );
    assert_eq!(kept, format!("{}|700000|t", ids[0]));
    let empty = one.uploads().begin(facts(0)).await.unwrap();
    assert_eq!(empty.finish().await.unwrap().size, 0);
    let mut abandoned = one.uploads().begin(facts(600_000)).await.unwrap();
    abandoned.write(content[..400_000].to_vec()).await.unwrap();
    assert_eq!(count("part"), "4");
    drop(abandoned);
    // The one that was there twice is one, too.
    soon(async {
        while (count("upload"), count("part")) != ("2".into(), "3".into()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut rested = one.uploads().begin(facts(600_000)).await.unwrap();
    rested.write(content[..400_000].to_vec()).await.unwrap();
    postgres.ask(
        &url,
        "delete from portolan_users.upload where id = (select max(id) from portolan_users.upload)",
    );
    let forgotten = rested.write(vec![0; 300_000]);
    assert!(forgotten.await.is_err());
}

/// A server's TLS in front of a database that has none: it answers the request
/// for it (PostgreSQL's manual, "SSL Session Encryption") and passes on what is
/// inside.
async fn encrypted(certified: &rcgen::CertifiedKey<rcgen::KeyPair>, to: SocketAddr) -> u16 {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let mut request = [0; 8];
                client.read_exact(&mut request).await?;
                assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(to).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_is_believed_as_far_as_sslmode_says() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = |name: &str, pem: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let known = authority("known.pem", certified.cert.pem());
    let other = authority("other.pem", stranger.cert.pem());
    let port = encrypted(&certified, postgres.address()).await;
    let name = postgres.database();
    let name = name.rsplit('/').next().unwrap();
    for (host, parameters, believed) in [
        ("127.0.0.1", String::new(), true),
        ("127.0.0.1", "sslmode=require".to_owned(), true),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={known}"),
            true,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={other}"),
            false,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={known}"),
            false,
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={known}"),
            true,
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other}"),
            false,
        ),
        ("localhost", "sslmode=verify-full".to_owned(), false),
    ] {
        let url = format!("postgres://postgres@{host}:{port}/{name}?{parameters}");
        let database = Database::new(&url).unwrap();
        let connected = Directory::connect(&database).await;
        assert_eq!(connected.is_ok(), believed, "{parameters}");
        if let Err(error) = connected {
            assert!(error.to_string().contains("TLS handshake"), "{error}");
        }
    }
    // A server without it is left alone by those who ask for it.
    let url = format!(
        "postgres://postgres@{}/{name}?sslmode=require",
        postgres.address()
    );
    let error = Directory::connect(&Database::new(&url).unwrap()).await;
    assert!(error.is_err());
}
