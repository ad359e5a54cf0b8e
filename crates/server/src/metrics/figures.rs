//! The figures for a collector: the same that Prometheus is told, under the
//! names of OpenTelemetry's semantic conventions where those have one.

use portolan_telemetry::{Attributes, Distribution, Figures, Metric, Number, Points};

use super::calls::{BUCKETS, Protocol, UNMATCHED};
use super::{Metrics, process};
use crate::CallMetrics;
use crate::edge::observe::Ending;

impl Figures for Metrics {
    fn collect(&self) -> Vec<Metric> {
        let mut metrics = calls(self.calls());
        metrics.extend(of_process());
        metrics
    }
}

/// Of calls: how many, how they ended, how long they took.
fn calls(calls: &CallMetrics) -> Vec<Metric> {
    let mut durations = Vec::new();
    let mut others = Vec::new();
    let (mut requests, mut responses) = (Vec::new(), Vec::new());
    calls.each(|method, protocol, figures: &Protocol| {
        for (ending, spread) in &figures.endings {
            let spread = Distribution {
                bounds: &BUCKETS[..BUCKETS.len() - 1],
                counts: spread.buckets.to_vec(),
                sum: spread.seconds,
            };
            let mut attributes = named(method, protocol);
            put_ending(*ending, &mut attributes);
            if method == UNMATCHED {
                others.push((attributes, spread));
            } else {
                durations.push((attributes, spread));
            }
        }
        requests.push((named(method, protocol), figures.request_bytes.into()));
        responses.push((named(method, protocol), figures.response_bytes.into()));
    });
    let running = calls.running().into_iter();
    let running =
        running.map(|((method, protocol), count)| (named(&method, protocol), count.into()));
    vec![
        Metric {
            name: "rpc.server.call.duration",
            description: "Seconds from a call's head to the end of its answer.",
            unit: "s",
            points: Points::Histogram(durations),
        },
        Metric {
            name: "portolan.unmatched.duration",
            description: "The same of requests that are no call of the contracts.",
            unit: "s",
            points: Points::Histogram(others),
        },
        Metric {
            name: "portolan.rpc.request.io",
            description: "Bytes of request bodies, as services read them.",
            unit: "By",
            points: Points::Counter(requests),
        },
        Metric {
            name: "portolan.rpc.response.io",
            description: "Bytes of response bodies, as clients were given them.",
            unit: "By",
            points: Points::Counter(responses),
        },
        Metric {
            name: "portolan.rpc.active_requests",
            description: "Requests that run now.",
            unit: "{request}",
            points: Points::UpDown(running.collect()),
        },
    ]
}

/// The names of a call. What is no call of the contracts has none.
fn named(method: &str, protocol: &'static str) -> Attributes {
    let mut attributes: Attributes = vec![("portolan.protocol", protocol.into())];
    if method != UNMATCHED {
        let method = method.trim_start_matches('/').to_owned();
        attributes.push(("rpc.system.name", "grpc".into()));
        attributes.push(("rpc.method", method.into()));
    }
    attributes
}

fn put_ending(ending: Ending, attributes: &mut Attributes) {
    match ending {
        Ending::Rpc(code) => attributes.push(("rpc.response.status_code", code.name().into())),
        Ending::Http(status) => {
            attributes.push(("http.response.status_code", status.as_u16().into()));
        }
    }
}

/// Of the process, where the system says them.
fn of_process() -> impl Iterator<Item = Metric> {
    let one = |name, description, unit, value: Option<Number>, grows: bool| {
        value.map(|value| {
            let points = vec![(Vec::new(), value)];
            Metric {
                name,
                description,
                unit,
                points: if grows {
                    Points::Counter(points)
                } else {
                    Points::UpDown(points)
                },
            }
        })
    };
    let whole = |value: f64| Number::Whole(value as i64);
    [
        one(
            "process.cpu.time",
            "CPU time used.",
            "s",
            process::cpu_seconds().map(Number::Real),
            true,
        ),
        one(
            "process.memory.usage",
            "Resident memory.",
            "By",
            process::memory("VmRSS:").map(whole),
            false,
        ),
        one(
            "process.unix.file_descriptor.count",
            "Open file descriptors.",
            "{file_descriptor}",
            process::open_files().map(whole),
            false,
        ),
    ]
    .into_iter()
    .flatten()
}
