//! Huffman-coded strings (RFC 7541 §5.2, appendix B), read but never written:
//! what is sent is short and sent once.

use super::Malformed;

/// How many bits the code of each byte has; the last is the end of the string,
/// which never appears. The code is canonical: codes of one length are in the
/// order of their bytes, so that lengths are all there is to know.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const LONGEST: usize = 30;
/// What is looked up at once; nearly all of what headers have is shorter.
const FAST: usize = 10;

struct Codes {
    /// By the next ten bits: the byte, and the length of its code, or no length.
    fast: [(u8, u8); 1 << FAST],
    /// By length: the first code, how many there are, and where their bytes
    /// are.
    first: [u32; LONGEST + 1],
    count: [u32; LONGEST + 1],
    start: [u32; LONGEST + 1],
    symbols: [u16; 257],
}

static CODES: Codes = codes();

const fn codes() -> Codes {
    let mut codes = Codes {
        fast: [(0, 0); 1 << FAST],
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        start: [0; LONGEST + 1],
        symbols: [0; 257],
    };
    let (mut code, mut sorted, mut length) = (0_u32, 0, 1);
    while length <= LONGEST {
        codes.first[length] = code;
        codes.start[length] = sorted as u32;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                codes.symbols[sorted] = symbol as u16;
                if length <= FAST {
                    let mut at = (code as usize) << (FAST - length);
                    let end = (code as usize + 1) << (FAST - length);
                    while at < end {
                        codes.fast[at] = (symbol as u8, length as u8);
                        at += 1;
                    }
                }
                sorted += 1;
                code += 1;
            }
            symbol += 1;
        }
        codes.count[length] = sorted as u32 - codes.start[length];
        code <<= 1;
        length += 1;
    }
    codes
}

/// Appends the string that the bytes stand for.
pub(super) fn decode(bytes: &[u8], into: &mut Vec<u8>) -> Result<(), Malformed> {
    // The next bits, from the top; below them are zeros.
    let (mut bits, mut count) = (0_u64, 0);
    let mut rest = bytes.iter();
    loop {
        while count <= 56 {
            let Some(byte) = rest.next() else { break };
            bits |= u64::from(*byte) << (56 - count);
            count += 8;
        }
        let (symbol, length) = CODES.fast[(bits >> (64 - FAST)) as usize];
        let length = u32::from(length);
        if length != 0 && length <= count {
            into.push(symbol);
            bits <<= length;
            count -= length;
            continue;
        }
        // Up to seven ones fill the last byte.
        if count < 8 && (bits | u64::MAX >> count) == u64::MAX {
            return Ok(());
        }
        let (symbol, length) = long(bits).ok_or(Malformed)?;
        if length > count {
            return Err(Malformed);
        }
        into.push(symbol);
        bits <<= length;
        count -= length;
    }
}

/// A code longer than what is looked up.
fn long(bits: u64) -> Option<(u8, u32)> {
    (FAST + 1..=LONGEST).find_map(|length| {
        let code = (bits >> (64 - length)) as u32;
        let at = code.checked_sub(CODES.first[length])?;
        if at >= CODES.count[length] {
            return None;
        }
        let symbol = CODES.symbols[(CODES.start[length] + at) as usize];
        // The end of the string is no byte.
        Some((u8::try_from(symbol).ok()?, length as u32))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(hex: &str) -> Result<String, Malformed> {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        let mut text = Vec::new();
        decode(&bytes, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn examples_of_the_specification_are_read() {
        for (hex, written) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (
                "9d29ad171863c78f0b97c8e9ae82ae43d3",
                "https://www.example.com",
            ),
        ] {
            assert_eq!(text(hex).unwrap(), written);
        }
    }

    #[test]
    fn every_byte_has_a_code() {
        for byte in 0..=255_u8 {
            let length = u32::from(LENGTHS[usize::from(byte)]);
            let at = LENGTHS[..usize::from(byte)]
                .iter()
                .filter(|other| u32::from(**other) == length)
                .count();
            let code = u64::from(CODES.first[length as usize]) + at as u64;
            let bits = code << (64 - length) | u64::MAX >> length;
            let size = length.div_ceil(8) as usize;
            let mut text = Vec::new();
            decode(&bits.to_be_bytes()[..size], &mut text).unwrap();
            assert_eq!(text, [byte]);
        }
    }

    #[test]
    fn bad_padding_is_refused() {
        // A zero, a whole byte of ones, the end of the string.
        for hex in ["f0", "6402ff", "ffffffff"] {
            assert!(text(hex).is_err(), "{hex}");
        }
        assert_eq!(text("00ff").unwrap(), "0a");
    }
}
