//! The files that a server has sent: checked as they come, and put in order.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;

use super::wire::{FileHead, Question};
use super::{Error, Limits, brief};

/// Files by name, within limits.
pub(super) struct Collected<'a> {
    limits: &'a Limits,
    files: Vec<File>,
    by_name: HashMap<String, usize>,
    bytes: usize,
}

struct File {
    head: FileHead,
    bytes: Bytes,
}

impl<'a> Collected<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            files: Vec::new(),
            by_name: HashMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Whether a file answers the question.
    pub(super) fn answers(&self, question: &Question) -> bool {
        match question {
            Question::FileByFilename(name) => self.has(name),
            Question::FileContainingSymbol(name) => {
                self.files.iter().any(|file| file.head.declares(name))
            }
            Question::ListServices(_) => false,
        }
    }

    /// Takes a file and gives its head, and whether it is new.
    pub(super) fn take(&mut self, bytes: Bytes) -> Result<(&FileHead, bool), Error> {
        let head = FileHead::decode(bytes.clone())
            .map_err(|error| Error::Lie(format!("sends a file that is none: {error}")))?;
        if head.name.is_empty() {
            return Err(Error::Lie("sends a file without a name".to_owned()));
        }
        if let Some(&at) = self.by_name.get(&head.name) {
            if self.files[at].bytes != bytes {
                let name = brief(&head.name);
                let lie = format!("sends two different files of the name `{name}`");
                return Err(Error::Lie(lie));
            }
            return Ok((&self.files[at].head, false));
        }
        self.bytes += bytes.len();
        if self.bytes > self.limits.bytes {
            return Err(Error::TooManyBytes(self.limits.bytes));
        }
        let at = self.files.len();
        if at == self.limits.files {
            return Err(Error::TooManyFiles(self.limits.files));
        }
        self.by_name.insert(head.name.clone(), at);
        self.files.push(File { head, bytes });
        Ok((&self.files[at].head, true))
    }

    /// The files as an encoded `FileDescriptorSet`, each behind its imports.
    pub(super) fn into_set(self) -> Result<Vec<u8>, Error> {
        let mut set = Vec::with_capacity(self.bytes + 16 * self.files.len());
        for at in self.in_order()? {
            let file = &self.files[at].bytes;
            // Field 1 of FileDescriptorSet, as a length and the bytes.
            set.push(0x0a);
            prost::encoding::encode_varint(file.len() as u64, &mut set);
            set.extend_from_slice(file);
        }
        Ok(set)
    }

    /// A walk in depth with a stack of its own: how deep imports go is for the
    /// server to say.
    fn in_order(&self) -> Result<Vec<usize>, Error> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.files.len()];
        let mut order = Vec::with_capacity(self.files.len());
        for root in 0..self.files.len() {
            let mut path = vec![(root, 0)];
            while let Some((at, next)) = path.last_mut() {
                let at = *at;
                if marks[at] == Mark::Done {
                    path.pop();
                    continue;
                }
                marks[at] = Mark::Open;
                let Some(import) = self.files[at].head.imports.get(*next) else {
                    marks[at] = Mark::Done;
                    order.push(at);
                    path.pop();
                    continue;
                };
                *next += 1;
                // One that the server does not have stays out.
                let Some(&import) = self.by_name.get(import) else {
                    continue;
                };
                match marks[import] {
                    Mark::Done => {}
                    Mark::New => path.push((import, 0)),
                    Mark::Open => {
                        let from = path.iter().position(|(at, _)| *at == import).unwrap_or(0);
                        let mut names: Vec<&str> = path[from..]
                            .iter()
                            .map(|(at, _)| brief(&self.files[*at].head.name))
                            .take(8)
                            .collect();
                        names.push(brief(&self.files[import].head.name));
                        let cycle = names.join(" → ");
                        return Err(Error::Lie(format!(
                            "sends files that import each other: {cycle}"
                        )));
                    }
                }
            }
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, imports: &[&str]) -> Bytes {
        FileHead {
            name: name.into(),
            imports: imports.iter().map(|import| (*import).into()).collect(),
            ..FileHead::default()
        }
        .encode_to_vec()
        .into()
    }

    fn collect(limits: &Limits, files: &[Bytes]) -> Result<Vec<String>, Error> {
        let mut collected = Collected::new(limits);
        for file in files {
            collected.take(file.clone())?;
        }
        let order = collected.in_order()?;
        let name = |at: &usize| collected.files[*at].head.name.clone();
        Ok(order.iter().map(name).collect())
    }

    #[test]
    fn imports_come_first() {
        let files = [
            file("a", &["b", "c"]),
            file("b", &["d", "c"]),
            file("c", &["d", "nowhere"]),
            file("d", &[]),
        ];
        let order = collect(&Limits::default(), &files).unwrap();
        assert_eq!(order, ["d", "c", "b", "a"]);
        // However deep they go.
        let chain: Vec<_> = (0..5000)
            .map(|at| file(&at.to_string(), &[&(at + 1).to_string()]))
            .collect();
        assert_eq!(collect(&Limits::default(), &chain).unwrap()[0], "4999");
    }

    #[test]
    fn lies_are_told() {
        let limits = Limits {
            files: 2,
            bytes: 14,
            ..Limits::default()
        };
        for (files, error) in [
            (
                vec![file("a", &["b"]), file("b", &["a"])],
                "the server sends files that import each other: a → b → a",
            ),
            (
                vec![file("a", &["a"])],
                "the server sends files that import each other: a → a",
            ),
            (
                vec![file("a", &[]), file("a", &["b"])],
                "the server sends two different files of the name `a`",
            ),
            (
                vec![file("", &[])],
                "the server sends a file without a name",
            ),
            (
                vec![file("a", &[]), file("b", &[]), file("c", &[])],
                "the server has more than 2 files, which is the limit",
            ),
            (
                vec![file("a", &["a long enough name"])],
                "the server's files have more than 14 bytes, which is the limit",
            ),
        ] {
            assert_eq!(collect(&limits, &files).unwrap_err().to_string(), error);
        }
        assert!(collect(&limits, &[Bytes::from_static(b"\xff")]).is_err());
        collect(&limits, &[file("a", &[]), file("a", &[])]).unwrap();
    }
}
