//! `portolan gateway --check`: what would be served, route by route, and what is
//! wrong with it.

use std::process::ExitCode;

use anyhow::Context;
use portolan_gateway::{Finding, GatewayLayer, RouteEntry, RouteKind, Severity};
use serde::Serialize;

use crate::config::Config;
use crate::{front, output};

/// Prints the routes and the findings; the exit code is 1 when one of those is
/// an error.
pub(super) async fn run(config: Config, json: bool) -> anyhow::Result<ExitCode> {
    let (layer, left_out) = front::layer(config).await?;
    let report = Report::of(&layer, left_out);
    let text = if json {
        serde_json::to_string_pretty(&report)?
    } else {
        report.text()
    };
    output::result(text.trim_end()).context("cannot write to standard output")?;
    Ok(
        if report.findings.iter().any(|found| found.severity == ERROR) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        },
    )
}

/// The severity of what has no effect.
const ERROR: &str = "error";

#[derive(Serialize)]
struct Report {
    routes: Vec<Row>,
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Row {
    method: String,
    path: String,
    rpc: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

#[derive(Serialize)]
struct Found {
    severity: &'static str,
    message: String,
}

impl Report {
    /// `left_out` says what of the contracts is not served.
    fn of(layer: &GatewayLayer, left_out: Vec<String>) -> Self {
        let left_out = left_out.into_iter().map(|message| Found {
            severity: ERROR,
            message,
        });
        let findings = layer.findings().iter();
        let findings = findings.filter(|finding| !is_about_own(finding));
        let findings = findings.map(|finding| Found {
            severity: match finding.severity() {
                Severity::Error => ERROR,
                Severity::Warning => "warning",
            },
            message: finding.to_string(),
        });
        Self {
            routes: layer
                .routes()
                .filter(|route| !is_own(route.rpc()))
                .map(row)
                .collect(),
            findings: left_out.chain(findings).collect(),
        }
    }

    /// A table, in which every column is as wide as its widest cell, and below
    /// it a line for each finding.
    fn text(&self) -> String {
        let heads = ["METHOD", "PATH", "RPC", "KIND"];
        let rows: Vec<[&str; 4]> = std::iter::once(heads)
            .chain(
                self.routes
                    .iter()
                    .map(|row| [&*row.method, &row.path, &row.rpc, row.kind]),
            )
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        };
        let [methods, paths, rpcs] = [0, 1, 2].map(width);
        let mut text = String::new();
        for [method, path, rpc, kind] in rows {
            text.push_str(&format!(
                "{method:methods$}  {path:paths$}  {rpc:rpcs$}  {kind}\n"
            ));
        }
        if !self.findings.is_empty() {
            text.push('\n');
        }
        for found in &self.findings {
            text.push_str(&format!("{}: {}\n", found.severity, found.message));
        }
        text
    }
}

/// Whether an RPC, `/service/method` or `service.method`, is of the gateway
/// itself.
fn is_own(rpc: &str) -> bool {
    let rpc = rpc.trim_start_matches('/');
    let service = rpc.rsplit_once(['/', '.']);
    service.is_some_and(|(service, _)| front::contracts::is_own(service))
}

fn is_about_own(finding: &Finding) -> bool {
    matches!(finding, Finding::NameTaken { loser, .. } if is_own(&loser.rpc))
}

fn row(route: RouteEntry<'_>) -> Row {
    let methods = route.methods().map(|methods| {
        let names: Vec<&str> = methods.iter().map(http::Method::as_str).collect();
        names.join(",")
    });
    Row {
        method: methods.unwrap_or_else(|| "*".to_owned()),
        path: route.path().to_owned(),
        rpc: route.rpc().to_owned(),
        kind: match route.kind() {
            RouteKind::Rule => "rule",
            RouteKind::Auto => "automatic",
            RouteKind::Named => "named",
        },
        place: route.place().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_own_are_known_by_either_name() {
        for (rpc, own) in [
            ("/grpc.health.v1.Health/Check", true),
            ("grpc.health.v1.Health.Check", true),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                true,
            ),
            (
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                true,
            ),
            ("/grpc.health.v1.Healthy/Check", false),
            (
                "/grpc.reflection.v1beta.ServerReflection/ServerReflectionInfo",
                false,
            ),
            ("a.S.M", false),
            ("", false),
        ] {
            assert_eq!(is_own(rpc), own, "{rpc}");
        }
    }
}
