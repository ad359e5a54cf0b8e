//! A real PostgreSQL for tests: it starts on a port of its own, over a folder of
//! its own, and ends with the process that started it, however that ends.
//!
//! Its programs are looked for in the folder that `PORTOLAN_POSTGRES` names,
//! which `cargo xtask test` sets, then on the path. Where there are none, tests
//! say so and do nothing; where the variable `CI` is `true` they fail.

use std::{
    env,
    fs::{self, Permissions},
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Names the folder with PostgreSQL's programs.
pub const PROGRAMS: &str = "PORTOLAN_POSTGRES";

/// How long it may take to start; tests share the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whoever is nobody: the server refuses to run as root.
const NOBODY: u32 = 65534;

/// Starts, stops and starts again as it is told on its input, and ends with
/// that: stopping is dying, as the server is not told to finish anything.
const KEEPER: &str = r#"
programs=$1; folder=$2; shift 2
start() { "$programs/postgres" -D "$folder/data" "$@" </dev/null >>"$folder/log" 2>&1 & server=$!; }
stop() { kill -QUIT $server 2>/dev/null; wait $server; }
all() { kill -$1 $server $(cat /proc/$server/task/$server/children); }
start "$@"
while read -r order; do
    case $order in
        stop) stop; echo stopped;;
        start) start "$@"; echo started;;
        freeze) all STOP; echo frozen;;
        thaw) all CONT; echo thawed;;
    esac
done
stop
rm -rf "$folder"
"#;

/// A running PostgreSQL, which is removed when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    address: SocketAddr,
    databases: AtomicU32,
    keeper: Mutex<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    process: Child,
    /// Closed, it ends the server.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Postgres {
    /// One for all tests of a process; `None` where there are no programs, which
    /// is said.
    ///
    /// # Panics
    /// When there are none and `CI` is `true`, or when they do not work.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[], &[])).as_ref()
    }

    /// One of its own for a test, with these settings, and files by their names
    /// and contents in the data folder.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    pub fn start(settings: &[&str], files: &[(&str, &str)]) -> Option<Self> {
        let Some(programs) = programs() else {
            assert_ne!(
                env::var("CI").as_deref(),
                Ok("true"),
                "{PROGRAMS} names no folder with PostgreSQL's programs"
            );
            // Past the test runner, which keeps to itself what a passing test says.
            let said = writeln!(
                io::stderr(),
                "left out, since there is no PostgreSQL here: run `cargo xtask test rust`, or \
                 set {PROGRAMS} to the folder with initdb and postgres"
            );
            drop(said);
            return None;
        };
        Some(Self::begin(programs, settings, files))
    }

    fn begin(programs: PathBuf, settings: &[&str], files: &[(&str, &str)]) -> Self {
        let place = [env::temp_dir(), PathBuf::from("/tmp")];
        let place = place.iter().find(|place| is_reachable(place));
        let made = tempfile::Builder::new()
            .prefix("portolan-postgres-")
            .tempdir_in(place.expect("the system has a folder for temporary files"))
            .expect("one may write there");
        let folder = made.path().to_path_buf();
        let give = |path: &Path| {
            if is_root() {
                chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
            }
        };
        give(&folder);
        let programs = reachable(programs, &folder);
        let data = folder.join("data");
        let mut initdb = unprivileged(Command::new(programs.join("initdb")));
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--pgdata"])
            .arg(&data);
        run(&mut initdb);
        for (name, content) in files {
            let path = data.join(name);
            fs::write(&path, content).expect("the folder is ours");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("so is the file");
            give(&path);
        }
        let address = free();
        let mut keeper = unprivileged(Command::new("sh"));
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&programs)
            .arg(&folder)
            .args(["-p", &address.port().to_string(), "-h", "127.0.0.1"])
            .args(["-k", "", "-c", "fsync=off", "-c", "max_connections=200"])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .current_dir("/")
            // An interrupt from the terminal is not for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = keeper.spawn().expect("there is a shell");
        // From here on the keeper removes it.
        let _ = made.keep();
        let orders = process.stdin.take();
        let answers = process.stdout.take().expect("its output is piped");
        let postgres = Self {
            programs,
            folder,
            address,
            databases: AtomicU32::new(0),
            keeper: Mutex::new(Keeper {
                process,
                orders,
                answers: BufReader::new(answers),
            }),
        };
        postgres.wait();
        postgres
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a new database.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        self.psql("postgres", &format!("create database {name}"));
        format!("postgres://postgres@{}/{name}", self.address)
    }

    /// Asks a database, by its URL, and gives what it says, a row a line.
    ///
    /// # Panics
    /// When it refuses.
    pub fn ask(&self, url: &str, sql: &str) -> String {
        let name = url.rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        self.psql(name, sql)
    }

    fn psql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.client("psql");
        psql.args(["--dbname", database, "--no-psqlrc", "--quiet"])
            .args(["--tuples-only", "--no-align", "--command", sql]);
        run(&mut psql).trim_end().to_owned()
    }

    /// Kills it: nothing is finished, and every connection ends.
    ///
    /// # Panics
    /// When it cannot be told to.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Starts it again where it was, and waits until it is there.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        self.order("start");
        self.wait();
    }

    /// Stops its clocks: connections stay, and nothing comes on them.
    ///
    /// # Panics
    /// When it cannot be told to.
    pub fn freeze(&self) {
        self.order("freeze");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it cannot be told to.
    pub fn thaw(&self) {
        self.order("thaw");
    }

    fn order(&self, order: &str) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = keeper.orders.as_mut().expect("it is there until dropped");
        writeln!(orders, "{order}").expect("the keeper reads");
        let mut answer = String::new();
        let read = keeper.answers.read_line(&mut answer);
        read.expect("the keeper answers");
    }

    fn client(&self, name: &str) -> Command {
        let mut client = Command::new(self.programs.join(name));
        client
            .args(["--host", "127.0.0.1", "--username", "postgres", "--port"])
            .arg(self.address.port().to_string());
        client
    }

    fn wait(&self) {
        let begin = Instant::now();
        loop {
            let mut ready = self.client("pg_isready");
            let ready = ready.arg("--quiet").stdin(Stdio::null()).status();
            if ready.expect("pg_isready is beside the others").success() {
                return;
            }
            if begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("PostgreSQL does not start: {log}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let keeper = self
            .keeper
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        keeper.orders = None;
        drop(keeper.process.wait());
    }
}

/// The folder with the programs.
fn programs() -> Option<PathBuf> {
    let folder = match env::var_os(PROGRAMS) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let path = env::var_os("PATH")?;
            let found = env::split_paths(&path).find(|folder| folder.join("initdb").exists())?;
            // A link leads to where the others are.
            let initdb = found.join("initdb").canonicalize().ok()?;
            initdb.parent()?.to_path_buf()
        }
    };
    let needed = ["initdb", "postgres", "psql", "pg_isready"];
    let has_all = needed.iter().all(|name| folder.join(name).exists());
    has_all.then_some(folder)
}

