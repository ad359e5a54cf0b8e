//! Contracts out of files: `.proto` files compiled, descriptor sets read, and
//! rules that take the place of theirs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use portolan_schema::Schema;
use portolan_schema::http::ServiceConfig;
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

use crate::files;

/// The files that almost every contract with HTTP rules imports and nobody has
/// at hand, with the names under which they are imported.
const BUILT_IN: [(&str, &str); 2] = [
    (
        "google/api/annotations.proto",
        include_str!("../../../proto/google/api/annotations.proto"),
    ),
    (
        "google/api/http.proto",
        include_str!("../../../proto/google/api/http.proto"),
    ),
];

/// Where contracts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// `.proto` files, or folders of them.
    pub(crate) proto: Vec<PathBuf>,
    /// Folders in which imports are looked for, before those above.
    pub(crate) include: Vec<PathBuf>,
    /// Encoded `google.protobuf.FileDescriptorSet`s; an image of buf is one.
    pub(crate) descriptors: Vec<PathBuf>,
}

impl Files {
    pub(crate) fn is_empty(&self) -> bool {
        self.proto.is_empty() && self.descriptors.is_empty()
    }

    /// Where they are, as errors name it.
    pub(crate) fn names(&self) -> String {
        let paths = self.proto.iter().chain(&self.descriptors);
        let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
        paths.join(", ")
    }

    /// Encoded descriptor sets with everything that the files say, comments
    /// too.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut sets = Vec::new();
        if !self.proto.is_empty() {
            sets.push(self.compile()?);
        }
        for path in &self.descriptors {
            sets.push(files::read("descriptors", path)?);
        }
        Ok(sets)
    }

    /// Every file that a change of may change the contracts, as far as that can
    /// be known without reading them.
    pub(crate) fn watched(&self) -> Vec<PathBuf> {
        let mut watched = self.descriptors.clone();
        for path in &self.proto {
            // A folder that cannot be walked is told when it is compiled.
            if walk(path, &mut watched).is_err() {
                watched.push(path.clone());
            }
        }
        watched
    }

    /// Where the files are that have these names in the contracts: imports are
    /// not among those that are given, and change as they do.
    pub(crate) fn named<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
        let given = self.proto.iter().map(|path| match path.parent() {
            Some(folder) if !path.is_dir() => folder,
            _ => path,
        });
        let roots: Vec<&Path> = self
            .include
            .iter()
            .map(|path| &**path)
            .chain(given)
            .collect();
        let found = names.into_iter().filter_map(|name| {
            let mut places = roots.iter().map(|root| root.join(name));
            places.find(|path| path.is_file())
        });
        found.collect()
    }

    fn compile(&self) -> anyhow::Result<Vec<u8>> {
        let mut roots: Vec<PathBuf> = self.include.clone();
        let mut sources = Vec::new();
        for path in &self.proto {
            let kind = fs::metadata(path)
                .map_err(|error| files::cannot_read("contracts", path, &error))?;
            let before = sources.len();
            walk(path, &mut sources)
                .with_context(|| format!("cannot read the folder {}", path.display()))?;
            if kind.is_dir() && sources.len() == before {
                bail!("there is no .proto file in {}", path.display());
            }
            // Below one of the folders given it has its name from there.
            if !self.include.iter().any(|root| path.starts_with(root)) {
                let root = if kind.is_dir() {
                    Some(&**path)
                } else {
                    path.parent()
                };
                roots.push(root.unwrap_or(Path::new("")).to_owned());
            }
        }
        let mut resolver = ChainFileResolver::new();
        // First, since the compiler brings those that it can read: a copy of
        // googleapis may have newer ones.
        resolver.add(GoogleFileResolver::new());
        for root in &roots {
            resolver.add(IncludeFileResolver::new(root.clone()));
        }
        resolver.add(BuiltIn);
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_imports(true).include_source_info(true);
        let names: BTreeSet<PathBuf> = sources
            .iter()
            .map(|source| name_below(source, &roots))
            .collect();
        for name in names {
            compiler
                .open_file(&name)
                .map_err(|error| anyhow::anyhow!("{}", sentence(&error)))?;
        }
        Ok(compiler.encode_file_descriptor_set())
    }
}

