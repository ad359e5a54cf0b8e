//! Which trace a call belongs to, as it travels in `traceparent` and
//! `tracestate` (W3C Trace Context).

use std::fmt::{self, Write};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the trace, the caller's span and its flags.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header with what vendors add.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The most members of a `tracestate` (W3C Trace Context §3.3.1.1).
const MEMBERS: usize = 32;
/// The flag of a trace that is recorded (§3.2.2.5.1) …
const SAMPLED: u8 = 0b01;
/// … and of one whose id is random (Level 2, §3.2.2.5.2).
const RANDOM: u8 = 0b10;

/// The id of a trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// The id of a span; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl TraceId {
    pub(crate) fn random() -> Self {
        Self(fastrand::u128(1..))
    }

    /// The bytes, as OTLP has them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// What sampling by the id goes by: the half that is random in every scheme.
    pub(crate) fn low(self) -> u64 {
        self.0 as u64
    }
}

impl SpanId {
    pub(crate) fn random() -> Self {
        Self(fastrand::u64(1..))
    }

    /// The bytes, as OTLP has them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A span of a trace, as those hear of it who are called within it. A server
/// puts its own into the extensions of each request.
///
/// ```
/// use http::HeaderMap;
/// use portolan_telemetry::TraceContext;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(
///     "traceparent",
///     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?,
/// );
/// let context = TraceContext::of(&headers).ok_or("none")?;
/// assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
/// assert!(context.is_sampled());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: u8,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// The first span of a new trace.
    pub(crate) fn root(sampled: impl FnOnce(TraceId) -> bool) -> Self {
        let trace_id = TraceId::random();
        Self {
            trace_id,
            span_id: SpanId::random(),
            flags: RANDOM | flag(sampled(trace_id)),
            state: None,
        }
    }

    /// A span within this one.
    pub(crate) fn child(&self, sampled: bool) -> Self {
        Self {
            trace_id: self.trace_id,
            span_id: SpanId::random(),
            flags: self.flags & !SAMPLED | flag(sampled),
            state: self.state.clone(),
        }
    }

    /// What the headers of a request say. Nothing when `traceparent` is missing,
    /// given twice or malformed; a malformed `tracestate` is left out.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let (parent, None) = (parents.next()?, parents.next()) else {
            return None;
        };
        let (trace_id, span_id, flags) = parent_of(parent.as_bytes())?;
        Some(Self {
            trace_id,
            span_id,
            flags: flags & (SAMPLED | RANDOM),
            state: state_of(headers),
        })
    }

    /// Says it in the headers of a request, in place of what was there.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        let mut text = String::with_capacity(55);
        write!(text, "{self}").expect("a string takes everything");
        let value = HeaderValue::try_from(text).expect("hexadecimal digits and hyphens");
        headers.insert(TRACEPARENT, value);
        match &self.state {
            Some(state) => drop(headers.insert(TRACESTATE, state.clone())),
            None => drop(headers.remove(TRACESTATE)),
        }
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether the span is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }

    pub(crate) fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }
}

/// As `traceparent` has it.
impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
            ..
        } = self;
        write!(formatter, "00-{trace_id}-{span_id}-{flags:02x}")
    }
}

fn flag(sampled: bool) -> u8 {
    if sampled { SAMPLED } else { 0 }
}

/// The parts of a `traceparent` (§3.2). A version that is not known is read as
/// far as this one goes (§3.2.4).
fn parent_of(text: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let (known, more) = text.split_at_checked(55)?;
    let hyphens = [2, 35, 52].map(|at| known[at]);
    let version = hex(&known[..2])?;
    if hyphens != *b"---" || version == 0xff {
        return None;
    }
    if !more.is_empty() && (version == 0 || more[0] != b'-') {
        return None;
    }
    let trace_id = hex(&known[3..35]).filter(|id| *id != 0)?;
    let span_id = u64::try_from(hex(&known[36..52])?).ok()?;
    let flags = u8::try_from(hex(&known[53..55])?).ok()?;
    let span_id = Some(span_id).filter(|id| *id != 0)?;
    Some((TraceId(trace_id), SpanId(span_id), flags))
}

/// Lower case alone is right (§3.2.2).
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// What vendors add, of all lines as one.
fn state_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(TRACESTATE).iter();
    let first = lines.next()?;
    let state = match lines.next() {
        // On its own, for the span may outlive the request's head by hours.
        None => HeaderValue::from_bytes(first.as_bytes()).ok()?,
        Some(second) => {
            let mut joined = first.as_bytes().to_vec();
            for line in std::iter::once(second).chain(lines) {
                joined.push(b',');
                joined.extend_from_slice(line.as_bytes());
            }
            HeaderValue::try_from(joined).ok()?
        }
    };
    is_state(state.as_bytes()).then_some(state)
}

