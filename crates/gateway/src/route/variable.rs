//! The parts of a path that fill fields (google/api/http.proto, "Path template
//! syntax").

use std::borrow::Cow;

use percent_encoding::percent_decode;
use portolan_schema::http::{Segment, Template};

use crate::{Code, Status};

/// Which escapes stay as they are in a variable of several segments. One of a
/// single segment is always decoded whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiSegment {
    /// `%2F` alone, so that it cannot pass for a slash of the path:
    /// `fully_decode_reserved_expansion: true`, and what google.api.HttpRule
    /// asks for.
    #[default]
    DecodeAllButSlash,
    /// The reserved characters of RFC 6570, `:/?#[]@!$&'()*+,;=`:
    /// `fully_decode_reserved_expansion: false`.
    DecodeUnreserved,
}

/// A field and the segments that fill it.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Names from the request message down.
    pub(crate) field: Vec<Box<str>>,
    begin: Edge,
    end: Edge,
    /// Whether it is one segment by its template.
    single: bool,
}

/// A place between segments.
#[derive(Clone, Copy, Debug)]
enum Edge {
    /// Behind so many.
    FromLeft(usize),
    /// Before so many: it lies behind a `**`.
    FromRight(usize),
}

impl Edge {
    /// Its index in a path of so many segments.
    fn index(self, count: usize) -> usize {
        match self {
            Self::FromLeft(before) => before.min(count),
            Self::FromRight(after) => count.saturating_sub(after),
        }
    }
}

impl Variable {
    pub(super) fn all_of(template: &Template) -> Vec<Self> {
        let segments = template.segments();
        let rest = segments
            .iter()
            .position(|segment| *segment == Segment::Rest)
            .unwrap_or(segments.len());
        let edge = |index| {
            if index <= rest {
                Edge::FromLeft(index)
            } else {
                Edge::FromRight(segments.len() - index)
            }
        };
        let of = |variable: &portolan_schema::http::Variable| Self {
            field: variable.field.clone(),
            begin: edge(variable.segments.start),
            end: edge(variable.segments.end),
            single: variable.segments.len() == 1 && variable.segments.start != rest,
        };
        template.variables().iter().map(of).collect()
    }

    /// Its text in a path that matched, without the verb. A sign of percent
    /// that begins no escape is taken for itself.
    pub(crate) fn text<'p>(
        &self,
        path: &'p str,
        multi_segment: MultiSegment,
    ) -> Result<Cow<'p, str>, Status> {
        let raw = self.raw(path.strip_prefix('/').unwrap_or(path));
        if !raw.contains('%') {
            return Ok(Cow::Borrowed(raw));
        }
        let decoded = if self.single {
            percent_decode(raw.as_bytes()).decode_utf8().ok()
        } else {
            decode_but(raw, |byte| match multi_segment {
                MultiSegment::DecodeAllButSlash => byte == b'/',
                MultiSegment::DecodeUnreserved => b":/?#[]@!$&'()*+,;=".contains(&byte),
            })
            .map(Cow::Owned)
        };
        decoded.ok_or_else(|| {
            let message = format!(
                "path variable `{}` is not UTF-8 in percent-encoding",
                self.field.join(".")
            );
            Status::new(Code::InvalidArgument, message)
        })
    }

    /// Its segments with the slashes between them.
    fn raw<'p>(&self, path: &'p str) -> &'p str {
        let count = match path {
            "" => 0,
            path => path.matches('/').count() + 1,
        };
        let (begin, end) = (self.begin.index(count), self.end.index(count));
        if begin >= end {
            return "";
        }
        // Where the segment of this index begins.
        let offset = |index: usize| {
            let slash = path.match_indices('/').nth(index.checked_sub(1)?)?.0;
            Some(slash + 1)
        };
        let begin = offset(begin).unwrap_or(0);
        let end = offset(end).map_or(path.len(), |next| next - 1);
        &path[begin..end]
    }
}

