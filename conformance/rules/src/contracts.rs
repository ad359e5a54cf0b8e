//! All of googleapis as one descriptor set. Compiling takes a minute or so, and
//! the result is kept.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use prost_reflect::prost::Message as _;
use prost_reflect::prost::encoding::{decode_key, decode_varint};
use prost_reflect::prost_types::FileDescriptorProto;
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};

/// Contracts of the package that are not whole: tests of protobuf itself, whose
/// imports it leaves out.
const WITHOUT: [&str; 1] = ["google/protobuf"];

/// The descriptor set of every file below `protos`, kept in `kept`.
pub(crate) fn compiled(protos: &Path, kept: &Path) -> Result<Vec<u8>> {
    if let Ok(set) = fs::read(kept) {
        return Ok(set);
    }
    let mut files = Vec::new();
    collect(protos, protos, &mut files)?;
    files.sort();
    if files.is_empty() {
        bail!("{} has no contracts", protos.display());
    }
    println!("compiling {} files", files.len());
    // The compiler's own descriptor.proto first: it does not read the newest.
    let mut resolver = ChainFileResolver::new();
    resolver.add(GoogleFileResolver::new());
    resolver.add(IncludeFileResolver::new(protos.to_path_buf()));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    for file in &files {
        compiler
            .open_file(slashed(file))
            .with_context(|| format!("{} does not compile", file.display()))?;
    }
    let set = compiler.encode_file_descriptor_set();
    // Whole or not at all: another run may be reading.
    let part = kept.with_extension("part");
    fs::write(&part, &set)?;
    fs::rename(part, kept)?;
    Ok(set)
}

/// A file name as contracts have it.
fn slashed(file: &Path) -> String {
    let parts = file.iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.strip_prefix(root)?;
        if path.is_dir() {
            let left_out = WITHOUT.iter().any(|folder| name == Path::new(folder));
            if !left_out && name != Path::new("build") {
                collect(root, &path, files)?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(name.to_path_buf());
        }
    }
    Ok(())
}

/// The files of a descriptor set, each as its bytes, with what it imports.
pub(crate) struct Files<'a> {
    files: HashMap<String, (&'a [u8], Vec<String>)>,
}

impl<'a> Files<'a> {
    pub(crate) fn of(set: &'a [u8]) -> Result<Self> {
        let mut files = HashMap::new();
        let mut rest = set;
        while !rest.is_empty() {
            let before = rest;
            decode_key(&mut rest)?;
            let length = usize::try_from(decode_varint(&mut rest)?)?;
            let (inner, after) = rest.split_at(length);
            let record = &before[..before.len() - after.len()];
            let file = FileDescriptorProto::decode(inner)?;
            files.insert(file.name().to_owned(), (record, file.dependency));
            rest = after;
        }
        Ok(Self { files })
    }

    /// A file and everything that it needs, as a descriptor set.
    pub(crate) fn alone(&self, file: &str) -> Vec<u8> {
        let mut wanted = vec![file];
        let mut seen = HashSet::new();
        let mut set = Vec::new();
        while let Some(name) = wanted.pop() {
            if let Some((record, imports)) = self.files.get(name)
                && seen.insert(name)
            {
                set.extend_from_slice(record);
                wanted.extend(imports.iter().map(String::as_str));
            }
        }
        set
    }
}
