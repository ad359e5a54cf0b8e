//! Path templates of HTTP rules as paths of OpenAPI.
//!
//! OpenAPI's parameters are one segment each (OAS 3.1, "Path Templating"), and
//! those of a rule may be several: `/v1/{name=shelves/*/books/*}`. So each
//! wildcard becomes a parameter of its own, named after the collection in front
//! of it: `/v1/shelves/{shelf}/books/{book}`. A `**` becomes one parameter too,
//! and what cannot be said of it is in its description.

use std::collections::HashSet;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use portolan_schema::http::{Segment, Template, Variable};

/// What a literal segment may not have in it as it is (RFC 3986 §3.3), and the
/// braces of OpenAPI.
const IN_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path as OpenAPI writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// With the names of parameters in braces.
    pub(super) text: String,
    /// The same with empty braces: OpenAPI takes paths that differ only in
    /// names for the same.
    pub(super) shape: String,
    /// In the order of the path.
    pub(super) parameters: Vec<Parameter>,
}

/// A part of a path that a client fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// What it fills.
    pub(super) place: Place,
}

/// What a parameter fills in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The whole field.
    Field(Vec<Box<str>>),
    /// A part of a field whose text is this, with names in braces.
    Part { field: Vec<Box<str>>, text: String },
    /// Any number of segments, of a field if there is one.
    Rest(Option<Vec<Box<str>>>),
    /// Nothing: the rule only wants something there.
    Nothing,
}

impl Path {
    /// A path without parameters.
    pub(super) fn fixed(path: &str) -> Self {
        let encoded: Vec<String> = path
            .split('/')
            .map(|segment| utf8_percent_encode(segment, IN_SEGMENT).to_string())
            .collect();
        let text = encoded.join("/");
        Self {
            shape: text.clone(),
            text,
            parameters: Vec::new(),
        }
    }

    /// The path of a rule; `name` says how a field is called.
    pub(super) fn of(template: &Template, name: impl Fn(&[Box<str>]) -> String) -> Self {
        let segments = template.segments();
        let mut path = Self {
            text: String::new(),
            shape: String::new(),
            parameters: Vec::new(),
        };
        let mut taken = HashSet::new();
        let mut names = vec![None; segments.len()];
        for (index, segment) in segments.iter().enumerate() {
            path.text.push('/');
            path.shape.push('/');
            if let Segment::Literal(literal) = segment {
                let literal = utf8_percent_encode(literal, IN_SEGMENT).to_string();
                path.text.push_str(&literal);
                path.shape.push_str(&literal);
                continue;
            }
            let variable = template
                .variables()
                .iter()
                .find(|variable| variable.segments.contains(&index));
            let wanted = match variable {
                Some(variable) if variable.segments.len() == 1 => name(&variable.field),
                // What stands in front of a variable is not part of its name.
                _ => before(segments, index)
                    .filter(|_| variable.is_none_or(|variable| variable.segments.start < index))
                    .map(singular)
                    .or_else(|| variable.map(|variable| name(&variable.field)))
                    .unwrap_or_else(|| "segment".to_owned()),
            };
            let unique = unique(&wanted, &mut taken);
            path.text.push('{');
            path.text.push_str(&unique);
            path.text.push('}');
            path.shape.push_str("{}");
            names[index] = Some(unique.clone());
            path.parameters.push(Parameter {
                name: unique,
                place: place(segment, variable),
            });
        }
        if segments.is_empty() {
            path.text.push('/');
            path.shape.push('/');
        }
        if let Some(verb) = template.verb() {
            let verb = utf8_percent_encode(verb, IN_SEGMENT).to_string();
            path.text.push(':');
            path.text.push_str(&verb);
            path.shape.push(':');
            path.shape.push_str(&verb);
        }
        path.tell_parts(template, &names);
        path
    }

    /// Takes over the names of a path of the same shape, so that both can be one.
    pub(super) fn rename(&mut self, names: &[String]) {
        let old: Vec<String> = self
            .parameters
            .iter()
            .map(|parameter| format!("{{{}}}", parameter.name))
            .collect();
        for (parameter, name) in self.parameters.iter_mut().zip(names) {
            parameter.name.clone_from(name);
        }
        for parameter in &mut self.parameters {
            if let Place::Part { text, .. } = &mut parameter.place {
                *text = text
                    .split('/')
                    .map(|segment| match old.iter().position(|old| old == segment) {
                        Some(index) => format!("{{{}}}", names[index]),
                        None => segment.to_owned(),
                    })
                    .collect::<Vec<String>>()
                    .join("/");
            }
        }
    }