/// Decodes all escapes but those of some bytes, which stay as they are written.
fn decode_but(text: &str, stays: impl Fn(u8) -> bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        let taken = match escape {
            None => {
                decoded.push(*first);
                1
            }
            Some(byte) if stays(byte) => {
                decoded.extend_from_slice(&rest[..3]);
                3
            }
            Some(byte) => {
                decoded.push(byte);
                3
            }
        };
        rest = &rest[taken..];
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(template: &str, path: &str, multi_segment: MultiSegment) -> Vec<String> {
        let template = Template::parse(template).unwrap();
        Variable::all_of(&template)
            .iter()
            .map(|variable| match variable.text(path, multi_segment) {
                Ok(text) => text.into_owned(),
                Err(status) => status.message().to_owned(),
            })
            .collect()
    }

    #[test]
    fn one_segment_is_decoded_whole() {
        for mode in [
            MultiSegment::DecodeAllButSlash,
            MultiSegment::DecodeUnreserved,
        ] {
            let texts = |path| texts("/v1/{a}/x/{b.c=*}", path, mode);
            assert_eq!(texts("/v1/1/x/2"), ["1", "2"]);
            assert_eq!(texts("/v1/p%2Fq%20r/x/%3a%25"), ["p/q r", ":%"]);
            assert_eq!(texts("/v1/100%/x/%zz%4"), ["100%", "%zz%4"]);
            assert_eq!(texts("/v1/%C3%A9/x/a+b"), ["é", "a+b"]);
            assert_eq!(
                texts("/v1/%ff/x/2")[0],
                "path variable `a` is not UTF-8 in percent-encoding"
            );
        }
    }

    #[test]
    fn of_several_some_escapes_stay() {
        let (all, unreserved) = (
            MultiSegment::DecodeAllButSlash,
            MultiSegment::DecodeUnreserved,
        );
        let path = "/v1/s/a%2Fb%2f%3A%20/c%3fd%7E";
        assert_eq!(texts("/v1/{name=s/*/*}", path, all), ["s/a%2Fb%2f: /c?d~"]);
        assert_eq!(
            texts("/v1/{name=s/*/*}", path, unreserved),
            ["s/a%2Fb%2f%3A /c%3fd~"]
        );
        // `**` is of several segments also where it matches one.
        assert_eq!(texts("/v1/{name=**}", "/v1/a%2Fb", all), ["a%2Fb"]);
        assert_eq!(texts("/v1/{name=**}", "/v1/%e9", all).len(), 1);
        assert!(texts("/v1/{name=**}", "/v1/%e9", all)[0].contains("UTF-8"));
    }

    #[test]
    fn a_rest_is_all_that_is_left() {
        let texts = |template, path| texts(template, path, MultiSegment::default()).remove(0);
        assert_eq!(texts("/v1/{name=**}", "/v1"), "");
        assert_eq!(texts("/v1/{name=**}", "/v1/"), "");
        assert_eq!(texts("/v1/{name=**}", "/v1/a//b/"), "a//b/");
        assert_eq!(texts("/{name=a/**}", "/a"), "a");
        assert_eq!(texts("/{name=a/**}", "/a/b/c"), "a/b/c");
        assert_eq!(texts("/{name=a/*}/b", "/a/x/b"), "a/x");
        assert_eq!(texts("/{name=**}", "/"), "");
    }

    #[test]
    fn what_follows_a_rest_is_counted_from_the_right() {
        let texts = |template, path| texts(template, path, MultiSegment::default());
        let both = |path| texts("/v1/{parent=a/**}/{id}", path);
        assert_eq!(both("/v1/a/x"), ["a", "x"]);
        assert_eq!(both("/v1/a/p/q/x%2Fy"), ["a/p/q", "x/y"]);
        assert_eq!(both("/v1/a//x"), ["a/", "x"]);
        let inside = |path| texts("/v1/{name=**/b/*}", path);
        assert_eq!(inside("/v1/b/1"), ["b/1"]);
        assert_eq!(inside("/v1/p/q/b/1"), ["p/q/b/1"]);
        assert_eq!(texts("/**/{x}/{y}/end", "/a/b/c/end"), ["b", "c"]);
    }
}
