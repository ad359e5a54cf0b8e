//! The words of a query: what a search by text looks for. Whatever a client
//! types becomes a list of words, so that no store ever reads it as an
//! expression in a query language of its own.

use std::collections::HashSet;

use crate::error::Invalid;

/// The different words of a query, one at least, in the order they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// The most different words in a query.
    pub const MAX: usize = 1024;

    /// Takes the words out of a query; `None` when it has none. A word is what
    /// stands between spaces or ASCII punctuation and has a letter or a digit;
    /// the apostrophe is part of a word.
    ///
    /// # Errors
    /// When there are more than [`Words::MAX`] different ones.
    pub fn parse(query: &str) -> Result<Option<Self>, Invalid> {
        let mut seen = HashSet::new();
        let words: Vec<String> = query
            .split(|c: char| {
                c.is_whitespace() || c.is_control() || (c.is_ascii_punctuation() && c != '\'')
            })
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .filter(|word| seen.insert(word.to_lowercase()))
            .map(Into::into)
            .collect();
        if words.len() > Self::MAX {
            return Err(Invalid::Words(words.len()));
        }
        Ok((!words.is_empty()).then_some(Self(words)))
    }

    /// The words.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &str) -> Vec<String> {
        Words::parse(query).unwrap().map_or_else(Vec::new, |w| w.0)
    }

    #[test]
    fn punctuation_and_operators_are_no_words() {
        assert_eq!(
            words("Hello, \"world\"* -(NEAR)"),
            ["Hello", "world", "NEAR"]
        );
        assert_eq!(words("don't\0stop"), ["don't", "stop"]);
        assert_eq!(words("state-of-the-art"), ["state", "of", "the", "art"]);
        assert_eq!(words("das Café, das"), ["das", "Café"]);
        assert!(words(" \t ... ' \" 🦀 ").is_empty());
        assert!(words("").is_empty());
    }

    #[test]
    fn different_words_are_counted() {
        let query = |n: usize| (0..n).map(|i| format!("w{i} W{i} ")).collect::<String>();
        assert_eq!(words(&query(1024)).len(), 1024);
        assert_eq!(Words::parse(&query(1025)), Err(Invalid::Words(1025)));
    }
}
