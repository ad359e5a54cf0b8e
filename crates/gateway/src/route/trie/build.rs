//! The tree while rules are put into it, and how it is laid out for searching:
//! what a search reads one after the other lies side by side, since with ten
//! thousand rules it is the way to memory that costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use portolan_schema::http::{Segment, Template};

use super::{Edge, End, NONE, Node, Span, Trie, hash};
use crate::route::Binding;

/// Rules on their way into a [`Trie`].
#[derive(Debug)]
pub(in crate::route) struct Builder {
    nodes: Vec<Growing>,
    depth: usize,
    backwards: bool,
}

#[derive(Debug, Default)]
struct Growing {
    literals: BTreeMap<Box<str>, usize>,
    any: Option<usize>,
    rest: Option<usize>,
    ends: BTreeMap<Order, (Option<Method>, Arc<Binding>)>,
}

/// How rules that end at one node are sorted: by verb, then by method; one for
/// any method comes last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    verb: Option<Box<str>>,
    any_method: bool,
    method: String,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            nodes: vec![Growing::default()],
            depth: 0,
            backwards: false,
        }
    }
}

impl Builder {
    /// Adds a rule for an HTTP method, or for any.
    ///
    /// # Errors
    /// When there is the same already: that one stays and is given back.
    pub(in crate::route) fn insert(
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
        let order = Order {
            verb: template.verb().map(Into::into),
            any_method: method.is_none(),
            method: method.as_ref().map(Method::to_string).unwrap_or_default(),
        };
        let ends = &mut self.nodes[at].ends;
        if let Some((_, taken)) = ends.get(&order) {
            return Err(Arc::clone(taken));
        }
        ends.insert(order, (method, Arc::clone(binding)));
        Ok(())
    }

    /// The node behind a segment.
    fn next(&mut self, at: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let next = match segment {
            Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(new),
            Segment::Any => *node.any.get_or_insert(new),
            Segment::Rest => *node.rest.get_or_insert(new),
        };
        if next == new {
            self.nodes.push(Growing::default());
        }
        next
    }

    /// The tree of all rules.
    pub(in crate::route) fn build(self) -> Trie {
        let mut trie = Trie {
            depth: self.depth,
            backwards: self.backwards,
            ..Trie::default()
        };
        trie.nodes.clear();
        self.lay(0, &mut trie);
        trie
    }

    /// Lays out a node and all below it, and gives its place.
    fn lay(&self, at: usize, trie: &mut Trie) -> u32 {
        let growing = &self.nodes[at];
        let place = trie.nodes.len();
        trie.nodes.push(Node::default());

        let first = trie.ends.len();
        for (Order { verb, .. }, (method, binding)) in &growing.ends {
            let verb = verb.as_deref().map(|verb| trie.text(verb));
            trie.ends.push(End {
                verb,
                method: method.clone(),
                binding: Arc::clone(binding),
            });
        }
        let ends = Span::new(first, trie.ends.len());

        // All edges of a node side by side, before those of the nodes below.
        let first = trie.edges.len();
        for text in growing.literals.keys() {
            let edge = Edge {
                hash: hash(text.as_bytes()),
                text: trie.text(text),
                next: NONE,
            };
            trie.edges.push(edge);
        }
        let edges = Span::new(first, trie.edges.len());
        let below: Vec<usize> = growing.literals.values().copied().collect();
        for (edge, below) in edges.range().zip(below) {
            trie.edges[edge].next = self.lay(below, trie);
        }
        trie.edges[edges.range()].sort_by_key(|edge| edge.hash);
        let any = growing.any.map_or(NONE, |any| self.lay(any, trie));
        let rest = growing.rest.map_or(NONE, |rest| self.lay(rest, trie));
        trie.nodes[place] = Node {
            edges,
            any,
            rest,
            ends,
        };
        super::index(place)
    }
}
