//! Strings: found, copied and unescaped (RFC 8259 §7).

use super::Scanner;
use super::fault::syntax;
use crate::Error;
use crate::raw::{Output, find_near_quote, find_special};

impl<'j> Scanner<'j> {
    /// Appends the content of the string whose opening quote is next with its
    /// length in front, and goes behind its closing quote, if it is short and
    /// plain; then gives whether it is empty.
    #[inline(always)]
    pub(crate) fn copy_short_string(&mut self, out: &mut Output) -> Option<bool> {
        let start = self.at + 1;
        let quote = out.put_short_text(&self.input, start, self.level)?;
        self.at = quote + 1;
        Some(quote == start)
    }

    /// Appends the content of the string whose opening quote is next, and goes
    /// behind its closing quote.
    #[inline(always)]
    pub(crate) fn copy_string(&mut self, out: &mut Output) -> Result<(), Error> {
        let start = self.at + 1;
        let (stop, ascii) = out.copy_plain(&self.input, start, self.text().len(), self.level);
        if self.text().get(stop) == Some(&b'"') {
            self.at = stop + 1;
            if !ascii {
                self.check_utf8(start, stop)?;
            }
            return Ok(());
        }
        self.copy_rest(start, stop, ascii, out)
    }

    /// The same, from the first byte on that is not plain.
    #[inline(never)]
    fn copy_rest(
        &mut self,
        mut start: usize,
        mut stop: usize,
        mut ascii: bool,
        out: &mut Output,
    ) -> Result<(), Error> {
        loop {
            if !ascii {
                self.check_utf8(start, stop)?;
            }
            self.at = stop;
            match self.text().get(stop) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                Some(_) => {
                    let text = "control character (\\u0000-\\u001F) found while parsing a string";
                    return Err(syntax(text, stop));
                }
                None => return Err(syntax("the JSON ends inside a string", stop)),
            }
            start = self.at;
            (stop, ascii) = out.copy_plain(&self.input, start, self.text().len(), self.level);
        }
    }

    /// The content of the string whose opening quote is next, and goes behind
    /// its closing quote. A string with escapes is unescaped into `buffer`,
    /// and then there is nothing to give. It is UTF-8.
    #[inline(always)]
    pub(crate) fn string(&mut self, buffer: &mut Output) -> Result<Option<&'j [u8]>, Error> {
        let start = self.at + 1;
        if let Some(quote) = find_near_quote(&self.input, start, self.level) {
            self.at = quote + 1;
            return Ok(self.text().get(start..quote));
        }
        self.string_in_full(buffer)
    }

    #[inline(never)]
    fn string_in_full(&mut self, buffer: &mut Output) -> Result<Option<&'j [u8]>, Error> {
        let start = self.at + 1;
        let (stop, ascii) = find_special(&self.input, start, self.level);
        if self.text().get(stop) == Some(&b'"') {
            self.at = stop + 1;
            if !ascii {
                self.check_utf8(start, stop)?;
            }
            return Ok(Some(&self.text()[start..stop]));
        }
        buffer.truncate(0);
        buffer.extend(&self.text()[start..stop]);
        self.copy_rest(start, stop, ascii, buffer)?;
        Ok(None)
    }

    #[inline(never)]
    fn check_utf8(&self, start: usize, stop: usize) -> Result<(), Error> {
        match std::str::from_utf8(&self.text()[start..stop]) {
            Ok(_) => Ok(()),
            Err(error) => Err(not_utf8(start + error.valid_up_to())),
        }
    }

    /// Appends what the escape at the next byte stands for.
    fn escape(&mut self, out: &mut Output) -> Result<(), Error> {
        let Some(kind) = self.text().get(self.at + 1) else {
            return Err(syntax("the JSON ends inside a string", self.text().len()));
        };
        let byte = match kind {
            b'"' | b'\\' | b'/' => *kind,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x08,
            b'f' => 0x0c,
            b'u' => return self.unicode_escape(out),
            _ => return Err(syntax("invalid escape", self.at + 1)),
        };
        out.push(byte);
        self.at += 2;
        Ok(())
    }

    /// `\uXXXX`, or two of them that are a surrogate pair.
    fn unicode_escape(&mut self, out: &mut Output) -> Result<(), Error> {
        let lone = "lone leading surrogate in hex escape";
        let start = self.at;
        let first = self.hex()?;
        let code = match first {
            0xd800..0xdc00 => {
                if !self.text()[self.at..].starts_with(b"\\u") {
                    return Err(syntax(lone, start));
                }
                match self.hex()? {
                    second @ 0xdc00..0xe000 => {
                        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(syntax(lone, start)),
                }
            }
            code => code,
        };
        // Only a trailing surrogate on its own is no character.
        let Some(character) = char::from_u32(code) else {
            return Err(syntax("lone trailing surrogate in hex escape", start));
        };
        out.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// The four digits of a `\uXXXX` at the next byte; goes behind them.
    fn hex(&mut self) -> Result<u32, Error> {
        let digits = &self.text()[(self.at + 2).min(self.text().len())..];
        let mut code = 0;
        for index in 0..4 {
            let Some(digit) = digits.get(index) else {
                return Err(syntax("the JSON ends inside a string", self.text().len()));
            };
            let Some(value) = char::from(*digit).to_digit(16) else {
                return Err(syntax("invalid escape", self.at + 2 + index));
            };
            code = code << 4 | value;
        }
        self.at += 6;
        Ok(code)
    }
}

#[cold]
fn not_utf8(offset: usize) -> Error {
    syntax("invalid unicode code point", offset)
}