/// The rules of service configurations, the first before the last.
pub(crate) fn rules(paths: &[PathBuf]) -> anyhow::Result<Vec<ServiceConfig>> {
    let rules = paths.iter().map(|path| {
        let text = files::read_text("service configuration", path)?;
        Ok(ServiceConfig::parse(&path.display().to_string(), &text)?)
    });
    rules.collect()
}

/// Contracts with rules in place of their own; the last that speak of a method
/// count.
pub(crate) fn with_rules(schema: Schema, rules: &[ServiceConfig]) -> Schema {
    rules.iter().fold(schema, Schema::with_service_config)
}

/// The name under which a file is imported: that below the first root that has
/// it.
fn name_below(source: &Path, roots: &[PathBuf]) -> PathBuf {
    let name = roots.iter().find_map(|root| source.strip_prefix(root).ok());
    name.unwrap_or(source).to_owned()
}

/// Adds a file, or every `.proto` file in a folder and below.
fn walk(path: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for entry in entries {
        // A link to a folder may lead back here.
        let is_folder = fs::symlink_metadata(&entry)?.is_dir();
        if is_folder
            || entry
                .extension()
                .is_some_and(|extension| extension == "proto")
        {
            walk(&entry, found)?;
        }
    }
    Ok(())
}

/// An error of the compiler with its place, on one line.
fn sentence(error: &protox::Error) -> String {
    let place = error
        .file()
        .map_or_else(String::new, |file| format!("{file}: "));
    format!("cannot compile the contracts: {place}{error}")
}

/// Finds the files that come with the binary.
struct BuiltIn;

impl FileResolver for BuiltIn {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            Some((name, source)) => File::from_source(name, source),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    const SERVICE: &str = "syntax = \"proto3\"; package a.v1; import \"a/v1/type.proto\"; \
        import \"google/api/annotations.proto\"; \
        service S { rpc Get(T) returns (T) { option (google.api.http) = { get: \"/v1/t\" }; } }";
    const TYPE: &str = "syntax = \"proto3\"; package a.v1; message T { string x = 1; }";

    #[test]
    fn a_folder_a_file_with_includes_and_a_descriptor_set_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let service = write(folder.path(), "a/v1/service.proto", SERVICE);
        write(folder.path(), "a/v1/type.proto", TYPE);
        let whole = Files {
            proto: vec![folder.path().into()],
            ..Files::default()
        };
        let sets = whole.read().unwrap();
        let descriptors = write(folder.path(), "image.binpb", "");
        fs::write(&descriptors, &sets[0]).unwrap();
        for files in [
            whole,
            Files {
                proto: vec![service],
                include: vec![folder.path().into()],
                ..Files::default()
            },
            Files {
                descriptors: vec![descriptors],
                ..Files::default()
            },
        ] {
            let sets = files.read().unwrap();
            let schema = Schema::from_descriptor_sets(sets.iter().map(Vec::as_slice)).unwrap();
            let method = schema.method("/a.v1.S/Get").unwrap();
            assert_eq!(method.http_rules().len(), 1);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let bad = write(
            folder.path(),
            "bad.proto",
            "syntax = \"proto3\"; mesage T {}",
        );
        for (files, part) in [
            (
                Files {
                    proto: vec![bad],
                    ..Files::default()
                },
                "bad.proto",
            ),
            (
                Files {
                    proto: vec![folder.path().join("none")],
                    ..Files::default()
                },
                "none: no such file or folder",
            ),
            (
                Files {
                    descriptors: vec!["none.binpb".into()],
                    ..Files::default()
                },
                "cannot read the descriptors none.binpb: no such file or folder",
            ),
        ] {
            let error = files.read().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let empty = tempfile::tempdir().unwrap();
        let files = Files {
            proto: vec![empty.path().into()],
            ..Files::default()
        };
        assert!(
            files
                .read()
                .unwrap_err()
                .to_string()
                .contains("no .proto file")
        );
    }
}
