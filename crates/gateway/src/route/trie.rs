//! The rules of `google.api.http` as a tree of path segments.
//!
//! Where several rules match, the first difference from the left decides: a
//! literal comes before `*`, `*` before the end of the rule, and all of them
//! before `**`. What follows a `**` is compared in the same way from the right.
//! Where the best leads nowhere the next is tried. What follows the last colon
//! of a path is a verb if a rule says so, and part of the last segment otherwise.
//! At the place so found a rule for the very HTTP method comes before one for
//! any. So the order in which rules were declared says nothing, but between two
//! that are the same.
//!
//! No two ways through the tree meet, so a search visits a node at most once per
//! reading of the verb: no path costs more than the contract is large, and each
//! segment is decoded once. Nothing is allocated for a path without escapes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;
use portolan_schema::http::{Segment, Template};

use super::Binding;

/// Paths of this many segments are cut up without allocation.
const FEW: usize = 16;

/// The rules of a contract.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// The most segments that are looked at from the left.
    depth: usize,
    /// Whether some are looked at from the right.
    backwards: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<Box<[u8]>, usize>,
    any: Option<usize>,
    /// `**`, and below it what follows, last segment first.
    rest: Option<usize>,
    /// Rules that end here.
    ends: Ends,
}

/// Rules with one path, sorted by verb.
#[derive(Debug, Default)]
struct Ends(Vec<End>);

#[derive(Debug)]
struct End {
    verb: Option<Box<str>>,
    exact: Vec<(Method, Arc<Binding>)>,
    any_method: Option<Arc<Binding>>,
}

/// A rule that matches.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) binding: &'a Arc<Binding>,
    /// Where the segments end in the path, and the verb begins.
    pub(super) end: usize,
}

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            depth: 0,
            backwards: false,
        }
    }
}

impl Trie {
    /// Adds a rule for an HTTP method, or for any.
    ///
    /// # Errors
    /// When there is the same already: that one stays and is given back.
    pub(super) fn insert(
        &mut self,
        template: &Template,
        method: Option<Method>,
        binding: &Arc<Binding>,
    ) -> Result<(), Arc<Binding>> {
        let mut parts = template
            .segments()
            .split(|segment| *segment == Segment::Rest);
        let before = parts.next().unwrap_or_default();
        self.depth = self.depth.max(before.len());
        let mut at = before.iter().fold(0, |at, segment| self.next(at, segment));
        // The schema let through one `**` at most.
        if let Some(after) = parts.next() {
            self.backwards |= !after.is_empty();
            at = self.next(at, &Segment::Rest);
            let after = after.iter().rev();
            at = after.fold(at, |at, segment| self.next(at, segment));
        }
        self.nodes[at].ends.insert(template.verb(), method, binding)
    }

    /// The node behind a segment.
    fn next(&mut self, at: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let next = match segment {
            Segment::Literal(text) => *node.literals.entry(text.as_bytes().into()).or_insert(new),
            Segment::Any => *node.any.get_or_insert(new),
            Segment::Rest => *node.rest.get_or_insert(new),
        };
        if next == new {
            self.nodes.push(Node::default());
        }
        next
    }

    /// The rule for a request, whose path begins with a slash.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        let mut found = None;
        self.read(path, |search, end| {
            let binding = search.descend(0, 0, &|ends, verb| ends.pick(method, verb));
            found = binding.map(|binding| Found { binding, end });
            found.is_some()
        });
        found
    }

    /// The HTTP methods of all rules that would match a path, sorted; `None`
    /// stands for any.
    pub(super) fn allowed(&self, path: &str) -> Vec<Option<Method>> {
        let allowed = std::cell::RefCell::new(Vec::new());
        self.read(path, |search, _| {
            let none: Option<&Arc<Binding>> = search.descend(0, 0, &|ends, verb| {
                if let Some(end) = ends.with_verb(verb) {
                    let mut allowed = allowed.borrow_mut();
                    allowed.extend(end.exact.iter().map(|(method, _)| Some(method.clone())));
                    allowed.extend(end.any_method.is_some().then_some(None));
                }
                None
            });
            none.is_some()
        });
        let mut allowed = allowed.into_inner();
        allowed.sort_by(|left, right| {
            let name = |method: &Option<Method>| method.as_ref().map(ToString::to_string);
            name(left).cmp(&name(right))
        });
        allowed.dedup();
        allowed
    }

    /// At how many places a search in vain looks for rules, and of how many nodes.
    #[cfg(test)]
    pub(super) fn visits(&self, path: &str) -> (usize, usize) {
        let visits = std::cell::Cell::new(0);
        self.read(path, |search, _| {
            let none: Option<()> = search.descend(0, 0, &|_, _| {
                visits.set(visits.get() + 1);
                None
            });
            none.is_some()
        });
        (visits.get(), self.nodes.len())
    }

    /// Reads a path with the verb that it may have, and then without, until
    /// `done` says so.
    fn read<'a>(&'a self, path: &str, mut done: impl FnMut(&Search<'a, '_>, usize) -> bool) {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let mut decoded = Vec::new();
        let mut few = [&b""[..]; FEW];
        let mut many = Vec::new();
        // One more than any rule has tells that there are more.
        let wanted = if self.backwards {
            usize::MAX
        } else {
            self.depth + 1
        };
        let count = if inner.is_empty() {
            0
        } else {
            inner.split('/').take(wanted).count()
        };
        let segments: &mut [&[u8]] = if inner.contains('%') {
            decoded.extend(inner.split('/').take(count).map(decode));
            many.extend(decoded.iter().map(|segment| &**segment));
            &mut many
        } else if count <= FEW {
            for (place, segment) in few.iter_mut().zip(inner.split('/').take(count)) {
                *place = segment.as_bytes();
            }
            &mut few[..count]
        } else {
            many.extend(inner.split('/').take(count).map(str::as_bytes));
            &mut many
        };

        let last = path.rfind('/').map_or(0, |slash| slash + 1);
        if let Some(colon) = path[last..].rfind(':').map(|colon| last + colon) {
            let (before, verb) = (decode(&path[last..colon]), decode(&path[colon + 1..]));
            // Behind the longest rule nobody looks at the last segment.
            let cut = count < wanted;
            let whole = segments.last().copied();
            if let (true, Some(segment)) = (cut, segments.last_mut()) {
                *segment = &before;
            }
            let search = Search {
                trie: self,
                segments,
                verb: Some(&verb),
            };
            if done(&search, colon) {
                return;
            }
            if let (Some(whole), Some(segment)) = (whole, segments.last_mut()) {
                *segment = whole;
            }
            let search = Search {
                trie: self,
                segments,
                verb: None,
            };
            done(&search, path.len());
            return;
        }
        let search = Search {
            trie: self,
            segments,
            verb: None,
        };
        done(&search, path.len());
    }
}

