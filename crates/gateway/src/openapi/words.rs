//! Comments of contracts as the texts of a document, which are CommonMark.

use std::borrow::Cow;

/// The longest summary, in characters; lists of operations show it on one line.
const LONGEST_SUMMARY: usize = 120;

/// A comment as a description: without what is for the contract's authors only
/// (AIP-192, "Internal comments"), and with references to other elements as
/// plain code, since nothing in a document resolves them.
pub(super) fn description(comment: &str) -> String {
    let public = without_internal(comment);
    references(public.trim())
}

/// The first sentence of a comment, without its full stop; empty when there is
/// none that is short enough to be one.
pub(super) fn summary(description: &str) -> String {
    let paragraph = description.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = line.split(". ").next().unwrap_or_default();
    let sentence = sentence.trim_end_matches(['.', ':', ';']);
    let length = sentence.chars().count();
    if length <= LONGEST_SUMMARY {
        return sentence.to_owned();
    }
    let mut short = String::new();
    for word in sentence.split(' ') {
        if short.chars().count() + word.chars().count() + 2 > LONGEST_SUMMARY {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    if !short.is_empty() {
        short.push('…');
    }
    short
}

/// Paragraphs, those that are empty left out.
pub(super) fn paragraphs<'a>(parts: impl IntoIterator<Item = Cow<'a, str>>) -> String {
    let parts: Vec<Cow<'a, str>> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// `a`, `b` or `c`, each as code.
pub(super) fn alternatives(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn without_internal(comment: &str) -> Cow<'_, str> {
    let Some((before, after)) = comment.split_once("(--") else {
        return Cow::Borrowed(comment);
    };
    let mut public = before.to_owned();
    let mut rest = after;
    loop {
        // One that does not end hides nothing: it may be an arrow.
        let Some((_, after)) = rest.split_once("--)") else {
            public.push_str("(--");
            public.push_str(rest);
            return Cow::Owned(public);
        };
        let Some((between, next)) = after.split_once("(--") else {
            public.push_str(after);
            return Cow::Owned(public);
        };
        public.push_str(between);
        rest = next;
    }
}

/// `[Book][library.v1.Book]` and `[Book][]` become `Book` as code.
fn references(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        let Some((label, reference, after)) = reference(from) else {
            result.push('[');
            rest = &from[1..];
            continue;
        };
        let name = if label.is_empty() { reference } else { label };
        if name.contains('`') || name.contains(' ') {
            result.push_str(name);
        } else {
            result.push('`');
            result.push_str(name);
            result.push('`');
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// The two parts of a reference at the beginning of this, and what follows.
fn reference(text: &str) -> Option<(&str, &str, &str)> {
    let (label, after) = text.strip_prefix('[')?.split_once(']')?;
    let (reference, after) = after.trim_start().strip_prefix('[')?.split_once(']')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    let named = reference.bytes().all(is_name) && !label.contains('[');
    (named && !(label.is_empty() && reference.is_empty())).then_some((label, reference, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_the_first_sentence() {
        for (comment, expected) in [
            ("", ""),
            ("Gives a book.", "Gives a book"),
            ("Gives a book. Or two.", "Gives a book"),
            ("Gives a\nbook that\n\nis long.", "Gives a book that"),
            ("Version 1.5 of it", "Version 1.5 of it"),
        ] {
            assert_eq!(summary(comment), expected, "{comment}");
        }
        let long = "word ".repeat(60);
        let short = summary(&long);
        assert!(
            short.chars().count() <= LONGEST_SUMMARY && short.ends_with("word…"),
            "{short}"
        );
        assert_eq!(summary(&"x".repeat(500)), "");
    }

    #[test]
    fn internal_comments_stay_inside() {
        assert_eq!(description("A. (-- b --) C. (--d--)"), "A.  C.");
        assert_eq!(description("a (-- b"), "a (-- b");
        assert_eq!(description("a (-- b --) c (-- d"), "a  c (-- d");
    }

    #[test]
    fn references_become_code() {
        for (comment, expected) in [
            ("a [Book][library.v1.Book].", "a `Book`."),
            ("a [Book]\n[library.v1.Book].", "a `Book`."),
            ("a [library.v1.Book][].", "a `library.v1.Book`."),
            ("a [whole book][b.Book].", "a whole book."),
            ("a [link](https://a.b/[c]).", "a [link](https://a.b/[c])."),
            ("[0][1 2] [", "[0][1 2] ["),
            ("[x][a b]", "[x][a b]"),
            ("[][]", "[][]"),
        ] {
            assert_eq!(description(comment), expected, "{comment}");
        }
    }

    #[test]
    fn names_are_listed() {
        assert_eq!(alternatives(&["a"]), "`a`");
        assert_eq!(alternatives(&["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(paragraphs(["a".into(), "".into(), "b".into()]), "a\n\nb");
    }
}
