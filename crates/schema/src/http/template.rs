//! Path templates such as `/v1/{name=shelves/*/books/**}:read`, by the grammar
//! in `google/api/http.proto`:
//!
//! ```text
//! Template  = "/" Segments [ ":" LITERAL ] ;
//! Segments  = Segment { "/" Segment } ;
//! Segment   = "*" | "**" | LITERAL | Variable ;
//! Variable  = "{" FieldPath [ "=" Segments ] "}" ;
//! FieldPath = IDENT { "." IDENT } ;
//! ```
//!
//! There `**` must be the last segment. Google's own contracts have it anywhere,
//! as in `/v1/{parent=documents/**}/{collection_id}`, and so may any; twice would
//! leave open what either matches.

use std::fmt;
use std::ops::Range;

use super::RuleError;

/// The most segments of a template: a hundred times what real contracts have,
/// and a bound on what a contract from elsewhere can make a match cost.
pub const MAX_SEGMENTS: usize = 256;

/// One piece of a path between slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This very text, percent-decoded.
    Literal(Box<str>),
    /// `*`: any one segment.
    Any,
    /// `**`: any number of segments, none too. A template has at most one.
    Rest,
}

/// A part of the path that fills a field of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The path of the field, from the request message down.
    pub field: Vec<Box<str>>,
    /// The segments it covers.
    pub segments: Range<usize>,
}

/// A parsed path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<Box<str>>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// [`RuleError::Template`] with the column of what does not follow the
    /// grammar.
    ///
    /// ```
    /// use portolan_schema::http::{Segment, Template};
    ///
    /// let template = Template::parse("/v1/{name=shelves/*}:read")?;
    /// assert_eq!(template.segments().len(), 3);
    /// assert_eq!(template.variables()[0].segments, 1..3);
    /// assert_eq!(template.verb(), Some("read"));
    /// assert!(Template::parse("v1").is_err());
    /// # Ok::<(), portolan_schema::http::RuleError>(())
    /// ```
    pub fn parse(path: &str) -> Result<Self, RuleError> {
        let mut parser = Parser {
            path,
            at: 0,
            segments: Vec::new(),
            variables: Vec::new(),
        };
        let verb = parser.template()?;
        let Parser {
            segments,
            variables,
            ..
        } = parser;
        Ok(Self {
            text: path.into(),
            segments,
            variables,
            verb,
        })
    }

    /// The segments, those inside variables included.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The variables, in the order of the path.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The custom verb after the last colon.
    #[must_use]
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

