//! The trie against a matcher that goes through all rules and compares those
//! that match by the words of the specification.

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;
use portolan_schema::http::{Segment, Template};
use proptest::prelude::*;

use super::{find, parse, trie_of};

/// The segments of a path, each decoded.
fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    path.split('/').map(decode).collect()
}

fn matches(expected: &[Segment], segments: &[String]) -> bool {
    match expected {
        [] => segments.is_empty(),
        [Segment::Rest, after @ ..] => {
            (0..=segments.len()).any(|taken| matches(after, &segments[taken..]))
        }
        [first, after @ ..] => {
            let Some((segment, rest)) = segments.split_first() else {
                return false;
            };
            let fits = match first {
                Segment::Literal(text) => **text == **segment,
                _ => !segment.is_empty(),
            };
            fits && matches(after, rest)
        }
    }
}

/// At the first difference a literal comes before `*`, that before the end, and
/// that before `**`; behind `**` the same from the right.
fn better(left: &Template, right: &Template) -> Ordering {
    let rank = |segment: Option<&Segment>| match segment {
        Some(Segment::Literal(_)) => 0,
        Some(Segment::Any) => 1,
        None => 2,
        Some(Segment::Rest) => 3,
    };
    let (left, right) = (left.segments(), right.segments());
    let longest = left.len().max(right.len());
    let from_left = (0..longest).map(|index| rank(left.get(index)).cmp(&rank(right.get(index))));
    let right_of = |of: &[Segment], index| rank(of.iter().rev().nth(index));
    let from_right = (0..longest).map(|index| right_of(left, index).cmp(&right_of(right, index)));
    let same_rest = |of: &[Segment]| of.iter().position(|segment| *segment == Segment::Rest);
    let rest = same_rest(left).filter(|rest| Some(*rest) == same_rest(right));
    let orders: Vec<Ordering> = match rest {
        // As far as the `**` from either side.
        Some(rest) => from_left.take(rest).chain(from_right).collect(),
        None => from_left.collect(),
    };
    let mut orders = orders.into_iter();
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The best of the rules, and where the segments end.
fn best<'a>(rules: &[&'a str], request: &str) -> Option<(&'a str, usize)> {
    let (method, path) = request.split_once(' ').unwrap();
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    let colon = path[last..].rfind(':').map(|colon| colon + last);
    let with_verb = colon.map(|colon| (colon, Some(&path[colon + 1..])));
    let readings = with_verb.into_iter().chain([(path.len(), None)]);
    for (end, verb) in readings {
        let segments = segments(&path[..end]);
        let verb = verb.map(|verb| percent_decode_str(verb).decode_utf8_lossy().into_owned());
        let mut fitting: Vec<_> = rules
            .iter()
            .map(|rule| (*rule, parse(rule)))
            .filter(|(_, (rule_method, template))| {
                let right_method = match rule_method {
                    None => true,
                    Some(rule_method) => {
                        rule_method.as_str() == method
                            || (method == "HEAD" && rule_method.as_str() == "GET")
                    }
                };
                right_method
                    && template.verb() == verb.as_deref()
                    && matches(template.segments(), &segments)
            })
            .collect();
        // The very method, then GET for HEAD, then any.
        let exactness = |rule_method: &Option<http::Method>| match rule_method {
            Some(rule_method) if rule_method.as_str() == method => 0,
            Some(_) => 1,
            None => 2,
        };
        fitting.sort_by(|(_, left), (_, right)| {
            better(&left.1, &right.1).then(exactness(&left.0).cmp(&exactness(&right.0)))
        });
        if let Some((rule, _)) = fitting.first() {
            return Some((rule, end));
        }
    }
    None
}

fn rule() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        3 => prop::sample::select(vec!["a", "b", "a%2Fb", "%61", "x%3Ay"]).prop_map(String::from),
        3 => Just("*".to_owned()),
    ];
    let method = prop::sample::select(vec!["GET", "POST", "HEAD", "*"]);
    let verb = prop::sample::select(vec!["", "", "", ":go", ":y", ":a%3Ab"]);
    let rest = prop::option::weighted(0.4, 0..5_usize);
    (method, prop::collection::vec(segment, 0..5), rest, verb).prop_map(
        |(method, mut segments, rest, verb)| {
            if let Some(rest) = rest {
                segments.insert(rest.min(segments.len()), "**".to_owned());
            }
            let verb = if segments.is_empty() { "" } else { verb };
            format!("{method} /{}{verb}", segments.join("/"))
        },
    )
}

fn request() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![
        "a", "b", "c", "", "a%2Fb", "a%2fb", "x:y", "x%3Ay", "a:go", ":go", "%ff", "%", "a:b:go",
        "%61", "a:", "b:a%3ab",
    ]);
    let method = prop::sample::select(vec!["GET", "POST", "HEAD", "PUT"]);
    (method, prop::collection::vec(segment, 0..20), 0..6_usize).prop_map(
        |(method, mut segments, length)| {
            // Mostly short, as rules are.
            if length < 5 {
                segments.truncate(length);
            }
            format!("{method} /{}", segments.join("/"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_trie_finds_the_best_rule(
        rules in prop::collection::vec(rule(), 0..40),
        requests in prop::collection::vec(request(), 20),
    ) {
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let trie = trie_of(rules.iter().copied());
        for request in &requests {
            // Of rules that are the same the first is there.
            let expected = best(&rules, request);
            prop_assert_eq!(find(&trie, request), expected, "{}", request);
            let (method, path) = request.split_once(' ').unwrap();
            // A path has methods exactly when one of them finds something.
            if expected.is_some() {
                prop_assert!(!trie.allowed(path).is_empty());
            } else {
                let method: http::Method = method.parse().unwrap();
                prop_assert!(!trie.allowed(path).contains(&Some(method)));
            }
        }
    }

    #[test]
    fn no_path_is_too_odd(path in "\\PC{0,40}", method in "GET|POST") {
        let trie = trie_of(["GET /{a}", "GET /{a=**}:go", "POST /a/{b}/c", "* /%25/x"]);
        let method: http::Method = method.parse().unwrap();
        let _ = (trie.find(&method, &path), trie.allowed(&path));
    }
}
