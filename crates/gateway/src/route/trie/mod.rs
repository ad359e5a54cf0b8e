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
//! segment is decoded and hashed once. Nothing is allocated for a path without
//! escapes.

mod build;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use super::Binding;
pub(super) use build::Builder;

/// Paths of this many segments are cut up without allocation.
const FEW: usize = 16;

/// No node.
const NONE: u32 = u32::MAX;

/// The rules of a contract, laid out for searching.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    ends: Vec<End>,
    /// Of the edges and verbs, one behind the other.
    texts: Vec<u8>,
    /// The most segments that are looked at from the left.
    depth: usize,
    /// Whether some are looked at from the right.
    backwards: bool,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// To the nodes behind literals, sorted by hash.
    edges: Span,
    any: u32,
    /// `**`, and below it what follows, last segment first.
    rest: u32,
    /// Rules that end here, sorted by verb; one for any method comes last.
    ends: Span,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    hash: u32,
    next: u32,
    text: Span,
}

#[derive(Debug)]
struct End {
    verb: Option<Span>,
    method: Option<Method>,
    binding: Arc<Binding>,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    begin: u32,
    end: u32,
}

impl Span {
    fn new(begin: usize, end: usize) -> Self {
        Self {
            begin: index(begin),
            end: index(end),
        }
    }

    fn range(self) -> Range<usize> {
        self.begin as usize..self.end as usize
    }
}

/// A segment, decoded, with its hash.
#[derive(Clone, Copy, Debug, Default)]
struct Part<'p> {
    text: &'p [u8],
    hash: u32,
}

impl<'p> Part<'p> {
    fn of(text: &'p [u8]) -> Self {
        Self {
            text,
            hash: hash(text),
        }
    }
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
            edges: Vec::new(),
            ends: Vec::new(),
            texts: Vec::new(),
            depth: 0,
            backwards: false,
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            edges: Span::default(),
            any: NONE,
            rest: NONE,
            ends: Span::default(),
        }
    }
}