    /// Fills in the texts that parts are parts of.
    fn tell_parts(&mut self, template: &Template, names: &[Option<String>]) {
        for parameter in &mut self.parameters {
            let Place::Part { field, text } = &mut parameter.place else {
                continue;
            };
            let variable = template.variables().iter().find(|one| one.field == *field);
            let Some(variable) = variable else { continue };
            let pieces = variable.segments.clone().map(|index| {
                match (&template.segments()[index], &names[index]) {
                    (Segment::Literal(literal), _) => literal.to_string(),
                    (_, Some(name)) => format!("{{{name}}}"),
                    (_, None) => String::new(),
                }
            });
            *text = pieces.collect::<Vec<String>>().join("/");
        }
    }
}

fn place(segment: &Segment, variable: Option<&Variable>) -> Place {
    match (segment, variable) {
        (Segment::Rest, Some(variable)) if variable.segments.len() == 1 => {
            Place::Rest(Some(variable.field.clone()))
        }
        (Segment::Rest, None) => Place::Rest(None),
        (_, None) => Place::Nothing,
        (_, Some(variable)) if variable.segments.len() == 1 => Place::Field(variable.field.clone()),
        (_, Some(variable)) => Place::Part {
            field: variable.field.clone(),
            text: String::new(),
        },
    }
}

/// The literal in front of a segment.
fn before(segments: &[Segment], index: usize) -> Option<&str> {
    match segments.get(index.checked_sub(1)?)? {
        Segment::Literal(literal) => Some(literal),
        _ => None,
    }
}

/// One of a collection: `shelves` has a `shelf` (AIP-122, "Collection
/// identifiers" are plural).
fn singular(collection: &str) -> String {
    let collection: String = collection
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    for (plural, one) in [
        ("ies", "y"),
        ("lves", "lf"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
    ] {
        if let Some(stem) = collection.strip_suffix(plural)
            && stem.len() > 1
        {
            return format!("{stem}{one}");
        }
    }
    let ends_otherwise = ["ss", "us", "is"];
    match collection.strip_suffix('s') {
        Some(stem)
            if stem.len() > 1 && !ends_otherwise.iter().any(|end| collection.ends_with(end)) =>
        {
            stem.to_owned()
        }
        _ => collection,
    }
}

fn unique(wanted: &str, taken: &mut HashSet<String>) -> String {
    let mut name = wanted.to_owned();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{wanted}{count}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str) -> Path {
        Path::of(&Template::parse(template).unwrap(), |field| field.join("."))
    }

    #[test]
    fn wildcards_become_parameters() {
        for (template, expected) in [
            ("/", "/"),
            ("/v1/{id}", "/v1/{id}"),
            ("/v1/{book.name}:read", "/v1/{book.name}:read"),
            (
                "/v1/{name=shelves/*/books/*}",
                "/v1/shelves/{shelf}/books/{book}",
            ),
            ("/v1/{name=policies/*}", "/v1/policies/{policy}"),
            ("/v1/{name=*/*}", "/v1/{name}/{name2}"),
            ("/v1/{a=x/*}/{b=x/*}", "/v1/x/{x}/x/{x2}"),
            ("/v1/*/files/**", "/v1/{v1}/files/{file}"),
            ("/v1/{path=**}", "/v1/{path}"),
            ("/v1/a%20b%7Bc", "/v1/a%20b%7Bc"),
        ] {
            assert_eq!(path(template).text, expected, "{template}");
        }
    }

    #[test]
    fn parts_know_their_whole() {
        let path = path("/v1/{name=shelves/*/books/**}");
        assert_eq!(path.shape, "/v1/shelves/{}/books/{}");
        let text = "shelves/{shelf}/books/{book}".to_owned();
        for parameter in &path.parameters {
            let field = vec!["name".into()];
            let text = text.clone();
            assert_eq!(parameter.place, Place::Part { field, text });
        }
    }

    #[test]
    fn paths_of_one_shape_take_one_s_names() {
        let mut path = path("/v1/{name=shelves/*/books/*}");
        path.rename(&["x".to_owned(), "y".to_owned()]);
        let Place::Part { text, .. } = &path.parameters[1].place else {
            panic!("a part");
        };
        assert_eq!(text, "shelves/{x}/books/{y}");
    }

    #[test]
    fn collections_have_one() {
        for (collection, one) in [
            ("shelves", "shelf"),
            ("books", "book"),
            ("indexes", "index"),
            ("addresses", "address"),
            ("status", "status"),
            ("access", "access"),
            ("b-c", "b_c"),
            ("s", "s"),
        ] {
            assert_eq!(singular(collection), one);
        }
    }
}
