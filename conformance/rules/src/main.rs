//! Every `google.api.http` rule of googleapis, called through the gateway.
//!
//! For each rule a request is made from its template, with characters that must
//! be escaped in every variable, and parameters and a body as the rule has them.
//! A service notes what reaches it: the right RPC, with the right message. Where
//! two APIs have one and the same template only the first can answer; then each
//! of the others is tried with nothing but its own file loaded.

mod case;
mod contracts;
mod recorder;
mod sample;
mod timing;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use http::Method;
use portolan_gateway::{Finding, GatewayLayer, Options};
use portolan_schema::Schema;
use portolan_schema::http::HttpRule;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage};

use case::Case;

/// How many rules the locked version of the contracts has, against one that is
/// passed over.
const RULES: usize = 15_381;

/// Rules that a more specific one leaves no request of the kind that is tried:
/// of a document and of a collection, Firestore's templates say no more than
/// that the path of a collection is longer by one segment, `**` or `**/*`.
const HIDDEN: [(&str, &str); 2] = [
    (
        "/google.firestore.v1.Firestore/GetDocument",
        "GET /v1/{name=projects/*/databases/*/documents/*/**}",
    ),
    (
        "/google.firestore.v1beta1.Firestore/GetDocument",
        "GET /v1beta1/{name=projects/*/databases/*/documents/*/**}",
    ),
];

