//! Walks over a JSON text: one value after the other, without a tree.

use super::fault::{syntax, wrong_type};
use crate::Error;
use crate::number::{Number, PlainInteger, plain_integer, scan};
use crate::raw::{Input, Level, Output};

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'j> {
    pub(super) input: Input<'j>,
    pub(super) at: usize,
    pub(super) level: Level,
}

/// What a step through an object or an array came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Behind the comma: something more is there.
    More,
    /// Behind the closing bracket.
    End,
}

/// Whether a value that begins with this byte is a number.
#[inline(always)]
pub(crate) fn is_number_start(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_digit()
}

impl<'j> Scanner<'j> {
    pub(crate) fn new(text: &'j [u8], level: Level) -> Self {
        Self {
            input: Input::new(text),
            at: 0,
            level,
        }
    }

    #[inline(always)]
    pub(crate) fn text(&self) -> &'j [u8] {
        self.input.bytes()
    }

    /// The whole text.
    #[inline(always)]
    pub(crate) fn input(&self) -> &Input<'j> {
        &self.input
    }

    /// The byte to be looked at next, from 0.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes to a byte, on or back.
    #[inline(always)]
    pub(crate) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The next byte; zero, which JSON has nowhere, at the end.
    #[inline(always)]
    pub(crate) fn byte(&self) -> u8 {
        self.text().get(self.at).copied().unwrap_or(0)
    }

    /// The next byte that is not white space; zero at the end.
    #[inline(always)]
    pub(crate) fn solid(&mut self) -> u8 {
        let byte = self.byte();
        if byte > b' ' {
            return byte;
        }
        self.skip_space()
    }

    #[inline(never)]
    fn skip_space(&mut self) -> u8 {
        // Indented JSON: a line break and many spaces.
        const SPACES: u64 = 0x2020_2020_2020_2020;
        loop {
            match self.byte() {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return byte,
            }
            while let Some(eight) = self.text()[self.at..].first_chunk::<8>()
                && u64::from_le_bytes(*eight) == SPACES
            {
                self.at += 8;
            }
        }
    }

    /// The first byte of the next value.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Result<u8, Error> {
        match self.solid() {
            0 => Err(self.no_value()),
            byte => Ok(byte),
        }
    }

    #[cold]
    fn no_value(&self) -> Error {
        if self.at == self.text().len() {
            syntax("the JSON ends inside a value", self.at)
        } else {
            syntax("expected a value", self.at)
        }
    }

    /// Enters a value that begins with `bracket`.
    #[inline(always)]
    pub(crate) fn enter(&mut self, bracket: u8, expected: &'static str) -> Result<(), Error> {
        let found = self.peek()?;
        if found != bracket {
            return Err(self.wrong_type(expected, found));
        }
        self.at += 1;
        Ok(())
    }

    /// After `{` or a comma of an object: goes to the quote of the next key,
    /// or behind the `}`, which may not follow a comma.
    pub(crate) fn key_or_end(&mut self, first: bool) -> Result<Step, Error> {
        match self.solid() {
            b'"' => Ok(Step::More),
            b'}' if first => {
                self.at += 1;
                Ok(Step::End)
            }
            b'}' => Err(syntax("trailing comma", self.at)),
            0 if self.at == self.text().len() => {
                Err(syntax("the JSON ends inside an object", self.at))
            }
            _ => Err(syntax("key must be a string", self.at)),
        }
    }

    /// After a key: goes behind the colon.
    #[inline]
    pub(crate) fn colon(&mut self) -> Result<(), Error> {
        match self.solid() {
            b':' => {
                self.at += 1;
                Ok(())
            }
            0 if self.at == self.text().len() => {
                Err(syntax("the JSON ends inside an object", self.at))
            }
            _ => Err(syntax("expected `:`", self.at)),
        }
    }

    /// After a member: goes behind the comma or behind the `}`.
    #[inline(always)]
    pub(crate) fn after_member(&mut self) -> Result<Step, Error> {
        match self.solid() {
            b',' => {
                self.at += 1;
                Ok(Step::More)
            }
            b'}' => {
                self.at += 1;
                Ok(Step::End)
            }
            _ => Err(self.unfinished("the JSON ends inside an object", "expected `,` or `}`")),
        }
    }

    /// After a member: goes to the quote of the next one's key, or behind the
    /// `}`.
    #[inline(always)]
    pub(crate) fn next_member(&mut self) -> Result<Step, Error> {
        match self.after_member()? {
            Step::More => self.key_or_end(false),
            Step::End => Ok(Step::End),
        }
    }

    /// After `[`: whether there is an element; goes behind the `]` if not.
    #[inline(always)]
    pub(crate) fn first_element(&mut self) -> Result<Step, Error> {
        match self.solid() {
            b']' => {
                self.at += 1;
                Ok(Step::End)
            }
            0 if self.at == self.text().len() => {
                Err(syntax("the JSON ends inside a list", self.at))
            }
            _ => Ok(Step::More),
        }
    }

    /// After an element: goes behind the comma or behind the `]`.
    #[inline(always)]
    pub(crate) fn after_element(&mut self) -> Result<Step, Error> {
        match self.solid() {
            b',' => {
                self.at += 1;
                Ok(Step::More)
            }
            b']' => {
                self.at += 1;
                Ok(Step::End)
            }
            _ => Err(self.unfinished("the JSON ends inside a list", "expected `,` or `]`")),
        }
    }

    #[cold]
    #[inline(never)]
    fn unfinished(&self, at_end: &str, otherwise: &str) -> Error {
        let text = if self.at == self.text().len() {
            at_end
        } else {
            otherwise
        };
        syntax(text, self.at)
    }

    /// Nothing but white space may follow.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.solid();
        if self.at == self.text().len() {
            Ok(())
        } else {
            Err(syntax("trailing characters", self.at))
        }
    }

    /// Goes behind `null`, whose first byte was seen.
    pub(crate) fn null(&mut self) -> Result<(), Error> {
        self.word(b"null")
    }

    /// Goes behind `true` or `false`, whose first byte was seen.
    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, Error> {
        let value = self.byte() == b't';
        self.word(if value { b"true" } else { b"false" })?;
        Ok(value)
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Result<(), Error> {
        if self.text()[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        let rest = &self.text()[self.at..];
        let same = rest.iter().zip(word).take_while(|(a, b)| a == b).count();
        let at = self.at + same;
        if at == self.text().len() {
            Err(syntax("the JSON ends inside a value", at))
        } else {
            Err(syntax("expected true, false or null", at))
        }
    }

    /// The number that is next, bare or alone in quotes, and goes behind it;
    /// nothing when there is none (RFC 8259 §6).
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Option<Number<'j>> {
        let text = self.text();
        let quotes = usize::from(self.byte() == b'"');
        let number = scan(text, self.at + quotes)?;
        let end = number.end();
        if quotes == 0 {
            self.at = end;
        } else if text.get(end) == Some(&b'"') {
            self.at = end + 1;
        } else {
            return None;
        }
        Some(number)
    }

    /// The integer that is next, bare or alone in quotes, if it is written in
    /// digits alone, and goes behind it.
    #[inline(always)]
    pub(crate) fn plain_integer(&mut self) -> Option<PlainInteger> {
        let text = self.text();
        let quotes = usize::from(self.byte() == b'"');
        let integer = plain_integer(text, self.at + quotes)?;
        if quotes != 0 && text.get(integer.end) != Some(&b'"') {
            return None;
        }
        self.at = integer.end + quotes;
        Some(integer)
    }

    /// The error for what begins like a number and is none.
    #[cold]
    #[inline(never)]
    pub(crate) fn bad_number(&mut self) -> Error {
        match self.walk_number() {
            Err(error) => error,
            Ok(()) => syntax("invalid number", self.at),
        }
    }

    /// Goes through a number as far as it is one.
    fn walk_number(&mut self) -> Result<(), Error> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Error> {
        if !self.byte().is_ascii_digit() {
            return Err(self.unfinished("the JSON ends inside a value", "invalid number"));
        }
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    /// Passes over a value. It must be JSON, strings included, and may not nest
    /// deeper than so many levels; `too_deep` makes the error when it does.
    /// `buffer` is for strings with escapes.
    pub(crate) fn skip(
        &mut self,
        levels: u32,
        buffer: &mut Output,
        too_deep: &impl Fn(usize) -> Error,
    ) -> Result<(), Error> {
        let first = self.peek()?;
        match first {
            b'"' => self.string(buffer).map(drop),
            b'{' | b'[' => {
                let Some(levels) = levels.checked_sub(1) else {
                    return Err(too_deep(self.at));
                };
                self.at += 1;
                if first == b'[' {
                    let mut step = self.first_element()?;
                    while step == Step::More {
                        self.skip(levels, buffer, too_deep)?;
                        step = self.after_element()?;
                    }
                } else {
                    let mut step = self.key_or_end(true)?;
                    while step == Step::More {
                        self.string(buffer)?;
                        self.colon()?;
                        self.skip(levels, buffer, too_deep)?;
                        step = self.next_member()?;
                    }
                }
                Ok(())
            }
            b't' | b'f' => self.boolean().map(drop),
            b'n' => self.null(),
            _ if is_number_start(first) => match self.number() {
                Some(_) => Ok(()),
                None => Err(self.bad_number()),
            },
            _ => Err(self.wrong_type("a value", first)),
        }
    }

    /// The error for a value that begins with `found` where another sort is
    /// wanted.
    #[cold]
    #[inline(never)]
    pub(crate) fn wrong_type(&self, expected: &'static str, found: u8) -> Error {
        let before = self.text()[..self.at].trim_ascii_end();
        if found == b']' && before.ends_with(b",") {
            return syntax("trailing comma", self.at);
        }
        wrong_type(expected, found, self.at)
    }
}
