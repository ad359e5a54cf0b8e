//! Comments by the path of the element they stand at (descriptor.proto,
//! `SourceCodeInfo.Location.path`).

use std::collections::HashMap;

use crate::descriptor::SourceCodeInfo;

/// The comments of one file.
pub(crate) struct Comments<'a>(HashMap<&'a [i32], &'a str>);

impl<'a> Comments<'a> {
    pub(crate) fn of(info: Option<&'a SourceCodeInfo>) -> Self {
        let locations = info.map_or(&[][..], |info| &info.location);
        Self(
            locations
                .iter()
                .filter_map(|location| {
                    let comment = location
                        .leading_comments
                        .as_deref()
                        .or(location.trailing_comments.as_deref())?;
                    Some((&*location.path, comment))
                })
                .collect(),
        )
    }

    /// The comment of what is at `position` in the list `tag` of the element at
    /// `path`.
    pub(crate) fn at_child(&self, path: &[i32], tag: i32, position: i32) -> Box<str> {
        // A descriptor set is often without comments: build no path for nothing.
        if self.0.is_empty() {
            return Box::default();
        }
        self.at(&[path, &[tag, position]].concat())
    }

    /// The comment of the element at `path`, with the indentation of each line
    /// and surrounding blank lines removed.
    pub(crate) fn at(&self, path: &[i32]) -> Box<str> {
        let Some(comment) = self.0.get(path) else {
            return Box::default();
        };
        let lines: Vec<&str> = comment
            .lines()
            .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
            .collect();
        lines.join("\n").trim().into()
    }
}
