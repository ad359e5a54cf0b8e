//! Where the lines of the log leave the process: standard error. Lines that come
//! by the thousand are gathered for a moment and written together, so that a
//! call does not pay for a system call; every other line is written at once,
//! after those that came before it.

use std::io::{self, Write, stderr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::edge::access_log;

/// How long a line waits for others.
const WAIT: Duration = Duration::from_millis(20);
/// How many bytes are gathered at most. Whoever adds more writes them, and waits
/// until they are taken.
const MOST: usize = 64 * 1024;

/// What this process has gathered.
static LINES: Lines = Lines {
    gathered: Mutex::new(Gathered {
        bytes: Vec::new(),
        asleep: false,
    }),
    came: Condvar::new(),
};

/// Standard error, as a place for lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlet {
    /// Whether there is a thread that writes what was gathered.
    gathers: bool,
}

struct Lines {
    gathered: Mutex<Gathered>,
    came: Condvar,
}

struct Gathered {
    bytes: Vec<u8>,
    /// Whether the thread that writes has to be told when a line comes.
    asleep: bool,
}

/// Writes what was gathered. To be called when nothing more is to come.
pub(crate) fn flush() {
    LINES.lock().write();
}

impl Outlet {
    /// Opens it; to be called once.
    pub(crate) fn open() -> Self {
        // The thread ends with the process, and leaves nothing undone then that
        // `flush` does not do.
        let thread = thread::Builder::new().name("log".into());
        Self {
            gathers: thread.spawn(|| LINES.write_for_good()).is_ok(),
        }
    }
}

impl Outlet {
    /// Takes a line that may wait for others.
    pub(crate) fn add(self, line: &[u8]) {
        if self.gathers {
            LINES.add(line);
        } else {
            let _ = stderr().write_all(line);
        }
    }
}

impl Lines {
    fn write_for_good(&self) -> ! {
        loop {
            let mut gathered = self.lock();
            while gathered.bytes.is_empty() {
                gathered.asleep = true;
                gathered = self
                    .came
                    .wait(gathered)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            gathered.asleep = false;
            drop(gathered);
            thread::sleep(WAIT);
            self.lock().write();
        }
    }

    fn add(&self, line: &[u8]) {
        let mut gathered = self.lock();
        gathered.bytes.extend_from_slice(line);
        if gathered.bytes.len() >= MOST {
            gathered.write();
        } else if std::mem::take(&mut gathered.asleep) {
            self.came.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    /// Without a standard error there is nobody to tell.
    fn write(&mut self) {
        let _ = stderr().write_all(&self.bytes);
        self.bytes.clear();
    }
}

impl MakeWriter<'_> for Outlet {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { waits: false }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> Line {
        Line {
            waits: self.gathers && metadata.target() == access_log::TARGET,
        }
    }
}

/// One line on its way out.
pub(crate) struct Line {
    /// Whether it may wait for others.
    waits: bool,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.waits {
            LINES.add(line);
        } else {
            let mut gathered = LINES.lock();
            gathered.write();
            stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
