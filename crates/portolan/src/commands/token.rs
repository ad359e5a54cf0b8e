//! `portolan token`: makes JSON Web Tokens for trying out, and says what is in
//! one and what is wrong with it.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Subcommand;
use portolan_server::auth::{Claims, Inspected, inspect, issue, read_secret};
use serde_json::{Map, Value, json};

use crate::config::Time;
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    openssl rand -base64 32 > secret\n  \
    portolan token issue --secret-file secret --user-id 42 --scope users.read --expires-in 1h\n  \
    portolan token issue --secret-file secret --user-id 42 | portolan token inspect --secret-file secret -")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token, signed by HS256
    Issue(Issue),
    /// Say what is in a token, and with the secret whether it is to be taken
    Inspect(Inspect),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    portolan token issue --secret-file secret --user-id 42 --scope users.read --expires-in 1h")]
struct Issue {
    /// The file with the secret, of 32 bytes at least
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,

    /// Whom the token speaks for, as `user_id` and `sub`
    #[arg(long, value_name = "ID", required_unless_present = "subject")]
    user_id: Option<String>,

    /// Whom the token speaks for, as `sub` [default: the user id]
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,

    /// What it is good for. May be repeated
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,

    /// For how long it is good
    #[arg(long, value_name = "TIME", default_value = "1h")]
    expires_in: Time,

    /// Who issues it
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,

    /// For whom it is. May be repeated
    #[arg(long, value_name = "NAME")]
    audience: Vec<String>,

    /// As JSON, with the claims
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    portolan token inspect --secret-file secret - < token\n\n\
    Exit code 1 says that something is wrong with the token.")]
struct Inspect {
    /// The token, or `-` to read it from standard input
    #[arg(value_name = "TOKEN")]
    token: String,

    /// The file with the secret that it has to be signed with
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// Who has to have issued it
    #[arg(long, value_name = "NAME", requires = "secret_file")]
    issuer: Option<String>,

    /// For whom it has to be
    #[arg(long, value_name = "NAME", requires = "secret_file")]
    audience: Option<String>,

    /// By how much clocks may differ
    #[arg(long, value_name = "TIME", default_value = "0s")]
    leeway: Time,

    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Issue(arguments) => arguments.run(),
        Command::Inspect(arguments) => arguments.run(),
    }
}

impl Issue {
    fn run(self) -> anyhow::Result<ExitCode> {
        let secret = read_secret(&self.secret_file)?;
        let json = self.json;
        let claims = self.claims()?;
        let token = issue(&secret, &claims).context("cannot sign the token")?;
        let line = if json {
            json!({"token": token, "claims": claims}).to_string()
        } else {
            token
        };
        output::result(&line).context("cannot write to standard output")?;
        Ok(ExitCode::SUCCESS)
    }

    fn claims(self) -> anyhow::Result<Map<String, Value>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.context("the clock is before 1970")?;
        let expiry = (now + self.expires_in.0).as_secs();
        let mut claims = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value);
            }
        };
        let subject = self.subject.or_else(|| self.user_id.clone());
        put("sub", subject.map(Value::from));
        put("user_id", self.user_id.map(Value::from));
        put("iss", self.issuer.map(Value::from));
        put(
            "aud",
            match &self.audience[..] {
                [] => None,
                [one] => Some(one.as_str().into()),
                _ => Some(self.audience.into()),
            },
        );
        put("iat", Some(now.as_secs().into()));
        put("exp", Some(expiry.into()));
        let scopes = self.scope.join(" ");
        put("scope", (!scopes.is_empty()).then(|| scopes.into()));
        Ok(claims)
    }
}

impl Inspect {
    fn run(self) -> anyhow::Result<ExitCode> {
        let secret = self.secret_file.as_deref().map(read_secret).transpose()?;
        let mut expected = Claims::default().leeway(self.leeway.0);
        if let Some(issuer) = &self.issuer {
            expected = expected.issuer(issuer);
        }
        if let Some(audience) = &self.audience {
            expected = expected.audience(audience);
        }
        let token = if self.token == "-" {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.context("cannot read standard input")?;
            text
        } else {
            self.token
        };
        let inspected = inspect(token.trim(), secret.as_deref(), &expected);
        let is_wrong = !matches!(&inspected, Ok(inspected) if inspected.flaw.is_none());
        let problem = match &inspected {
            Ok(inspected) => inspected.flaw.map(|flaw| flaw.to_string()),
            Err(flaw) => Some(flaw.to_string()),
        };
        let inspected = inspected.ok();
        let line = if self.json {
            // Whether it is valid nobody can say without the secret.
            let valid = (is_wrong || secret.is_some()).then_some(!is_wrong);
            let header = inspected.as_ref().map(|inspected| &inspected.header);
            let claims = inspected.as_ref().map(|inspected| &inspected.claims);
            json!({"valid": valid, "problem": problem, "header": header, "claims": claims})
                .to_string()
        } else {
            sentences(inspected.as_ref(), problem.as_deref(), secret.is_some())?
        };
        output::result(&line).context("cannot write to standard output")?;
        Ok(if is_wrong {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// The token for people: what it says, and what there is to say of it.
fn sentences(
    inspected: Option<&Inspected>,
    problem: Option<&str>,
    is_verified: bool,
) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    if let Some(inspected) = inspected {
        lines.push(format!(
            "header {}",
            serde_json::to_string(&inspected.header)?
        ));
        lines.push(format!(
            "claims {}",
            serde_json::to_string_pretty(&inspected.claims)?
        ));
        if let Some(expiry) = inspected.claims.get("exp").and_then(Value::as_u64) {
            lines.push(until(expiry));
        }
    }
    lines.push(match (problem, is_verified) {
        (Some(problem), _) => format!("not valid: {problem}"),
        (None, true) => "valid".to_owned(),
        (None, false) => "its time is well; not verified, which --secret-file would do".to_owned(),
    });
    Ok(lines.join("\n"))
}

fn until(expiry: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO).as_secs();
    match expiry.checked_sub(now) {
        Some(left) if left > 0 => format!("expires in {left} s"),
        _ => format!("expired {} s ago", now - expiry),
    }
}
