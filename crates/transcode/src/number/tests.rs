//! Numbers against other people's code, on many texts and values: what is
//! written against zmij, what is read against the standard library.

use super::{Number, print, scan};

/// Numbers that look random, always the same (G. Steele and others, "Fast
/// splittable pseudorandom number generators").
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn digits(&mut self, count: u64) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }

    /// A JSON number of any shape.
    fn text(&mut self) -> String {
        let mut text = String::new();
        if self.below(3) == 0 {
            text.push('-');
        }
        let length = 1 + self.below(self.0 % 24 + 1);
        let whole = self.digits(length);
        let whole = whole.trim_start_matches('0');
        text.push_str(if whole.is_empty() { "0" } else { whole });
        if self.below(4) > 0 {
            text.push('.');
            let zeros = self.below(4) / 3 * self.below(30);
            text.push_str(&"0".repeat(zeros as usize));
            let length = 1 + self.below(self.0 % 24 + 1);
            text.push_str(&self.digits(length));
            let zeros = self.below(4) / 3 * self.below(30);
            text.push_str(&"0".repeat(zeros as usize));
        }
        if self.below(3) == 0 {
            text.push_str(["e", "E", "e+", "e-", "E-"][self.below(5) as usize]);
            let power = self.below(4) / 3 * 300 + self.below(self.0 % 60 + 1);
            text.push_str(&power.to_string());
        }
        text
    }
}

/// How many rounds a test makes: so many, or as many times more as the
/// environment asks for.
fn rounds(usual: u64) -> u64 {
    let times = std::env::var("PORTOLAN_NUMBER_ROUNDS").ok();
    usual * times.and_then(|times| times.parse().ok()).unwrap_or(1)
}

fn printed(print: impl FnOnce(&mut [u8; 32]) -> usize) -> String {
    let mut out = [b'?'; 32];
    let length = print(&mut out);
    String::from_utf8(out[..length].to_vec()).expect("ASCII")
}

fn without_zero(text: &str) -> &str {
    text.strip_suffix(".0").unwrap_or(text)
}

fn check_f32(value: f32) {
    let mut out = [b'?'; 32];
    let length = print::f32(value, &mut out);
    let mut buffer = zmij::Buffer::new();
    let expected = without_zero(buffer.format_finite(value));
    if out[..length] != *expected.as_bytes() {
        panic!("{} is no {expected}", out[..length].escape_ascii());
    }
}

/// Every float is printed as zmij prints it. One in a few hundred is looked at,
/// and all of them when `PORTOLAN_EVERY_FLOAT` is set: run that in release.
#[test]
fn every_float_is_printed_as_zmij_does() {
    let every = std::env::var_os("PORTOLAN_EVERY_FLOAT").is_some();
    let step = if every { 1 } else { 9_999 };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let bits = (0..=u32::MAX).step_by(step).skip(thread).step_by(threads);
            scope.spawn(move || {
                bits.map(f32::from_bits)
                    .filter(|value| value.is_finite())
                    .for_each(check_f32);
            });
        }
    });
    // Where one way ends and the next begins.
    for edge in [
        0.0,
        1e-6,
        1.0,
        1_048_576.0,
        16_777_216.0,
        1e12_f32,
        f32::MAX,
    ] {
        for step in 0..200_u32 {
            for bits in [edge.to_bits() + step, edge.to_bits().saturating_sub(step)] {
                let value = f32::from_bits(bits);
                if value.is_finite() {
                    check_f32(value);
                    check_f32(-value);
                }
            }
        }
    }
}

#[test]
fn doubles_are_printed_as_zmij_does() {
    let mut random = Random(1);
    let mut buffer = zmij::Buffer::new();
    let mut check = |value: f64| {
        if value.is_finite() {
            let expected = without_zero(buffer.format_finite(value));
            assert_eq!(printed(|out| print::f64(value, out)), expected);
        }
    };
    for value in [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1e15,
        1e16,
        1e17,
        1e22,
        5e-324,
        f64::MAX,
        f64::MIN,
    ] {
        check(value);
    }
    for power in 0..64 {
        for near in -3..=3 {
            check((2_f64.powi(power) as i64).saturating_add(near) as f64);
            check(-(2_f64.powi(power) as i64).saturating_add(near) as f64);
        }
    }
    for _ in 0..rounds(30_000) {
        check(f64::from_bits(random.next()));
        check(random.next() as i64 as f64);
        // Whole numbers of up to seventeen digits, where the text changes.
        check((random.next() >> (7 + random.below(20))) as f64);
        check((random.next() >> random.below(64)) as f64 / 10_f64.powi(random.below(20) as i32));
    }
}