/// A port that nobody has.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has ports");
    listener.local_addr().expect("it is bound")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Whether the server can reach it.
fn is_reachable(path: &Path) -> bool {
    let open = |path: &Path| fs::metadata(path).is_ok_and(|found| found.mode() & 0o001 != 0);
    !is_root() || path.ancestors().all(open)
}

/// Where the server can reach its programs: where they are, or copied into the
/// folder when only root may go there.
fn reachable(programs: PathBuf, folder: &Path) -> PathBuf {
    if is_reachable(&programs) {
        return programs;
    }
    let names: Vec<_> = programs.iter().rev().take(3).collect();
    let (Some(around), &[bin, installed, package]) = (programs.ancestors().nth(3), &names[..])
    else {
        return programs;
    };
    let copy = folder.join("programs");
    let place = copy.join(package);
    fs::create_dir_all(&place).expect("the folder is ours");
    let from = around.join(package).join(installed);
    run(Command::new("cp").arg("-a").arg(from).arg(&place));
    // Libraries of a Python package lie beside it.
    let mut libraries = package.to_os_string();
    libraries.push(".libs");
    let libraries = around.join(libraries);
    if libraries.exists() {
        run(Command::new("cp").arg("-a").arg(libraries).arg(&copy));
    }
    // So that the keeper may remove it.
    let nobody = format!("{NOBODY}:{NOBODY}");
    run(Command::new("chown").args(["-R", &nobody]).arg(&copy));
    place.join(installed).join(bin)
}

fn unprivileged(mut command: Command) -> Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Runs a program to its end and gives what it printed.
fn run(command: &mut Command) -> String {
    let output = command
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{command:?} does not start ({error}); of root's tests it is run by nobody")
        });
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?}: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed.into_owned()
}