struct Parser<'a> {
    path: &'a str,
    at: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl Parser<'_> {
    fn template(&mut self) -> Result<Option<Box<str>>, RuleError> {
        if !self.take(b'/') {
            return Err(self.error("a path must begin with `/`"));
        }
        // `/` alone is outside the grammar, but every implementation takes it
        // for the root.
        if self.peek().is_none() {
            return Ok(None);
        }
        self.segments(false)?;
        let verb = if self.take(b':') {
            Some(self.literal("a verb must not be empty")?)
        } else {
            None
        };
        match self.peek() {
            None => Ok(verb),
            Some(_) => Err(self.error("unexpected character")),
        }
    }

    fn segments(&mut self, in_variable: bool) -> Result<(), RuleError> {
        loop {
            self.segment(in_variable)?;
            if !self.take(b'/') {
                return Ok(());
            }
        }
    }

    fn segment(&mut self, in_variable: bool) -> Result<(), RuleError> {
        if self.segments.len() == MAX_SEGMENTS {
            return Err(self.error("a path must not have more than 256 segments"));
        }
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                let segment = if self.take(b'*') {
                    Segment::Rest
                } else {
                    Segment::Any
                };
                if segment == Segment::Rest && self.segments.contains(&segment) {
                    self.at -= 2;
                    return Err(self.error("`**` must not come twice"));
                }
                self.segments.push(segment);
                Ok(())
            }
            Some(b'{') if in_variable => Err(self.error("variables must not be nested")),
            Some(b'{') => self.variable(),
            _ => {
                let literal = self.literal("a segment must not be empty")?;
                self.segments.push(Segment::Literal(literal));
                Ok(())
            }
        }
    }

    fn variable(&mut self) -> Result<(), RuleError> {
        let opened_at = self.at;
        self.at += 1;
        let start = self.segments.len();
        let mut field = vec![self.identifier()?];
        while self.take(b'.') {
            field.push(self.identifier()?);
        }
        if self.take(b'=') {
            self.segments(true)?;
        } else {
            self.segments.push(Segment::Any);
        }
        if !self.take(b'}') {
            return Err(self.error("a variable must end with `}`"));
        }
        if self.variables.iter().any(|other| other.field == field) {
            self.at = opened_at;
            return Err(self.error("this field is bound twice"));
        }
        self.variables.push(Variable {
            field,
            segments: start..self.segments.len(),
        });
        Ok(())
    }

    fn identifier(&mut self) -> Result<Box<str>, RuleError> {
        let rest = &self.path[self.at..];
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return Err(self.error("expected a field name"));
        }
        self.at += length;
        Ok(rest[..length].into())
    }

    /// Literal text, percent-decoded, since requests are matched decoded.
    fn literal(&mut self, if_empty: &'static str) -> Result<Box<str>, RuleError> {
        let rest = &self.path[self.at..];
        let length = rest
            .find(['/', ':', '{', '}', '*', '=', '?', '#'])
            .unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error(if_empty));
        }
        let literal = &rest[..length];
        // What no path of a request can have would never match.
        if let Some(at) = literal.find(|c: char| c.is_ascii_control() || c == ' ') {
            self.at += at;
            return Err(self.error("a path must not have spaces or control characters"));
        }
        let text =
            percent_decode(literal).ok_or_else(|| self.error("a percent escape is not valid"))?;
        self.at += length;
        Ok(text.into())
    }

    fn peek(&self) -> Option<u8> {
        self.path.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn error(&self, problem: &'static str) -> RuleError {
        RuleError::Template {
            path: self.path.to_owned(),
            problem,
            column: self.at + 1,
        }
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A template written by the grammar: its segments with the field that each
    /// is in, and its verb.
    fn written() -> impl Strategy<Value = String> {
        let literal = "([a-z0-9._~!$&'(),;@-]|%[2-7][0-9A-Fa-f]){1,5}";
        let segment = prop_oneof![Just("*".to_owned()), literal.prop_map(String::from)];
        let plain = prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"));
        let field = "[a-z_][a-z0-9_]{0,3}(\\.[a-z]{1,3}){0,2}";
        let part = prop_oneof![
            plain.clone(),
            field.prop_map(|field| format!("{{{field}}}")),
            (field, plain).prop_map(|(field, inside)| format!("{{{field}={inside}}}")),
        ];
        let verb = prop::option::of(literal.prop_map(|verb| format!(":{verb}")));
        (prop::collection::vec(part, 1..5), verb)
            .prop_map(|(parts, verb)| format!("/{}{}", parts.join("/"), verb.unwrap_or_default()))
    }

    proptest! {
        #[test]
        fn what_the_grammar_allows_is_read(path in written()) {
            match Template::parse(&path) {
                Ok(template) => {
                    prop_assert_eq!(template.to_string(), &*path);
                    let depth = |path: &str| path.matches('/').count();
                    prop_assert_eq!(template.segments().len(), depth(&path));
                    let mut end = 0;
                    for variable in template.variables() {
                        // In the order of the path, and none in another.
                        prop_assert!(variable.segments.start >= end && !variable.segments.is_empty());
                        end = variable.segments.end;
                    }
                    prop_assert!(end <= template.segments().len());
                }
                // Random names may come twice.
                Err(RuleError::Template { problem, .. }) => {
                    prop_assert_eq!(problem, "this field is bound twice");
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }

        #[test]
        fn nothing_is_too_odd_for_a_template(path in "(/?[a-z*{}=.:%/é ]{0,3}){0,8}") {
            if let Err(RuleError::Template { column, .. }) = Template::parse(&path) {
                prop_assert!(column >= 1 && column <= path.len() + 1);
            }
        }
    }

    fn column_of(path: &str) -> (usize, &'static str) {
        match Template::parse(path) {
            Err(RuleError::Template {
                column, problem, ..
            }) => (column, problem),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn variables_cover_their_segments() {
        let template = Template::parse("/v1/{a.b=x/*/y/**}").unwrap();
        assert_eq!(
            template.segments(),
            [
                Segment::Literal("v1".into()),
                Segment::Literal("x".into()),
                Segment::Any,
                Segment::Literal("y".into()),
                Segment::Rest,
            ]
        );
        assert_eq!(template.variables()[0].segments, 1..5);
        assert_eq!(&*template.variables()[0].field[1], "b");
    }

    #[test]
    fn verbs_and_escapes_are_read() {
        let template = Template::parse("/v1/a%20b:go").unwrap();
        assert_eq!(template.segments()[1], Segment::Literal("a b".into()));
        assert_eq!(template.verb(), Some("go"));
        assert!(Template::parse("/").unwrap().segments().is_empty());
    }

    #[test]
    fn errors_name_the_column() {
        assert_eq!(column_of("v1"), (1, "a path must begin with `/`"));
        assert_eq!(column_of("/v1//x"), (5, "a segment must not be empty"));
        assert_eq!(column_of("/v1/{a"), (7, "a variable must end with `}`"));
        assert_eq!(column_of("/{a={b}}"), (5, "variables must not be nested"));
        assert_eq!(column_of("/{a=**}/b/**"), (11, "`**` must not come twice"));
        assert_eq!(column_of("/**/{a=b/**}"), (10, "`**` must not come twice"));
        assert_eq!(column_of("/{a}/{a}"), (6, "this field is bound twice"));
        assert_eq!(column_of("/{1}"), (3, "expected a field name"));
        assert_eq!(column_of("/v1:"), (5, "a verb must not be empty"));
        assert_eq!(column_of("/v1/a%2"), (5, "a percent escape is not valid"));
        assert_eq!(column_of("/v1/é%ff"), (5, "a percent escape is not valid"));
        assert_eq!(
            column_of("/v1/a b"),
            (6, "a path must not have spaces or control characters")
        );
    }

    #[test]
    fn segments_have_a_bound() {
        assert!(Template::parse(&"/*".repeat(MAX_SEGMENTS)).is_ok());
        assert_eq!(
            column_of(&"/*".repeat(MAX_SEGMENTS + 1)),
            (514, "a path must not have more than 256 segments")
        );
        let inside = format!("/{{a={}}}", vec!["*"; MAX_SEGMENTS + 1].join("/"));
        assert_eq!(
            column_of(&inside).1,
            "a path must not have more than 256 segments"
        );
    }
}