/// One reading of a path.
struct Search<'a, 'p> {
    trie: &'a Trie,
    /// Decoded.
    segments: &'p [&'p [u8]],
    verb: Option<&'p [u8]>,
}

impl<'a> Search<'a, '_> {
    /// The first of what matches that `pick` takes, best first.
    fn descend<T>(
        &self,
        node: usize,
        depth: usize,
        pick: &impl Fn(&'a Ends, Option<&[u8]>) -> Option<T>,
    ) -> Option<T> {
        let node = &self.trie.nodes[node];
        let below = match self.segments.get(depth) {
            None => pick(&node.ends, self.verb),
            Some(segment) => {
                let next = |next| self.descend(next, depth + 1, pick);
                node.step(segment, next)
            }
        };
        let rest = || self.ascend(node.rest?, depth, self.segments.len(), pick);
        below.or_else(rest)
    }

    /// The same behind a `**`, from the right; the segments from `begin` to
    /// `end` are left.
    fn ascend<T>(
        &self,
        node: usize,
        begin: usize,
        end: usize,
        pick: &impl Fn(&'a Ends, Option<&[u8]>) -> Option<T>,
    ) -> Option<T> {
        let node = &self.trie.nodes[node];
        let above = if begin < end {
            let next = |next| self.ascend(next, begin, end - 1, pick);
            node.step(self.segments[end - 1], next)
        } else {
            None
        };
        above.or_else(|| pick(&node.ends, self.verb))
    }
}

impl Node {
    /// Goes on behind a segment, as a literal or else as any.
    fn step<T>(&self, segment: &[u8], next: impl Fn(usize) -> Option<T>) -> Option<T> {
        let literal = self.literals.get(segment).copied();
        // An empty segment is not a value.
        let any = self.any.filter(|_| !segment.is_empty());
        literal.and_then(&next).or_else(|| any.and_then(&next))
    }
}

impl Ends {
    fn insert(
        &mut self,
        verb: Option<&str>,
        method: Option<Method>,
        binding: &Arc<Binding>,
    ) -> Result<(), Arc<Binding>> {
        let place = self.place(verb.map(str::as_bytes)).unwrap_or_else(|place| {
            let end = End {
                verb: verb.map(Into::into),
                exact: Vec::new(),
                any_method: None,
            };
            self.0.insert(place, end);
            place
        });
        let end = &mut self.0[place];
        let taken = match &method {
            None => end.any_method.as_ref(),
            Some(method) => end.exact(method),
        };
        if let Some(taken) = taken {
            return Err(Arc::clone(taken));
        }
        match method {
            None => end.any_method = Some(Arc::clone(binding)),
            Some(method) => end.exact.push((method, Arc::clone(binding))),
        }
        Ok(())
    }

    fn place(&self, verb: Option<&[u8]>) -> Result<usize, usize> {
        self.0
            .binary_search_by(|end| end.verb.as_deref().map(str::as_bytes).cmp(&verb))
    }

    fn with_verb(&self, verb: Option<&[u8]>) -> Option<&End> {
        self.0.get(self.place(verb).ok()?)
    }

    fn pick(&self, method: &Method, verb: Option<&[u8]>) -> Option<&Arc<Binding>> {
        let end = self.with_verb(verb)?;
        // HEAD asks for the head of what GET would answer (RFC 9110 §9.3.2).
        let as_get = || (method == Method::HEAD).then(|| end.exact(&Method::GET))?;
        end.exact(method)
            .or_else(as_get)
            .or(end.any_method.as_ref())
    }
}

impl End {
    fn exact(&self, method: &Method) -> Option<&Arc<Binding>> {
        let mut exact = self.exact.iter();
        exact
            .find(|(other, _)| other == method)
            .map(|(_, binding)| binding)
    }
}

/// A segment as it is compared: bytes, since not all that is escaped is text.
fn decode(segment: &str) -> Cow<'_, [u8]> {
    percent_decode_str(segment).into()
}
