//! A line in the log for every request, written when its response has ended.
//!
//! It is an event like any other, unless the logs are the process's own: then
//! the line is put together here, as the event would have been shown, which
//! takes a tenth of the time.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::observe::{Ending, Seen};
use crate::logging::LogFormat;
use crate::outlet::Outlet;

/// What the lines are filtered by.
pub(crate) const TARGET: &str = "portolan::access";

/// How lines are shown, and where, when it is known.
static DIRECT: OnceLock<(LogFormat, Outlet)> = OnceLock::new();

/// Has lines of this form written here, past the other logs.
pub(crate) fn write_directly(format: LogFormat, outlet: Outlet) {
    let _ = DIRECT.set((format, outlet));
}

/// Writes the line: a call by its method, anything else by its path. The query
/// is left out, since secrets travel there.
pub(crate) fn write(seen: &Seen<'_>, ending: Ending, duration: Duration) {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return;
    }
    let direct = DIRECT.get().and_then(|(format, outlet)| {
        let line = line(*format, Timestamp::now(), seen, ending, duration)?;
        Some((line, outlet))
    });
    match direct {
        Some((line, outlet)) => outlet.add(&line),
        None => trace(seen, ending, duration),
    }
}

/// The line as an event.
fn trace(seen: &Seen<'_>, ending: Ending, duration: Duration) {
    tracing::info!(
        target: TARGET,
        http_method = %seen.http_method,
        protocol = display(seen.protocol),
        http_status = seen.http_status.map(|status| status.as_u16()),
        status = %ending.name(),
        duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3,
        request_bytes = seen.request_bytes,
        bytes = seen.bytes,
        request_id = display(seen.request_id.to_str().unwrap_or_default()),
        trace_id = seen.trace_id.map(display),
        peer = seen.peer.map(display),
        client = seen.client.map(|client| display(client.0)),
        "{}",
        seen.name
    );
}

/// The line as it is shown; `None` when something in it has to be escaped.
fn line(
    format: LogFormat,
    now: Timestamp,
    seen: &Seen<'_>,
    ending: Ending,
    duration: Duration,
) -> Option<Vec<u8>> {
    let request_id = seen.request_id.to_str().unwrap_or_default();
    let is_plain = |text: &str| {
        let special: &[u8] = match format {
            LogFormat::Text => b"",
            LogFormat::Json => b"\"\\",
        };
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && !special.contains(&byte))
    };
    if !is_plain(seen.name) || !is_plain(request_id) {
        return None;
    }
    let mut line = Line {
        bytes: Vec::with_capacity(384),
        format,
    };
    line.begin(now, seen.name);
    line.text("http_method", seen.http_method.as_str());
    line.text("protocol", seen.protocol);
    if let Some(status) = seen.http_status {
        line.number("http_status", status.as_u16().into());
    }
    line.text("status", &ending.name());
    line.milliseconds("duration_ms", duration);
    line.number("request_bytes", seen.request_bytes);
    line.number("bytes", seen.bytes);
    line.text("request_id", request_id);
    if let Some(trace_id) = seen.trace_id {
        line.name("trace_id");
        line.quote();
        write!(line.bytes, "{trace_id}").ok()?;
        line.quote();
    }
    if let Some(peer) = seen.peer {
        line.name("peer");
        line.quote();
        write!(line.bytes, "{peer}").ok()?;
        line.quote();
    }
    if let Some(client) = seen.client {
        line.name("client");
        line.quote();
        write!(line.bytes, "{}", client.0).ok()?;
        line.quote();
    }
    line.end();
    Some(line.bytes)
}

/// A line that is put together.
struct Line {
    bytes: Vec<u8>,
    format: LogFormat,
}

impl Line {
    fn begin(&mut self, now: Timestamp, message: &str) {
        match self.format {
            LogFormat::Text => {
                self.time(now);
                self.put("  INFO ");
                self.put(TARGET);
                self.put(": ");
                self.put(message);
            }
            LogFormat::Json => {
                self.put("{\"timestamp\":\"");
                self.time(now);
                self.put("\",\"level\":\"INFO\"");
                self.text("message", message);
            }
        }
    }

    fn end(&mut self) {
        if self.format == LogFormat::Json {
            self.text("target", TARGET);
            self.put("}");
        }
        self.put("\n");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quote();
        self.put(value);
        self.quote();
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.digits(value, 1);
    }

    /// To the microsecond, as a fraction that says no more than it has to.
    fn milliseconds(&mut self, name: &str, duration: Duration) {
        self.name(name);
        let micros = (duration.as_secs_f64() * 1e6).round() as u64;
        self.digits(micros / 1000, 1);
        self.put(".");
        self.digits(micros % 1000, 3);
        while self.bytes.ends_with(b"0") && !self.bytes.ends_with(b".0") {
            self.bytes.pop();
        }
    }

    fn name(&mut self, name: &str) {
        match self.format {
            LogFormat::Text => {
                self.put(" ");
                self.put(name);
                self.put("=");
            }
            LogFormat::Json => {
                self.put(",\"");
                self.put(name);
                self.put("\":");
            }
        }
    }

    fn quote(&mut self) {
        if self.format == LogFormat::Json {
            self.put("\"");
        }
    }

