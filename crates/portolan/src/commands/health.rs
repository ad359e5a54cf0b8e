//! `portolan health`: asks a server whether it is in service, as probes of
//! container engines do, and says so by its exit code.

use std::process::ExitCode;

use anyhow::Context;
use portolan_client::health::{self, Health, Watch};
use portolan_rpc::{Code, Status};
use serde::Serialize;
use tokio::runtime::Builder;

use super::target::Target;
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan health localhost:50051\n  \
    portolan health localhost:50051 user.v1.UserService\n  \
    portolan health https://api.internal:443 --ca ca.pem --watch\n  \
    HEALTHCHECK CMD [\"portolan\", \"health\", \"127.0.0.1:50051\"]\n\n\
    Exit codes:\n  \
    0  SERVING\n  \
    1  anything else that the server answers, or no answer\n  \
    2  wrong use")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,

    /// The service to ask for [default: the server as a whole]
    #[arg(value_name = "SERVICE", help_heading = None)]
    service: Option<String>,

    /// Go on, and print every change
    #[arg(long, help_heading = None)]
    watch: bool,

    /// As JSON
    #[arg(long, help_heading = None)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    service: &'a str,
    /// Absent when there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Wrong use, as of the command line.
const WRONG: u8 = 2;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // One thread is the sooner done.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start")?;
    let end = runtime.block_on(async {
        let channel = match arguments.target.channel() {
            Ok(channel) => channel,
            Err(error) => {
                output::error(&error);
                return Ok(ExitCode::from(WRONG));
            }
        };
        let probe = Probe {
            server: arguments.target.name(),
            service: arguments.service.as_deref().unwrap_or_default(),
            arguments,
        };
        if arguments.watch {
            probe.watch(channel).await
        } else {
            probe.check(channel).await
        }
    });
    // A name that is being looked up must not hold us up.
    runtime.shutdown_background();
    end
}

/// One question.
struct Probe<'a> {
    server: String,
    /// Empty for the server as a whole.
    service: &'a str,
    arguments: &'a Arguments,
}

impl Probe<'_> {
    async fn check(&self, channel: portolan_client::Channel) -> anyhow::Result<ExitCode> {
        let target = &self.arguments.target;
        let timeout = Some(target.timeout());
        match health::check(channel, self.service, &target.metadata(), timeout).await {
            Ok(health) => {
                self.say(health)?;
                Ok(exit_code(health))
            }
            Err(status) => self.fail(&status),
        }
    }

    /// Prints what changes until the server ends it. Only the first answer has
    /// to come in time.
    async fn watch(&self, channel: portolan_client::Channel) -> anyhow::Result<ExitCode> {
        let target = &self.arguments.target;
        let begin = async {
            let mut watch = Watch::begin(channel, self.service, &target.metadata()).await?;
            let first = watch.next().await?;
            Ok((watch, first))
        };
        let begun = match tokio::time::timeout(target.timeout(), begin).await {
            Ok(begun) => begun,
            Err(_) => Err(Status::new(Code::DeadlineExceeded, "")),
        };
        let (mut watch, mut news) = match begun {
            Ok(begun) => begun,
            Err(status) => return self.fail(&status),
        };
        while let Some(health) = news {
            self.say(health)?;
            news = match watch.next().await {
                Ok(news) => news,
                Err(status) => return self.fail(&status),
            };
        }
        self.fail(&Status::new(
            Code::Unavailable,
            "the server ended the watch",
        ))
    }

    fn say(&self, health: Health) -> anyhow::Result<()> {
        let line = if self.arguments.json {
            serde_json::to_string(&Report {
                status: Some(health.name()),
                ..self.report()
            })?
        } else {
            health.name().to_owned()
        };
        output::result(&line).context("cannot write to standard output")
    }

    fn fail(&self, status: &Status) -> anyhow::Result<ExitCode> {
        let sentence = self.explain(status);
        if self.arguments.json {
            let line = serde_json::to_string(&Report {
                code: Some(status.code().name()),
                error: Some(&sentence),
                ..self.report()
            })?;
            output::result(&line).context("cannot write to standard output")?;
        } else {
            output::complain(&format!("error: {sentence}"));
        }
        Ok(ExitCode::FAILURE)
    }

    fn report(&self) -> Report<'_> {
        Report {
            server: &self.server,
            service: self.service,
            status: None,
            code: None,
            error: None,
        }
    }

    fn explain(&self, status: &Status) -> String {
        let Self {
            server, service, ..
        } = self;
        match status.code() {
            Code::NotFound => format!(
                "{server} has no service `{service}`; name one that it has, or none to ask for \
                 the server as a whole"
            ),
            Code::Unimplemented => format!(
                "{server} has no health checks ({}); it has to serve grpc.health.v1.Health",
                status.message()
            ),
            _ => self.arguments.target.explain(status),
        }
    }
}

fn exit_code(health: Health) -> ExitCode {
    match health {
        Health::Serving => ExitCode::SUCCESS,
        Health::Unknown | Health::NotServing | Health::ServiceUnknown => ExitCode::FAILURE,
    }
}