/// How trying a rule can end.
enum End {
    Passed,
    /// Another RPC answers.
    Other(String),
    Failed(String),
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (protos, kept, time) = match words[..] {
        [protos, kept] => (protos, kept, false),
        [protos, kept, "--time"] => (protos, kept, true),
        _ => bail!("usage: conformance-rules PROTOS KEPT [--time]"),
    };
    let set = contracts::compiled(Path::new(protos), Path::new(kept))?;
    let schema = Arc::new(Schema::from_descriptor_sets([&set[..]])?);
    let pool = DescriptorPool::decode(&*set)?;
    let layer = layer(&schema);
    let cases = cases(&schema, &pool)?;
    if time {
        let cases: Vec<Case> = cases.into_iter().map(|(_, _, case)| case).collect();
        timing::run(&layer, &cases)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(judge(&set, &layer, &cases))?;
    report.print(schema.rule_faults().len());
    for fault in schema.rule_faults() {
        println!("FAILED {fault}");
    }
    if report.rules != RULES {
        println!("FAILED there are {} rules, not {RULES}", report.rules);
    }
    let fine =
        report.failures.is_empty() && schema.rule_faults().is_empty() && report.rules == RULES;
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn layer(schema: &Arc<Schema>) -> GatewayLayer {
    let options = Options {
        named_path: None,
        ..Options::default()
    };
    GatewayLayer::with_options(Arc::clone(schema), options)
}

/// Every rule with its RPC's path and what it is tried with.
fn cases<'a>(
    schema: &'a Schema,
    pool: &DescriptorPool,
) -> Result<Vec<(&'a str, &'a HttpRule, Case)>> {
    let mut cases = Vec::new();
    for method in schema
        .services()
        .flat_map(portolan_schema::Service::methods)
    {
        for rule in method.http_rules() {
            let input = message(pool, schema.message(method.input()).name())?;
            let case = Case::of(rule, &input)
                .with_context(|| format!("{} {}", method.path(), rule.template()))?;
            cases.push((method.path(), rule, case));
        }
    }
    Ok(cases)
}

fn message(pool: &DescriptorPool, name: &str) -> Result<MessageDescriptor> {
    pool.get_message_by_name(name)
        .with_context(|| format!("no message {name}"))
}

/// How many rules ended how.
#[derive(Default)]
struct Report {
    rules: usize,
    passed: usize,
    alone: usize,
    same: usize,
    hidden: usize,
    failures: Vec<String>,
}

impl Report {
    fn print(&self, faults: usize) {
        let Self {
            rules,
            passed,
            alone,
            same,
            hidden,
            failures,
        } = self;
        for failure in failures {
            println!("FAILED {failure}");
        }
        println!(
            "{rules} rules: {passed} reached their RPC with the right message; {alone} have the \
             template of another API and did so alone; {same} have that of another RPC of their \
             own API; {hidden} are hidden by more specific rules; {} failed; {faults} more cannot \
             be used",
            failures.len()
        );
    }
}

async fn judge(
    set: &[u8],
    layer: &GatewayLayer,
    cases: &[(&str, &HttpRule, Case)],
) -> Result<Report> {
    let lost = losers(layer);
    println!("{} rules are the same as another", lost.len());
    let files = contracts::Files::of(set)?;
    let mut alone: BTreeMap<&str, GatewayLayer> = BTreeMap::new();
    let mut report = Report::default();
    for (rpc, rule, case) in cases {
        report.rules += 1;
        let end = tried(layer, rpc, case).await?;
        let rule_text = format!("{} {}", rule.http_method(), rule.template());
        let other = match end {
            End::Passed => {
                report.passed += 1;
                continue;
            }
            End::Failed(why) => {
                report.failures.push(format!("{rule_text} of {rpc}: {why}"));
                continue;
            }
            End::Other(other) => other,
        };
        let key = (rpc[1..].replace('/', "."), rule_text.clone());
        if !lost.contains(&key) {
            if HIDDEN.contains(&(rpc, &*rule_text)) {
                report.hidden += 1;
            } else {
                let by = layer.resolve(&case.method.parse::<Method>()?, &case.path);
                let by = by.map(|entry| entry.to_string()).unwrap_or_default();
                report.failures.push(format!(
                    "{rule_text} of {rpc}: {} went to {other} by {by}",
                    case.shown()
                ));
            }
            continue;
        }
        let file = rule.place().file();
        if !alone.contains_key(file) {
            let set = files.alone(file);
            let schema = Arc::new(Schema::from_descriptor_sets([&set[..]])?);
            alone.insert(file, self::layer(&schema));
        }
        match tried(&alone[file], rpc, case).await? {
            End::Passed => report.alone += 1,
            End::Other(_) if losers(&alone[file]).contains(&key) => report.same += 1,
            End::Other(other) => report.failures.push(format!(
                "{rule_text} of {rpc}: went to {other} with only its own file"
            )),
            End::Failed(why) => report.failures.push(format!("{rule_text} of {rpc}: {why}")),
        }
    }
    Ok(report)
}

/// The rules that are the same as another one that answers, each as the name of
/// its RPC and as its method and template.
fn losers(layer: &GatewayLayer) -> HashSet<(String, String)> {
    let loser = |finding: &Finding| match finding {
        Finding::Conflict { loser, .. } => Some((
            loser.rpc.clone(),
            format!("{} {}", loser.methods, loser.path),
        )),
        _ => None,
    };
    layer.findings().iter().filter_map(loser).collect()
}

/// Sends what a rule is tried with and looks at what the service saw.
async fn tried(layer: &GatewayLayer, rpc: &str, case: &Case) -> Result<End> {
    let outcome = recorder::send(layer, case.request()?).await?;
    let Some((path, messages)) = outcome.call else {
        // Another API's RPC does not take what this one does.
        if let Some(entry) = layer.resolve(&case.method.parse()?, &case.path)
            && entry.rpc() != rpc
        {
            return Ok(End::Other(entry.rpc().to_owned()));
        }
        return Ok(End::Failed(format!(
            "{} got {} {}",
            case.shown(),
            outcome.status,
            String::from_utf8_lossy(&outcome.body)
        )));
    };
    if path != rpc {
        return Ok(End::Other(path));
    }
    let [message] = &messages[..] else {
        return Ok(End::Failed(format!("{} messages came", messages.len())));
    };
    let message = DynamicMessage::decode(case.expected.descriptor(), message.clone())?;
    if message != case.expected {
        return Ok(End::Failed(format!(
            "{} became {} rather than {}",
            case.shown(),
            serde_json::to_string(&message)?,
            serde_json::to_string(&case.expected)?,
        )));
    }
    if outcome.status != 200 {
        return Ok(End::Failed(format!(
            "{} was answered with {} {}",
            case.shown(),
            outcome.status,
            String::from_utf8_lossy(&outcome.body)
        )));
    }
    Ok(End::Passed)
}
