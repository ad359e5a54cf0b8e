//! The rules of `google.api.http` as a tree of path segments.
//!
//! At each segment a literal is tried before `*`, and `*` before `**`, so the
//! most specific rule wins; where that leads nowhere the next is tried. The
//! tree is as deep as the longest rule and every node is visited at most once,
//! so a long path costs no more than the rules do.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;
use portolan_schema::http::{Segment, Template};

use super::Binding;

#[derive(Debug, Default)]
pub(crate) struct Trie {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Rules that end in `**` here.
    rest: Vec<End>,
    /// Rules that end here.
    ends: Vec<End>,
}

#[derive(Debug)]
struct End {
    verb: Option<Box<str>>,
    captures: Vec<Capture>,
    binding: Arc<Binding>,
}

/// The segments of a path that fill a variable.
#[derive(Debug)]
struct Capture {
    start: usize,
    /// `None` for a variable that ends in `**`: all that is left.
    end: Option<usize>,
    /// Whether the variable is one segment by its template.
    single: bool,
}

/// What is at a path.
pub(crate) enum Found {
    /// A rule, and for each of its variables its index and text.
    Binding(Arc<Binding>, Vec<(usize, String)>),
    /// No rule for this method, but rules for these.
    Other(Vec<Method>),
}

impl Trie {
    pub(crate) fn insert(&mut self, template: &Template, binding: Arc<Binding>) {
        let segments = template.segments();
        let captures = template
            .variables()
            .iter()
            .map(|variable| {
                let to_end =
                    segments.get(variable.segments.end.saturating_sub(1)) == Some(&Segment::Rest);
                Capture {
                    start: variable.segments.start,
                    end: (!to_end).then_some(variable.segments.end),
                    single: !to_end && variable.segments.len() == 1,
                }
            })
            .collect();
        let end = End {
            verb: template.verb().map(Into::into),
            captures,
            binding,
        };
        let mut node = &mut self.root;
        for segment in template.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
                // The schema let through `**` at the end only.
                Segment::Rest => {
                    node.rest.push(end);
                    return;
                }
            };
        }
        node.ends.push(end);
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Found {
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut search = Search {
            method,
            segments: path.split('/').collect(),
            verb: None,
            allowed: Vec::new(),
        };
        if path.is_empty() {
            search.segments.clear();
        }
        // What follows the last colon is a verb if a rule says so, and part of
        // the last segment otherwise.
        if let Some(last) = search.segments.last().copied()
            && let Some((rest, verb)) = last.rsplit_once(':')
        {
            let whole = std::mem::replace(&mut search.segments, path.split('/').collect());
            if let Some(segment) = search.segments.last_mut() {
                *segment = rest;
            }
            search.verb = Some(verb);
            if let Some(found) = search.descend(&self.root, 0) {
                return found;
            }
            search.segments = whole;
            search.verb = None;
        }
        search
            .descend(&self.root, 0)
            .unwrap_or(Found::Other(search.allowed))
    }
}

struct Search<'a> {
    method: &'a Method,
    segments: Vec<&'a str>,
    verb: Option<&'a str>,
    /// Methods of rules that would match otherwise.
    allowed: Vec<Method>,
}

impl Search<'_> {
    fn descend(&mut self, node: &Node, depth: usize) -> Option<Found> {
        if let Some(segment) = self.segments.get(depth).copied() {
            let decoded = decode(segment);
            if let Some(next) = node.literals.get(&*decoded)
                && let Some(found) = self.descend(next, depth + 1)
            {
                return Some(found);
            }
            // An empty segment is not a value.
            if !segment.is_empty()
                && let Some(next) = &node.any
                && let Some(found) = self.descend(next, depth + 1)
            {
                return Some(found);
            }
        } else if let Some(found) = self.pick(&node.ends) {
            return Some(found);
        }
        self.pick(&node.rest)
    }

    /// The rule of these that is for this method and verb.
    fn pick(&mut self, ends: &[End]) -> Option<Found> {
        for end in ends.iter().filter(|end| end.verb.as_deref() == self.verb) {
            match &end.binding.http_method {
                Some(method) if method != self.method => self.allowed.push(method.clone()),
                _ => {
                    let captures = end.captures.iter().enumerate();
                    let variables = captures
                        .map(|(index, capture)| (index, self.text(capture)))
                        .collect();
                    return Some(Found::Binding(Arc::clone(&end.binding), variables));
                }
            }
        }
        None
    }

    /// The text of a variable. One segment is decoded whole; of several, an
    /// escaped slash stays escaped, so that it cannot pass for a real one.
    fn text(&self, capture: &Capture) -> String {
        let end = capture.end.unwrap_or(self.segments.len());
        let segments = self.segments.get(capture.start..end).unwrap_or_default();
        if capture.single {
            return segments
                .first()
                .map(|segment| decode(segment).into_owned())
                .unwrap_or_default();
        }
        let decode_but_slashes = |segment: &&str| {
            let pieces: Vec<Cow<'_, str>> = split_escaped_slashes(segment).map(decode).collect();
            pieces.join("%2F")
        };
        segments
            .iter()
            .map(decode_but_slashes)
            .collect::<Vec<String>>()
            .join("/")
    }
}