impl Trie {
    /// The rule for a request, whose path begins with a slash.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        let mut found = None;
        self.read(path, |search, end| {
            let binding = search.descend(0, 0, &|ends| pick(ends, method));
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
            let none: Option<()> = search.descend(0, 0, &|ends| {
                let methods = ends.iter().map(|end| end.method.clone());
                allowed.borrow_mut().extend(methods);
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
            let none: Option<()> = search.descend(0, 0, &|_| {
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
        let mut few = [Part::default(); FEW];
        let mut many = Vec::new();
        // One more than any rule has tells that there are more.
        let wanted = if self.backwards {
            usize::MAX
        } else {
            self.depth + 1
        };
        let segments: &mut [Part<'_>] = if inner.contains('%') {
            decoded.extend(cut(inner).take(wanted).map(decode));
            many.extend(decoded.iter().map(|segment| Part::of(segment)));
            &mut many
        } else if let Some(count) = cut_few(inner.as_bytes(), wanted, &mut few) {
            &mut few[..count]
        } else {
            let segments = cut(inner).take(wanted);
            many.extend(segments.map(|segment| Part::of(segment.as_bytes())));
            &mut many
        };
        let count = segments.len();

        let bytes = path.as_bytes();
        let mark = bytes.iter().rposition(|byte| matches!(byte, b'/' | b':'));
        if let Some(colon) = mark.filter(|mark| bytes[*mark] == b':') {
            let last = path[..colon].rfind('/').map_or(0, |slash| slash + 1);
            let (before, verb) = (decode(&path[last..colon]), decode(&path[colon + 1..]));
            // Behind the longest rule nobody looks at the last segment.
            let cut = count < wanted;
            let whole = segments.last().copied();
            if let (true, Some(segment)) = (cut, segments.last_mut()) {
                *segment = Part::of(&before);
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
    segments: &'p [Part<'p>],
    verb: Option<&'p [u8]>,
}

impl<'a> Search<'a, '_> {
    /// The first of what matches that `pick` takes, best first.
    fn descend<T>(
        &self,
        node: u32,
        depth: usize,
        pick: &impl Fn(&'a [End]) -> Option<T>,
    ) -> Option<T> {
        let node = &self.trie.nodes[node as usize];
        let below = match self.segments.get(depth) {
            None => self.end(node, pick),
            Some(segment) => self.step(node, *segment, |next| self.descend(next, depth + 1, pick)),
        };
        if below.is_some() || node.rest == NONE {
            return below;
        }
        self.ascend(node.rest, depth, self.segments.len(), pick)
    }

    /// The same behind a `**`, from the right; the segments from `begin` to
    /// `end` are left.
    fn ascend<T>(
        &self,
        node: u32,
        begin: usize,
        end: usize,
        pick: &impl Fn(&'a [End]) -> Option<T>,
    ) -> Option<T> {
        let node = &self.trie.nodes[node as usize];
        let above = if begin < end {
            let next = |next| self.ascend(next, begin, end - 1, pick);
            self.step(node, self.segments[end - 1], next)
        } else {
            None
        };
        above.or_else(|| self.end(node, pick))
    }

    /// Goes on behind a segment, as a literal or else as any.
    fn step<T>(
        &self,
        node: &Node,
        segment: Part<'_>,
        next: impl Fn(u32) -> Option<T>,
    ) -> Option<T> {
        if let Some(found) = self.trie.literal(node, segment).and_then(&next) {
            return Some(found);
        }
        // An empty segment is not a value.
        if node.any == NONE || segment.text.is_empty() {
            return None;
        }
        next(node.any)
    }

    /// What `pick` takes of the rules with the verb that end at a node.
    fn end<T>(&self, node: &Node, pick: &impl Fn(&'a [End]) -> Option<T>) -> Option<T> {
        let trie = self.trie;
        let ends = &trie.ends[node.ends.range()];
        let verb = |end: &End| end.verb.map(|verb| &trie.texts[verb.range()]);
        let begin = ends.partition_point(|end| verb(end) < self.verb);
        let same = ends[begin..]
            .iter()
            .take_while(|end| verb(end) == self.verb)
            .count();
        pick(&ends[begin..begin + same])
    }
}

impl Trie {
    /// The node behind a literal.
    fn literal(&self, node: &Node, segment: Part<'_>) -> Option<u32> {
        let edges = &self.edges[node.edges.range()];
        let first = edges.partition_point(|edge| edge.hash < segment.hash);
        edges[first..]
            .iter()
            .take_while(|edge| edge.hash == segment.hash)
            .find(|edge| self.texts[edge.text.range()] == *segment.text)
            .map(|edge| edge.next)
    }

    /// Keeps a text.
    fn text(&mut self, text: &str) -> Span {
        let begin = self.texts.len();
        self.texts.extend_from_slice(text.as_bytes());
        Span::new(begin, self.texts.len())
    }
}

/// The rule of these for a method.
fn pick<'a>(ends: &'a [End], method: &Method) -> Option<&'a Arc<Binding>> {
    let exact = |method: &Method| ends.iter().find(|end| end.method.as_ref() == Some(method));
    // HEAD asks for the head of what GET would answer (RFC 9110 §9.3.2).
    let as_get = || (method == Method::HEAD).then(|| exact(&Method::GET))?;
    let any = || ends.last().filter(|end| end.method.is_none());
    let end = exact(method).or_else(as_get).or_else(any)?;
    Some(&end.binding)
}

/// FNV-1a: short texts, and nobody gains by two that collide, since the contract
/// and not the request says which there are.
fn hash(text: &[u8]) -> u32 {
    text.iter().fold(SEED, |hash, byte| hashed(hash, *byte))
}

const SEED: u32 = 0x811c_9dc5;

fn hashed(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

/// The segments of a path without its first slash.
fn cut(inner: &str) -> impl Iterator<Item = &str> {
    inner.split('/').filter(move |_| !inner.is_empty())
}

/// The same for a path without escapes, with their hashes in one pass: how many
/// there are, up to `wanted`; `None` when they are not few.
fn cut_few<'p>(inner: &'p [u8], wanted: usize, few: &mut [Part<'p>; FEW]) -> Option<usize> {
    if inner.is_empty() {
        return Some(0);
    }
    let (mut count, mut begin, mut hash) = (0, 0, SEED);
    for (at, byte) in inner.iter().enumerate() {
        if *byte != b'/' {
            hash = hashed(hash, *byte);
            continue;
        }
        *few.get_mut(count)? = Part {
            text: &inner[begin..at],
            hash,
        };
        (count, begin, hash) = (count + 1, at + 1, SEED);
        if count == wanted {
            return Some(count);
        }
    }
    *few.get_mut(count)? = Part {
        text: &inner[begin..],
        hash,
    };
    Some(count + 1)
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("a descriptor set of under 2 GB has fewer than 2^32 bytes")
}

/// A segment as it is compared: bytes, since not all that is escaped is text.
fn decode(segment: &str) -> Cow<'_, [u8]> {
    percent_decode_str(segment).into()
}
