//! What the services share of SQLite: a data folder that one process holds, a
//! database in it that is brought to its newest format, one writer that commits
//! for many at once, and readers beside the async runtime.
//!
//! What the tables are, and what is written into them, is for the services.

mod database;
mod fault;
mod folder;
mod readers;
mod writer;

pub use self::{
    database::{Durability, Format, Purpose},
    fault::Fault,
    folder::{Folder, sync},
    readers::{Readers, blocking},
    writer::{Answer, Desk, Job, Writer},
};