#[test]
fn integers_are_printed() {
    let mut random = Random(2);
    let check = |value: u64| {
        assert_eq!(printed(|out| print::u64(value, out)), value.to_string());
        let signed = value.cast_signed();
        assert_eq!(printed(|out| print::i64(signed, out)), signed.to_string());
    };
    for power in 0..20 {
        for near in 0..3 {
            check(10_u64.pow(power) + near);
            check(10_u64.pow(power) - near.min(1));
            check((10_u64.pow(power) + near).wrapping_neg());
        }
    }
    for value in [
        0,
        u64::MAX,
        i64::MAX as u64,
        i64::MIN as u64,
        u64::from(u32::MAX),
        1 << 31,
    ] {
        check(value);
    }
    for _ in 0..rounds(60_000) {
        let shift = random.below(64);
        check(random.next() >> shift);
    }
}

/// Reads a text as both floats, in front of other text and alone.
fn check_text(text: &str) {
    let json = format!("{text},0.123456789");
    let alone = Number::parse_all(text.as_bytes()).expect(text);
    let number = scan(json.as_bytes(), 0).expect(text);
    assert_eq!(number.text(), text.as_bytes());
    let double = Some(text.parse::<f64>().expect(text)).filter(|value| value.is_finite());
    let float = Some(text.parse::<f32>().expect(text)).filter(|value| value.is_finite());
    for number in [number, alone] {
        assert_eq!(
            number.to_f64().map(f64::to_bits),
            double.map(f64::to_bits),
            "{text}"
        );
        assert_eq!(
            number.to_f32().map(f32::to_bits),
            float.map(f32::to_bits),
            "{text}"
        );
    }
}

#[test]
fn floats_are_read_as_the_standard_library_does() {
    let mut random = Random(3);
    for _ in 0..rounds(30_000) {
        check_text(&random.text());
        let double = f64::from_bits(random.next());
        let float = f32::from_bits(random.next() as u32);
        let share = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let short = random.below(1_000_000) as f64 / 1000.0;
        for value in [double, f64::from(float), share, short] {
            if value.is_finite() {
                check_text(&value.to_string());
                check_text(&format!("{value:e}"));
                check_text(&format!("{value:.17e}"));
            }
        }
        check_text(&float.abs().min(f32::MAX).to_string());
        check_text(&(share as f32).to_string());
    }
}

/// Texts that lie exactly in the middle of two floats, and a little beside it.
#[test]
fn middles_are_read_as_the_standard_library_does() {
    let mut random = Random(4);
    let beside = |text: &str| {
        let (digits, power) = text.split_once('e').expect("an exponent");
        check_text(text);
        let digits = if digits.contains('.') {
            digits.to_owned()
        } else {
            format!("{digits}.0")
        };
        for more in [
            "0000000000000000000000000",
            "0000000000000000000000001",
            "1",
        ] {
            check_text(&format!("{digits}{more}e{power}"));
        }
        let (last, rest) = digits.as_bytes().split_last().expect("digits");
        if *last > b'0' {
            let rest = std::str::from_utf8(rest).expect("ASCII");
            let less = char::from(last - 1);
            check_text(&format!("{rest}{less}e{power}"));
            check_text(&format!("{rest}{less}999999999999999999999e{power}"));
        }
        for digits in [17, 18, 19, 20] {
            let value: f64 = text.parse().expect(text);
            check_text(&format!("{value:.digits$e}"));
        }
    };
    for _ in 0..rounds(1_000) {
        // The middle of two floats is a double, and is printed exactly.
        let low = f32::from_bits(random.below(u64::from(f32::MAX.to_bits())) as u32);
        let middle = f64::midpoint(f64::from(low), f64::from(low.next_up()));
        beside(&format!("{middle:.160e}"));
        beside(&format!("{middle:e}"));
        // The middle of two doubles: both have 53 bits, so that of two whole
        // ones of 54 bits is whole, too.
        let whole = 1_u64 << 53 | random.next() >> 11;
        beside(&format!(
            "{}e0",
            u128::from(whole * 2 + 1) << random.below(60)
        ));
        // And with a point: the same as a fraction of 2^k, which ends.
        let places = 1 + random.below(25);
        let odd = u128::from((1_u64 << 53 | random.next() >> 11) | 1);
        let shifted = odd * 5_u128.pow(places as u32);
        beside(&format!("{shifted}e-{places}"));
    }
    for bits in (0..300).chain(0x007f_ff00..0x0080_0100) {
        let low = f32::from_bits(bits);
        let middle = f64::midpoint(f64::from(low), f64::from(low.next_up()));
        beside(&format!("{middle:.160e}"));
    }
}

