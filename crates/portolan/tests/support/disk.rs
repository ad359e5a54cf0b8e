//! A disk of a few megabytes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::{Folder, Server};

/// A process with a file system of its own of a few megabytes, mounted on the
/// folder's data. It is gone when the process is.
pub(crate) struct SmallDisk {
    holder: Child,
    pub(crate) data: String,
}

impl SmallDisk {
    /// `None` where the system lets nobody mount, as in some containers.
    pub(crate) fn mount(folder: &Folder, megabytes: u32) -> Option<Self> {
        let disk = folder.join("disk");
        fs::create_dir(&disk).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={megabytes}m,mode=755 tmpfs '{disk}' && echo mounted && exec cat"
        );
        // As an administrator one may mount; others may in a user namespace.
        let namespaces = if is_administrator() { "-m" } else { "-rm" };
        let mut holder = Command::new("unshare")
            .args([namespaces, "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if line != "mounted\n" {
            holder.kill().unwrap();
            holder.wait().unwrap();
            return None;
        }
        Some(Self {
            holder,
            data: format!("{disk}/data"),
        })
    }

    /// The words before a command that runs it with this disk.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let holder = self.holder.id().to_string();
        let mut words = vec![
            "nsenter".to_owned(),
            "-t".to_owned(),
            holder,
            "-m".to_owned(),
        ];
        if !is_administrator() {
            words.extend(["-U".to_owned(), "--preserve-credentials".to_owned()]);
        }
        words
    }

    pub(crate) fn start(&self, folder: &Folder) -> Server {
        Server::start_within(&self.prefix(), folder, &self.data)
    }

    /// Runs a shell command on the disk.
    pub(crate) fn run(&self, script: &str) -> bool {
        let mut words = self.prefix();
        words.extend(["sh".to_owned(), "-c".to_owned(), script.to_owned()]);
        Command::new(&words[0])
            .args(&words[1..])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn is_administrator() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}
