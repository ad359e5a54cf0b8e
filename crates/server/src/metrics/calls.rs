//! What is counted about calls: how many, how they ended, how long they took.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hdrhistogram::Histogram;
use portolan_gateway::OutcomeSlot;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use super::running::{Place, Running};
use crate::edge::observe::{Ending, PLAIN};

/// The method of every request that was no call, or one of an RPC that is not in
/// the contracts: unknown paths must not become label values, or a stranger
/// could fill our memory with them.
pub(super) const UNMATCHED: &str = "unmatched";
/// Upper bounds in seconds. From half a millisecond, since in-process calls are
/// fast, to a minute, since streams are long.
pub(super) static BUCKETS: [f64; 16] = [
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    60.0,
    f64::INFINITY,
];
/// Percentiles are read from a histogram that is exact to one percent, from a
/// microsecond to an hour; longer calls count as an hour.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// Counts calls by method, protocol and status.
#[derive(Default)]
pub struct CallMetrics {
    methods: RwLock<HashMap<Box<str>, Arc<Mutex<Method>>>>,
    in_flight: AtomicI64,
    running: Running,
}

/// One method's figures over all protocols, since the server started.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodCalls {
    /// The method as `package.Service/Method`.
    pub method: String,
    /// How often it was called.
    pub calls: u64,
    /// How often each status was answered, by its name, such as `OK`.
    pub codes: BTreeMap<String, u64>,
    /// The median duration.
    pub p50: Duration,
    /// The 95th percentile of the duration.
    pub p95: Duration,
    /// The 99th percentile of the duration.
    pub p99: Duration,
}

struct Method {
    micros: Histogram<u64>,
    /// Few, so a list is searched faster than a map.
    protocols: Vec<(&'static str, Protocol)>,
}

#[derive(Default)]
pub(super) struct Protocol {
    pub(super) endings: BTreeMap<Ending, Durations>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
}

/// How long requests took that ended alike.
#[derive(Clone, Default)]
pub(super) struct Durations {
    pub(super) seconds: f64,
    pub(super) buckets: [u64; BUCKETS.len()],
}

impl CallMetrics {
    /// The figures of every method that was called, in alphabetical order.
    #[must_use]
    pub fn methods(&self) -> Vec<MethodCalls> {
        let each = self
            .snapshot()
            .into_iter()
            .filter(|(name, _)| &**name != UNMATCHED);
        each.map(|(name, method)| {
            let method = lock(&method);
            let mut codes = BTreeMap::new();
            for (ending, count) in method
                .protocols
                .iter()
                .flat_map(|(_, protocol)| &protocol.endings)
            {
                *codes.entry(ending.name().into_owned()).or_default() += count.count();
            }
            let percentile = |share| Duration::from_micros(method.micros.value_at_quantile(share));
            MethodCalls {
                method: name.trim_start_matches('/').to_owned(),
                calls: codes.values().sum(),
                codes,
                p50: percentile(0.50),
                p95: percentile(0.95),
                p99: percentile(0.99),
            }
        })
        .collect()
    }

    /// Calls that run now.
    #[must_use]
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a call that begins, and which will say in the slot what it is.
    pub(crate) fn begin(&self, slot: OutcomeSlot) -> Place {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.running.begin(slot)
    }

    /// Counts a call that has ended, with the bytes of its request and of its
    /// response. `method` is one of the contracts' and
    /// nothing that a client made up; absent for whatever else was asked.
    pub(crate) fn end(
        &self,
        place: Place,
        method: Option<&str>,
        protocol: &'static str,
        ending: Ending,
        duration: Duration,
        [request, response]: [u64; 2],
    ) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.running.end(place);
        let method = self.method(method.unwrap_or(UNMATCHED));
        let mut method = lock(&method);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        method
            .micros
            .saturating_record(micros.clamp(1, LONGEST_MICROS));
        let protocol = method.protocol(protocol);
        protocol.record(ending, duration.as_secs_f64());
        protocol.request_bytes += request;
        protocol.response_bytes += response;
    }

    fn method(&self, name: &str) -> Arc<Mutex<Method>> {
        if let Some(method) = self
            .methods
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
        {
            return Arc::clone(method);
        }
        let mut methods = self.methods.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(methods.entry(name.into()).or_default())
    }

    /// Shows the figures of each method and protocol.
    pub(super) fn each(&self, mut see: impl FnMut(&str, &'static str, &Protocol)) {
        for (name, method) in self.snapshot() {
            for (protocol, figures) in &lock(&method).protocols {
                see(&name, protocol, figures);
            }
        }
    }

    /// How many requests run, by method and protocol.
    pub(super) fn running(&self) -> BTreeMap<(String, &'static str), i64> {
        self.running.count(UNMATCHED, PLAIN)
    }

    fn snapshot(&self) -> BTreeMap<Box<str>, Arc<Mutex<Method>>> {
        let methods = self.methods.read().unwrap_or_else(PoisonError::into_inner);
        methods
            .iter()
            .map(|(name, method)| (name.clone(), Arc::clone(method)))
            .collect()
    }
}

/// Figures are whole after every line that changes them.
fn lock(method: &Mutex<Method>) -> std::sync::MutexGuard<'_, Method> {
    method.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Method {
    fn default() -> Self {
        let micros =
            Histogram::new_with_bounds(1, LONGEST_MICROS, 2).expect("the bounds are in order");
        Self {
            micros,
            protocols: Vec::new(),
        }
    }
}

impl Method {
    fn protocol(&mut self, name: &'static str) -> &mut Protocol {
        let index = self
            .protocols
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap_or_else(|| {
                self.protocols.push((name, Protocol::default()));
                self.protocols.len() - 1
            });
        &mut self.protocols[index].1
    }
}

impl Protocol {
    fn record(&mut self, ending: Ending, seconds: f64) {
        let durations = self.endings.entry(ending).or_default();
        durations.seconds += seconds;
        let bucket = BUCKETS
            .iter()
            .position(|&bound| seconds <= bound)
            .unwrap_or(BUCKETS.len() - 1);
        durations.buckets[bucket] += 1;
    }

