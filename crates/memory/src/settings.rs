//! How a memory is opened. The values come from whoever runs it; there are no
//! flags and no environment variables here.

use std::path::PathBuf;

use portolan_sqlite::Durability;

use crate::embedding::{Dimension, Metric};

/// How a memory is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data folder, made when it is missing.
    pub data: PathBuf,
    /// The dimension of every vector in every namespace. Without it, the first
    /// vector stored in a namespace fixes the dimension there, for good.
    pub dimension: Option<Dimension>,
    /// How vectors are compared. Vectors are kept as they were given, so this
    /// may change from one start to the next.
    pub metric: Metric,
    /// What an answered write survives.
    pub durability: Durability,
}

impl Settings {
    /// The defaults, over this data folder.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            dimension: None,
            metric: Metric::default(),
            durability: Durability::default(),
        }
    }
}