/// Whether this is a list of members with different keys (§3.3.1).
fn is_state(text: &[u8]) -> bool {
    let mut keys: Vec<&[u8]> = Vec::new();
    let members = text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    for member in members.filter(|member| !member.is_empty()) {
        let Some(at) = member.iter().position(|byte| *byte == b'=') else {
            return false;
        };
        let (key, value) = (&member[..at], &member[at + 1..]);
        if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MEMBERS {
            return false;
        }
        keys.push(key);
    }
    !keys.is_empty()
}

/// A key, of a vendor or of a tenant at one.
fn is_key(key: &[u8]) -> bool {
    let (first, length) = (key.first().copied().unwrap_or_default(), key.len());
    let part =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
    length <= 256
        && (first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.iter().all(part)
        && key.iter().filter(|byte| **byte == b'@').count() <= 1
}

fn is_value(value: &[u8]) -> bool {
    let visible = |byte: &u8| matches!(byte, 0x20..=0x7e) && *byte != b'=';
    (1..=256).contains(&value.len()) && value.iter().all(visible)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "traceparent";
    const STATE: &str = "tracestate";
    const SPAN: &str = "b7ad6b7169203331";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        });
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn parent(text: &str) -> Option<TraceContext> {
        TraceContext::of(&headers(&[(PARENT, text)]))
    }

    #[test]
    fn a_parent_is_read() {
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-00"), false),
            (format!("00-{TRACE}-{SPAN}-fe"), false),
            (format!("00-{TRACE}-{SPAN}-ff"), true),
            (format!("cc-{TRACE}-{SPAN}-01"), true),
            (
                format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
                true,
            ),
            (format!("01-{TRACE}-{SPAN}-00-"), false),
        ] {
            let context = parent(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(context.trace_id().to_string(), TRACE, "{text}");
            assert_eq!(context.span_id().to_string(), SPAN, "{text}");
            assert_eq!(context.is_sampled(), sampled, "{text}");
        }
    }

    #[test]
    fn a_malformed_parent_is_none() {
        let (zeros, short) = ("0".repeat(32), "0".repeat(16));
        for text in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-extra"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("cc-{TRACE}-{SPAN}-01.what"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01-"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{short}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("0A-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}_01"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{}\u{e9}-01", &SPAN[2..]),
        ] {
            assert_eq!(parent(&text), None, "{text:?}");
        }
        let good = format!("00-{TRACE}-{SPAN}-01");
        let twice = headers(&[(PARENT, &good), (PARENT, &good)]);
        assert_eq!(TraceContext::of(&twice), None);
        assert_eq!(TraceContext::of(&HeaderMap::new()), None);
    }

    /// What is kept of these lines of `tracestate`.
    fn state(lines: &[&str]) -> Option<String> {
        let good = format!("00-{TRACE}-{SPAN}-01");
        let mut pairs = vec![(PARENT, good.as_str())];
        pairs.extend(lines.iter().map(|line| (STATE, *line)));
        let context = TraceContext::of(&headers(&pairs)).unwrap();
        let state = context.state()?;
        Some(state.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_state_is_kept_when_it_is_one() {
        let many = |count| {
            let members: Vec<_> = (0..count).map(|at| format!("k{at}=v")).collect();
            members.join(",")
        };
        let long = format!("a={}", "v".repeat(256));
        let key = format!("{}=v", "k".repeat(256));
        for good in [
            "a=1",
            "a=1,b=2",
            "a=1, b=2",
            "a=1,,b=2",
            "t@v=x y",
            "0a/b*_-=~",
            &many(32),
            &long,
            &key,
        ] {
            assert_eq!(state(&[good]).as_deref(), Some(good));
        }
        assert_eq!(state(&["a=1", "b=2"]).as_deref(), Some("a=1,b=2"));
        let (longer, key) = (format!("{long}v"), format!("k{key}"));
        for bad in [
            "",
            ",",
            "a",
            "a=",
            "=1",
            "A=1",
            "a=1,a=2",
            "a=b=c",
            "a =1",
            "t@@v=1",
            "a=\u{e9}",
            "a=1\tb",
            &many(33),
            &longer,
            &key,
        ] {
            assert_eq!(state(&[bad]), None, "{bad}");
        }
    }

    #[test]
    fn what_is_said_is_what_was_heard() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let heard = headers(&[(PARENT, &parent), (STATE, "a=1")]);
        let context = TraceContext::of(&heard).unwrap();
        let mut said = headers(&[(PARENT, "x"), (STATE, "y"), (STATE, "z")]);
        context.write_to(&mut said);
        assert_eq!(said, heard);

        let child = context.child(false);
        child.write_to(&mut said);
        assert_eq!(TraceContext::of(&said), Some(child.clone()));
        assert_eq!(child.trace_id(), context.trace_id());
        assert_ne!(child.span_id(), context.span_id());
        assert!(!child.is_sampled() && said.contains_key(TRACESTATE));

        let root = TraceContext::root(|_| true);
        root.write_to(&mut said);
        assert!(!said.contains_key(TRACESTATE), "it was another trace's");
        assert_eq!(TraceContext::of(&said), Some(root));
    }
}