    /// Of all requests, however they ended.
    fn durations(&self) -> Durations {
        let mut all = Durations::default();
        for durations in self.endings.values() {
            all.seconds += durations.seconds;
            for (sum, count) in all.buckets.iter_mut().zip(durations.buckets) {
                *sum += count;
            }
        }
        all
    }
}

impl Durations {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Collector for CallMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let methods = self.snapshot();
        let mut counter = encoder.encode_descriptor(
            "portolan_rpc_requests",
            "Requests that have ended, by method, protocol and status.",
            None,
            MetricType::Counter,
        )?;
        for (name, method) in &methods {
            for (protocol, figures) in &lock(method).protocols {
                for (ending, durations) in &figures.endings {
                    let labels = [
                        ("method", Cow::Borrowed(&**name)),
                        ("protocol", Cow::Borrowed(*protocol)),
                        ("status", ending.name()),
                    ];
                    counter.encode_family(&labels)?.encode_counter(
                        &durations.count(),
                        None::<&Exemplar<[(&str, &str); 0], u64>>,
                    )?;
                }
            }
        }
        let mut histogram = encoder.encode_descriptor(
            "portolan_rpc_duration",
            "Seconds from a request's head to the end of its response.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (name, method) in &methods {
            for (protocol, figures) in &lock(method).protocols {
                let labels = [("method", &**name), ("protocol", *protocol)];
                let durations = figures.durations();
                let mut buckets = [(0.0, 0); BUCKETS.len()];
                for (bucket, pair) in buckets
                    .iter_mut()
                    .zip(BUCKETS.into_iter().zip(durations.buckets))
                {
                    *bucket = pair;
                }
                histogram
                    .encode_family(&labels)?
                    .encode_histogram::<[(&str, &str); 0]>(
                        durations.seconds,
                        durations.count(),
                        &buckets,
                        None,
                    )?;
            }
        }
        type Read = fn(&Protocol) -> u64;
        let sides: [(_, _, Read); 2] = [
            (
                "portolan_rpc_request",
                "Bytes of request bodies, as services read them.",
                |figures| figures.request_bytes,
            ),
            (
                "portolan_rpc_response",
                "Bytes of response bodies, as clients were given them.",
                |figures| figures.response_bytes,
            ),
        ];
        for (name, help, read) in sides {
            let mut counter =
                encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
            for (method, all) in &methods {
                for (protocol, figures) in &lock(all).protocols {
                    counter
                        .encode_family(&[("method", &**method), ("protocol", *protocol)])?
                        .encode_counter(
                            &read(figures),
                            None::<&Exemplar<[(&str, &str); 0], u64>>,
                        )?;
                }
            }
        }
        encoder
            .encode_descriptor(
                "portolan_requests_in_flight",
                "Requests that run now.",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&self.in_flight())?;
        let mut gauge = encoder.encode_descriptor(
            "portolan_rpc_in_flight",
            "Requests that run now, by method and protocol.",
            None,
            MetricType::Gauge,
        )?;
        for ((method, protocol), count) in self.running() {
            gauge
                .encode_family(&[("method", method.as_str()), ("protocol", protocol)])?
                .encode_gauge(&count)?;
        }
        Ok(())
    }
}

impl fmt::Debug for CallMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CallMetrics")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use portolan_gateway::Code;

    use super::*;

    #[test]
    fn a_method_is_counted_over_all_protocols() {
        let calls = CallMetrics::default();
        for (protocol, code, millis) in [
            ("grpc", Code::Ok, 10),
            ("rest", Code::Ok, 20),
            ("connect", Code::NotFound, 30),
        ] {
            let place = calls.begin(OutcomeSlot::default());
            calls.end(
                place,
                Some("/a.A/Get"),
                protocol,
                Ending::Rpc(code),
                Duration::from_millis(millis),
                [1, 2],
            );
        }
        let place = calls.begin(OutcomeSlot::default());
        calls.end(
            place,
            None,
            "http",
            Ending::Http(StatusCode::NOT_FOUND),
            Duration::ZERO,
            [0, 0],
        );
        calls.begin(OutcomeSlot::default());

        assert_eq!(calls.in_flight(), 1);
        let methods = calls.methods();
        assert_eq!(
            methods.len(),
            1,
            "requests that are no calls are not among the methods"
        );
        assert_eq!(methods[0].method, "a.A/Get");
        assert_eq!(methods[0].calls, 3);
        assert_eq!(
            methods[0].codes,
            BTreeMap::from([("NOT_FOUND".into(), 1), ("OK".into(), 2)])
        );
        let near = |duration: Duration, millis: f64| {
            (duration.as_secs_f64() * 1e3 / millis - 1.0).abs() < 0.01
        };
        assert!(
            near(methods[0].p50, 20.0) && near(methods[0].p99, 30.0),
            "{methods:?}"
        );
    }

    #[test]
    fn a_call_of_any_length_is_counted() {
        let calls = CallMetrics::default();
        for duration in [Duration::ZERO, Duration::MAX] {
            let place = calls.begin(OutcomeSlot::default());
            calls.end(
                place,
                Some("/a.A/Get"),
                "grpc",
                Ending::Rpc(Code::Ok),
                duration,
                [0, 0],
            );
        }
        let methods = calls.methods();
        assert_eq!(methods[0].calls, 2);
        assert!(methods[0].p99 >= Duration::from_secs(3564), "{methods:?}");
    }
}
