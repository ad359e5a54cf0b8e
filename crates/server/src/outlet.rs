//! Where the lines of the log leave the process: standard error. Lines that come
//! by the thousand are gathered for a moment and written together, so that a
//! call does not pay for a system call; every other line is written at once,
//! after those that came before it.

use std::io::{self, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How long to wait for room where one cannot wait in the system: a standard
/// error that somebody else has made non-blocking.
const ROOM: Duration = Duration::from_millis(1);

/// What this process has gathered.
static LINES: Lines = Lines {
    gathers: AtomicBool::new(false),
    gathered: Mutex::new(Gathered {
        bytes: Vec::new(),
        asleep: false,
    }),
    came: Condvar::new(),
};

/// Standard error, as a place for lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlet;

struct Lines {
    /// Whether there is a thread that writes what was gathered.
    gathers: AtomicBool,
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
    /// Has lines gathered from now on; to be called once.
    pub(crate) fn open() {
        // The thread ends with the process, and leaves nothing undone then that
        // `flush` does not do.
        let thread = thread::Builder::new().name("log".into());
        let gathers = thread.spawn(|| LINES.write_for_good()).is_ok();
        LINES.gathers.store(gathers, Ordering::Relaxed);
    }

    fn gathers(self) -> bool {
        LINES.gathers.load(Ordering::Relaxed)
    }

    /// Takes a line that may wait for others.
    pub(crate) fn add(self, line: &[u8]) {
        if self.gathers() {
            LINES.add(line);
        } else {
            let _ = write_whole(&mut stderr(), line);
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
        let _ = write_whole(&mut stderr(), &self.bytes);
        self.bytes.clear();
    }
}

/// Writes all of it, and waits for room where `write_all` would leave a line
/// torn.
fn write_whole(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(ROOM),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl MakeWriter<'_> for Outlet {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { waits: false }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> Line {
        Line {
            waits: self.gathers() && metadata.target() == access_log::TARGET,
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
            write_whole(&mut stderr(), line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at a time, and refuses two times of three.
    #[derive(Default)]
    struct Narrow {
        taken: Vec<u8>,
        times: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.times += 1;
            match self.times % 3 {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                1 => Err(io::ErrorKind::Interrupted.into()),
                _ => self.taken.write(&bytes[..bytes.len().min(3)]),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_whole_where_there_is_little_room() {
        let mut narrow = Narrow::default();
        write_whole(&mut narrow, b"a line that is long\n").unwrap();
        assert_eq!(narrow.taken, b"a line that is long\n");
    }

    #[test]
    fn writing_ends_where_nothing_is_taken() {
        let mut full: &mut [u8] = &mut [0; 4];
        let error = write_whole(&mut full, b"longer").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