/// The value as an integer by way of its plain text: digits without exponent.
fn plain_integer(text: &str) -> Option<u64> {
    let (digits, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let power: i64 = power.parse().expect("an exponent");
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i64 + power;
    let at = point.clamp(0, digits.len() as i64) as usize;
    if digits[at..].bytes().any(|digit| digit != b'0') {
        return None;
    }
    let digits = digits[..at].trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let zeros = (point - at as i64).min(30) as usize;
    format!("{digits}{}", "0".repeat(zeros)).parse().ok()
}

#[test]
fn integers_are_read_as_their_plain_text() {
    let mut random = Random(5);
    let check = |text: &str| {
        let number = Number::parse_all(text.as_bytes()).expect(text);
        let negative = text.starts_with('-');
        let magnitude = plain_integer(text.trim_start_matches('-'));
        let value = magnitude.map(i128::from);
        let value = value.map(|value| if negative { -value } else { value });
        assert_eq!(
            number.to_u64(),
            value.and_then(|value| value.try_into().ok()),
            "{text}"
        );
        assert_eq!(
            number.to_i64(),
            value.and_then(|value| value.try_into().ok()),
            "{text}"
        );
        assert_eq!(
            number.to_u32(),
            value.and_then(|value| value.try_into().ok()),
            "{text}"
        );
        assert_eq!(
            number.to_i32(),
            value.and_then(|value| value.try_into().ok()),
            "{text}"
        );
    };
    for _ in 0..rounds(30_000) {
        check(&random.text());
        // An integer in one of its disguises.
        let value = random.next() >> random.below(64);
        let zeros = "0".repeat(random.below(26) as usize);
        let sign = ["", "-"][random.below(2) as usize];
        check(&format!("{sign}{value}"));
        check(&format!("{sign}{value}.0{zeros}"));
        if value > 0 {
            check(&format!("{sign}{value}{zeros}e-{}", zeros.len()));
        }
        check(&format!(
            "{sign}0.{zeros}{value}e{}",
            zeros.len() + value.to_string().len()
        ));
        check(&format!("{sign}{value}e{}", random.below(20)));
    }
}

/// Any bytes at all: nothing panics, and what is accepted is what the grammar
/// has, since the standard library reads it, too.
#[test]
fn any_bytes_are_read_or_refused() {
    const BYTES: &[u8] = b"0123456789012345678900-+.eE, \0/:\xff";
    let mut random = Random(6);
    for _ in 0..rounds(100_000) {
        let length = random.below(28) as usize;
        let text: Vec<u8> = (0..length)
            .map(|_| BYTES[random.below(BYTES.len() as u64) as usize])
            .collect();
        let at = random.below(3) as usize;
        let Some(number) = scan(&text, at) else {
            continue;
        };
        let found = std::str::from_utf8(number.text()).expect("ASCII");
        assert!(text[at..].starts_with(found.as_bytes()));
        check_text(found);
        let bare = found.trim_start_matches('-');
        assert!(
            !bare.starts_with(['+', '.']) && !bare.ends_with('.'),
            "{found}"
        );
        assert!(!bare.contains(".e") && !bare.contains(".E"), "{found}");
        let zero_in_front = bare.len() > 1 && bare.starts_with('0');
        assert!(
            !zero_in_front || bare[1..].starts_with(['.', 'e', 'E']),
            "{found}"
        );
    }
}