    /// RFC 3339 in UTC, to the microsecond.
    fn time(&mut self, now: Timestamp) {
        let now = Offset::UTC.to_datetime(now);
        for (value, digits, after) in [
            (now.year().unsigned_abs().into(), 4, "-"),
            (now.month().unsigned_abs().into(), 2, "-"),
            (now.day().unsigned_abs().into(), 2, "T"),
            (now.hour().unsigned_abs().into(), 2, ":"),
            (now.minute().unsigned_abs().into(), 2, ":"),
            (now.second().unsigned_abs().into(), 2, "."),
            (
                (now.subsec_nanosecond() / 1000).unsigned_abs().into(),
                6,
                "Z",
            ),
        ] {
            self.digits(value, digits);
            self.put(after);
        }
    }

    /// A number with so many digits at least.
    fn digits(&mut self, mut value: u64, least: usize) {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        while value > 0 {
            first -= 1;
            digits[first] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        let first = first.min(digits.len() - least);
        self.bytes.extend_from_slice(&digits[first..]);
    }

    fn put(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{HeaderValue, Method, StatusCode};
    use portolan_gateway::Code;

    use super::*;
    use crate::{Client, Peer, logging};

    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl Write for Shown {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is shown of the event, without its time.
    fn event(format: LogFormat, seen: &Seen<'_>, ending: Ending, duration: Duration) -> String {
        let shown = Shown::default();
        let writer = shown.clone();
        let filter = logging::filter("").unwrap();
        let logs = logging::dispatch(format, false, filter, move || writer.clone());
        tracing::dispatcher::with_default(&logs, || trace(seen, ending, duration));
        let bytes = shown.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn trace_id() -> Option<portolan_telemetry::TraceId> {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = [(
            portolan_telemetry::TRACEPARENT,
            HeaderValue::from_static(parent),
        )];
        let context = portolan_telemetry::TraceContext::of(&headers.into_iter().collect());
        context.map(|context| context.trace_id())
    }

    const TIME: &str = "2026-11-21T10:36:28.098660Z";

    /// Puts one time in the place of the one that is shown.
    fn timeless(format: LogFormat, line: &str) -> String {
        let begin = match format {
            LogFormat::Text => 0,
            LogFormat::Json => "{\"timestamp\":\"".len(),
        };
        format!("{}{TIME}{}", &line[..begin], &line[begin + TIME.len()..])
    }

    #[test]
    fn a_line_is_what_the_event_would_have_been() {
        let now = Timestamp::from_microsecond(1_795_257_388_098_660).unwrap();
        let id = HeaderValue::from_static("01a1fdc4-22c3-73d2-b99a-bb8d32af0e71");
        let peers = ["127.0.0.1:57828", "[::1]:80"].map(|peer| Peer::Tcp(peer.parse().unwrap()));
        for format in [LogFormat::Text, LogFormat::Json] {
            for (duration, ending) in [
                (Duration::ZERO, Ending::Http(StatusCode::NOT_FOUND)),
                (Duration::from_nanos(1_499), Ending::Rpc(Code::Ok)),
                (Duration::from_micros(167), Ending::Rpc(Code::NotFound)),
                (Duration::from_micros(120_500), Ending::Rpc(Code::Internal)),
                (Duration::from_secs(86_400), Ending::Rpc(Code::Cancelled)),
            ] {
                for (http_status, peer) in [
                    (None, None),
                    (Some(StatusCode::OK), Some(peers[0])),
                    (None, Some(peers[1])),
                ] {
                    let seen = Seen {
                        http_method: &Method::POST,
                        request_id: &id,
                        peer,
                        client: peer.map(|_| Client("2001:db8::7".parse().unwrap())),
                        name: "/somafractalmemory.v1.MemoryService/StoreMemory",
                        trace_id: peer.and_then(|_| trace_id()),
                        protocol: "grpc",
                        http_status,
                        request_bytes: 12,
                        bytes: 1577,
                    };
                    let line = line(format, now, &seen, ending, duration).unwrap();
                    assert_eq!(
                        String::from_utf8(line).unwrap(),
                        timeless(format, &event(format, &seen, ending, duration))
                    );
                }
            }
        }
    }

    #[test]
    fn what_needs_escaping_is_left_to_the_event() {
        let id = HeaderValue::from_static("a\"b\\c");
        let plain = HeaderValue::from_static("id");
        for (format, name, request_id, directly) in [
            (LogFormat::Text, "/a", &id, true),
            (LogFormat::Json, "/a", &id, false),
            (LogFormat::Json, "/a", &plain, true),
            (LogFormat::Text, "/\u{9b}", &plain, false),
            (LogFormat::Json, "/\u{e9}", &plain, false),
        ] {
            let seen = Seen {
                http_method: &Method::GET,
                request_id,
                peer: None,
                client: None,
                name,
                trace_id: None,
                protocol: "http",
                http_status: None,
                request_bytes: 0,
                bytes: 0,
            };
            let ending = Ending::Http(StatusCode::NOT_FOUND);
            let line = line(format, Timestamp::UNIX_EPOCH, &seen, ending, Duration::ZERO);
            assert_eq!(line.is_some(), directly, "{format:?} {name} {request_id:?}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            let mut line = Line {
                bytes: Vec::new(),
                format: LogFormat::Text,
            };
            line.time(Timestamp::from_second(seconds).unwrap());
            assert_eq!(String::from_utf8(line.bytes).unwrap(), text);
        }
    }
}
