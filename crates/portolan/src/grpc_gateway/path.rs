//! Where named routes begin.

use std::fmt;

use super::Error;

/// The beginning of named routes: empty, or segments with a slash in front of
/// each and none behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BasePath(String);

impl BasePath {
    /// Reads a path, which begins with a slash; one at its end says nothing.
    pub(super) fn parse(path: &str) -> Result<Self, Error> {
        let Some(rest) = path.strip_prefix('/') else {
            return Err(Error::RelativePath(path.to_owned()));
        };
        if rest.is_empty() {
            return Ok(Self::default());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        match rest.split('/').find(|segment| !is_plain(segment)) {
            None => Ok(Self(format!("/{rest}"))),
            Some(segment) => Err(Error::Segment {
                path: path.to_owned(),
                segment: segment.to_owned(),
            }),
        }
    }

    /// As [`BasePath::parse`], but nothing at all is a path too.
    #[cfg(feature = "axum")]
    pub(super) fn parse_optional(path: &str) -> Result<Self, Error> {
        match path {
            "" => Ok(Self::default()),
            path => Self::parse(path),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

/// What nobody on the way rewrites (RFC 3986 §2.3 and §6.2.2.3), and what no
/// router reads as a pattern.
fn is_plain(segment: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        for (path, read) in [
            ("/grpc", "/grpc"),
            ("/grpc/", "/grpc"),
            ("/api/v1.2", "/api/v1.2"),
            ("/", ""),
        ] {
            assert_eq!(BasePath::parse(path).unwrap().as_str(), read);
        }
        assert_eq!(BasePath::default().to_string(), "/");
    }

    #[test]
    fn what_is_no_path_is_told() {
        for (path, error) in [
            (
                "grpc",
                "the path `grpc` does not begin with `/`; write `/grpc`",
            ),
            ("", "the path `` does not begin with `/`; write `/`"),
        ] {
            assert_eq!(BasePath::parse(path).unwrap_err().to_string(), error);
        }
        for (path, segment) in [
            ("//", ""),
            ("/a//b", ""),
            ("/a/../b", ".."),
            ("/{name}", "{name}"),
            ("/a/*rest", "*rest"),
            ("/:id", ":id"),
            ("/a?b", "a?b"),
            ("/a%20b", "a%20b"),
            ("/ä", "ä"),
        ] {
            let error = BasePath::parse(path).unwrap_err().to_string();
            let begin = format!("the path `{path}` has the segment `{segment}`;");
            assert!(error.starts_with(&begin), "{error}");
        }
    }

    #[cfg(feature = "axum")]
    #[test]
    fn nothing_is_a_base_path() {
        assert_eq!(BasePath::parse_optional("").unwrap(), BasePath::default());
        assert_eq!(BasePath::parse_optional("/api/v1/").unwrap().0, "/api/v1");
        assert!(BasePath::parse_optional("api").is_err());
    }
}
