//! How a directory is opened. The values come from whoever runs it; there are
//! no flags and no environment variables here.

use std::path::PathBuf;

use portolan_sqlite::Durability;

/// How a directory is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data folder, made when it is missing. Other services may keep theirs
    /// in the same one.
    pub data: PathBuf,
    /// What an answered write survives. Uploads always survive both.
    pub durability: Durability,
}

impl Settings {
    /// The defaults, over this data folder.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            durability: Durability::default(),
        }
    }
}
