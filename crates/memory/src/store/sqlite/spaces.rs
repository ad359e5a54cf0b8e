//! The namespaces as searches see them: their vectors in memory, and their
//! figures. The writer changes them when a commit is durable, and nobody else.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use rusqlite::Connection;

use crate::{
    embedding::{Dimension, Metric},
    error::Invalid,
    names::Namespace,
    vector::Matrix,
};

/// All namespaces that have ever held a memory.
#[derive(Debug)]
pub(super) struct Spaces {
    metric: Metric,
    /// The dimension of namespaces in which none is fixed.
    dimension: Option<Dimension>,
    spaces: RwLock<HashMap<Namespace, Arc<Space>>>,
}

/// A namespace.
#[derive(Debug)]
pub(super) struct Space {
    /// Its number in the database.
    pub(super) number: i64,
    state: RwLock<State>,
}

/// What a namespace holds, after the last commit.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) memories: u64,
    /// The vectors; there once the dimension is fixed.
    pub(super) matrix: Option<Matrix>,
}

impl Space {
    /// The state as it is now. It costs a counter for each thousand vectors,
    /// and writers do not wait for whoever keeps it.
    pub(super) fn snapshot(&self) -> State {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn dimension(&self) -> Option<Dimension> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.matrix.as_ref().map(Matrix::dimension)
    }

    /// Changes the state; for the writer.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Spaces {
    pub(super) fn new(metric: Metric, dimension: Option<Dimension>) -> Self {
        Self {
            metric,
            dimension,
            spaces: RwLock::default(),
        }
    }

    /// Reads all namespaces and their vectors from the database, and has them in
    /// the place of those there were.
    pub(super) fn load(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut by_number: HashMap<i64, Arc<Space>> = HashMap::new();
        let mut spaces = HashMap::new();
        let mut namespaces =
            connection.prepare("select id, name, dimension, memories from namespace")?;
        let mut rows = namespaces.query([])?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            let name: String = row.get(1)?;
            let namespace = Namespace::new(&name).map_err(|error| unreadable(1, error))?;
            let dimension = row
                .get::<_, Option<usize>>(2)?
                .map(Dimension::new)
                .transpose()
                .map_err(|error| unreadable(2, error))?;
            let space = Arc::new(Space {
                number,
                state: RwLock::default(),
            });
            spaces.insert(namespace, space.clone());
            space.change(|state| {
                state.matrix = dimension.map(|dimension| self.matrix(dimension));
            });
            let memories = row.get(3)?;
            space.change(|state| state.memories = memories);
            by_number.insert(number, space);
        }
        let mut vectors = connection
            .prepare("select memory, namespace, components from vector order by memory")?;
        let mut rows = vectors.query([])?;
        let mut components = Vec::new();
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let blob = row.get_ref(2)?.as_blob()?;
            components.clear();
            extend_components(blob, &mut components);
            let Some(space) = by_number.get(&row.get(1)?) else {
                continue;
            };
            let mut lost = false;
            space.change(|state| match &mut state.matrix {
                Some(matrix) if matrix.dimension().components() == components.len() => {
                    matrix.push(number, &components);
                }
                _ => lost = true,
            });
            if lost {
                let got = components.len();
                return Err(unreadable(2, Invalid::Dimension { got }));
            }
        }
        *self.spaces.write().unwrap_or_else(PoisonError::into_inner) = spaces;
        Ok(())
    }

    /// The namespace, if it has ever held a memory.
    pub(super) fn get(&self, namespace: &Namespace) -> Option<Arc<Space>> {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        spaces.get(namespace).cloned()
    }

    /// How many namespaces there are.
    pub(super) fn len(&self) -> usize {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        spaces.len()
    }

    /// Every namespace in which a dimension is fixed.
    pub(super) fn dimensions(&self) -> Vec<(Namespace, Dimension)> {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        let mut dimensions: Vec<_> = spaces
            .iter()
            .filter_map(|(name, space)| Some((name.clone(), space.dimension()?)))
            .collect();
        dimensions.sort_by(|a, b| a.0.cmp(&b.0));
        dimensions
    }

    /// The dimension that vectors must have in a namespace, once it is fixed.
    pub(super) fn dimension(&self, space: Option<&Space>) -> Option<Dimension> {
        space.and_then(Space::dimension).or(self.dimension)
    }

    /// Adds a namespace; for the writer.
    pub(super) fn add(&self, namespace: Namespace, number: i64) -> Arc<Space> {
        let space = Arc::new(Space {
            number,
            state: RwLock::default(),
        });
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        spaces.insert(namespace, space.clone());
        space
    }

    /// An empty matrix for a namespace whose dimension was fixed.
    pub(super) fn matrix(&self, dimension: Dimension) -> Matrix {
        Matrix::new(dimension, self.metric)
    }
}

/// Reads the components of a vector, which are kept as little-endian floats.
pub(super) fn extend_components(blob: &[u8], components: &mut Vec<f32>) {
    let (floats, _) = blob.as_chunks::<4>();
    components.extend(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)));
}

/// Writes the components of a vector over what `blob` held.
pub(super) fn write_components(components: &[f32], blob: &mut Vec<u8>) {
    blob.clear();
    blob.resize(size_of_val(components), 0);
    let (floats, _) = blob.as_chunks_mut::<4>();
    for (bytes, component) in floats.iter_mut().zip(components) {
        *bytes = component.to_le_bytes();
    }
}

fn unreadable(column: usize, error: Invalid) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
}