fn decode(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

fn split_escaped_slashes(segment: &str) -> impl Iterator<Item = &str> {
    segment.split("%2F").flat_map(|piece| piece.split("%2f"))
}

#[cfg(test)]
mod tests {
    use portolan_schema::http::Body as RuleBody;
    use portolan_schema::{Schema, Streaming};

    use super::*;
    use crate::route::Route;

    /// A trie of `METHOD template` lines; a binding is found by its path.
    fn trie(rules: &[&str]) -> Trie {
        let mut trie = Trie::default();
        for rule in rules {
            let (method, template) = rule.split_once(' ').unwrap();
            let template = Template::parse(template).unwrap();
            let set = b"\x0a\x10\x0a\x01a\x22\x03\x0a\x01M\x62\x06proto3";
            let schema = Schema::from_descriptor_sets([&set[..]]).unwrap();
            let message = schema.message_by_name("M").unwrap();
            let route = Route {
                path: (*rule).into(),
                input: message,
                output: message,
                streaming: Streaming::Unary,
                no_side_effects: false,
            };
            let binding = Binding {
                route: Arc::new(route),
                http_method: (method != "*").then(|| method.parse().unwrap()),
                body: RuleBody::None,
                response_body: None,
                raw_request: None,
                raw_reply: None,
                update_mask: None,
                variables: Vec::new(),
            };
            trie.insert(&template, Arc::new(binding));
        }
        trie
    }

    fn find(trie: &Trie, request: &str) -> (String, Vec<String>) {
        let (method, path) = request.split_once(' ').unwrap();
        match trie.find(&method.parse().unwrap(), path) {
            Found::Binding(binding, variables) => (
                binding.route.path.to_string(),
                variables.into_iter().map(|(_, text)| text).collect(),
            ),
            Found::Other(allowed) => (format!("{allowed:?}"), Vec::new()),
        }
    }

    #[test]
    fn the_most_specific_rule_wins() {
        let trie = trie(&[
            "GET /v1/{a}",
            "GET /v1/x",
            "POST /v1/x",
            "GET /v1/{a=**}",
            "* /w",
        ]);
        assert_eq!(find(&trie, "GET /v1/x").0, "GET /v1/x");
        assert_eq!(
            find(&trie, "GET /v1/y"),
            ("GET /v1/{a}".into(), vec!["y".into()])
        );
        assert_eq!(
            find(&trie, "GET /v1/y/z"),
            ("GET /v1/{a=**}".into(), vec!["y/z".into()])
        );
        assert_eq!(find(&trie, "PUT /w").0, "* /w");
        assert_eq!(find(&trie, "DELETE /v1/x").0, "[GET, POST, GET, GET]");
        assert_eq!(find(&trie, "GET /nowhere").0, "[]");
    }

    #[test]
    fn verbs_are_split_off_only_where_a_rule_has_one() {
        let trie = trie(&["GET /v1/{id}", "POST /v1/{id}:stop", "POST /v1:search"]);
        assert_eq!(
            find(&trie, "POST /v1/7:stop"),
            ("POST /v1/{id}:stop".into(), vec!["7".into()])
        );
        assert_eq!(
            find(&trie, "GET /v1/7:8"),
            ("GET /v1/{id}".into(), vec!["7:8".into()])
        );
        assert_eq!(find(&trie, "POST /v1:search").0, "POST /v1:search");
    }

    #[test]
    fn escapes_are_decoded_and_slashes_kept_apart() {
        let trie = trie(&["GET /a/{id}", "GET /b/{name=x/*/**}"]);
        assert_eq!(find(&trie, "GET /a/p%2Fq%20r").1, ["p/q r"]);
        assert_eq!(find(&trie, "GET /b/x/p%2Fq/r%20s").1, ["x/p%2Fq/r s"]);
        assert_eq!(find(&trie, "GET /b/x/p").1, ["x/p"]);
        assert_eq!(find(&trie, "GET /a/").0, "[]");
    }

    #[test]
    fn ten_thousand_rules_are_found_as_fast_as_a_hundred() {
        let time = |count: usize| {
            let rules: Vec<String> = (0..count / 2)
                .flat_map(|n| {
                    [
                        format!("GET /v1/s{n}/{{id}}"),
                        format!("GET /v2/{{a}}/s{n}"),
                    ]
                })
                .collect();
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            let trie = trie(&rules);
            let begin = std::time::Instant::now();
            for n in 0..5_000 {
                let n = n % (count / 2);
                assert_eq!(find(&trie, &format!("GET /v1/s{n}/x")).1, ["x"]);
                assert_eq!(find(&trie, &format!("GET /v2/y/s{n}")).1, ["y"]);
                assert_eq!(find(&trie, &format!("GET /v3/y/s{n}")).0, "[]");
            }
            begin.elapsed()
        };
        // A walk over all rules would take a hundred times as long.
        let (few, many) = (time(100), time(10_000));
        assert!(
            many < few * 20,
            "{few:?} for 100 rules, {many:?} for 10,000"
        );
    }
}
