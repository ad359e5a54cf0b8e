//! Asks a server for its contract (gRPC, "Server Reflection Protocol").
//!
//! ```no_run
//! use portolan_client::{Channel, reflection};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let channel = Channel::connect_lazy("http://127.0.0.1:50051".parse()?)?;
//! let reflected = reflection::fetch(channel, &reflection::Options::default()).await?;
//! for service in reflected.schema()?.services() {
//!     println!("{}", service.name());
//! }
//! # Ok(())
//! # }
//! ```

mod conversation;
mod files;
mod wire;

use std::collections::HashSet;
use std::time::Duration;

use http::HeaderMap;
use portolan_rpc::{Body, BoxError, Code, Status};
use portolan_schema::Schema;
use tower_service::Service;

use self::conversation::Conversation;
use self::files::Collected;
use self::wire::{Answer, Question};

/// The versions of the protocol, the newer first. Their messages are the same.
const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Services that tell of the server and not of what it is for.
const INFRASTRUCTURE: [&str; 2] = ["grpc.health.", "grpc.reflection."];

/// How to ask.
#[derive(Clone, Debug)]
pub struct Options {
    /// Goes along with the call, such as an `authorization`.
    pub metadata: HeaderMap,
    /// Whether `grpc.health.*` and `grpc.reflection.*` are wanted too.
    pub infrastructure: bool,
    /// What a server may send.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            metadata: HeaderMap::new(),
            infrastructure: true,
            limits: Limits::default(),
        }
    }
}

/// What a server may send before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most files, and the most services.
    pub files: usize,
    /// The most bytes of all files, and of one answer.
    pub bytes: usize,
    /// How long all of it may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 20_000,
            bytes: 256 * 1024 * 1024,
            time: Duration::from_secs(30),
        }
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reflected {
    /// The full names of its services, in its order.
    pub services: Vec<String>,
    /// Services that it lists and does not describe, and what it says instead.
    pub undescribed: Vec<(String, Status)>,
    /// Imports that it does not have. Its types can be complete all the same:
    /// many imports only define options.
    pub missing: Vec<String>,
    /// An encoded `google.protobuf.FileDescriptorSet`, imports first.
    pub descriptor_set: Vec<u8>,
}

impl Reflected {
    /// The contract, linked.
    ///
    /// # Errors
    /// When the files contradict each other, or miss a type.
    pub fn schema(&self) -> Result<Schema, portolan_schema::Error> {
        Schema::from_descriptor_sets([self.descriptor_set.as_slice()])
    }
}

/// Why a server's contract is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call failed.
    #[error("the server cannot be asked for its contract: {0}")]
    Call(Status),
    /// The server does not offer reflection.
    #[error(
        "the server has no reflection ({0}); give its contract as .proto files or as a descriptor set"
    )]
    Unimplemented(Status),
    /// The server does not answer in time.
    #[error("the server has not told its contract within {0:?}")]
    TooSlow(Duration),
    /// The server has too many files or services.
    #[error("the server has more than {0} files, which is the limit")]
    TooManyFiles(usize),
    /// The server has files that are too large.
    #[error("the server's files have more than {0} bytes, which is the limit")]
    TooManyBytes(usize),
    /// The server says what cannot be.
    #[error("the server {0}")]
    Lie(String),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

/// Asks a server for its services, their files and all imports, by version 1 of
/// the protocol, or by its alpha where the server has only that.
///
/// # Errors
/// When the server does not answer, has no reflection, sends more than the
/// limits allow, or says what cannot be.
pub async fn fetch<S>(mut service: S, options: &Options) -> Result<Reflected, Error>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: Into<BoxError>,
{
    let limit = options.limits.time;
    let talk = async {
        std::future::poll_fn(|context| service.poll_ready(context))
            .await
            .map_err(|error| crate::typed::status_of(error.into()))?;
        match ask(&mut service, PATHS[0], options).await {
            Err(Error::Call(status)) if status.code() == Code::Unimplemented => {}
            answer => return answer,
        }
        std::future::poll_fn(|context| service.poll_ready(context))
            .await
            .map_err(|error| crate::typed::status_of(error.into()))?;
        match ask(&mut service, PATHS[1], options).await {
            Err(Error::Call(status)) if status.code() == Code::Unimplemented => {
                Err(Error::Unimplemented(status))
            }
            answer => answer,
        }
    };
    match tokio::time::timeout(limit, talk).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::TooSlow(limit)),
    }
}

async fn ask<S>(service: &mut S, path: &str, options: &Options) -> Result<Reflected, Error>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: Into<BoxError>,
{
    let limits = &options.limits;
    let (mut conversation, answer) =
        Conversation::begin(service, path, &options.metadata, limits).await?;
    let mut reflected = Reflected {
        services: services(answer, options)?,
        ..Reflected::default()
    };
    for service in &reflected.services {
        conversation.ask(Question::FileContainingSymbol(service.clone()));
    }
    let mut collected = Collected::new(limits);
    let mut wanted = HashSet::new();
    loop {
        // Servers send imports along, and then need not be asked for them.
        let needed = |question: &Question| match question {
            Question::FileByFilename(name) => !collected.has(name),
            _ => true,
        };
        let Some((question, answer)) = conversation.next(needed).await? else {
            break;
        };
        let files = match (answer, &question) {
            (Answer::Files(files), _) => files.files,
            (Answer::Fault(fault), Question::FileByFilename(name)) => {
                tracing::debug!(name, reason = fault.message, "an import is missing");
                reflected.missing.push(name.clone());
                continue;
            }
            (Answer::Fault(fault), Question::FileContainingSymbol(name)) => {
                reflected.undescribed.push((name.clone(), fault.into()));
                continue;
            }
            (Answer::Fault(fault), Question::ListServices(_)) => {
                return Err(Error::Call(fault.into()));
            }
            (Answer::Services(_), _) => {
                let lie = "lists its services though it was asked for a file";
                return Err(Error::Lie(lie.to_owned()));
            }
        };
        // The one that was asked for comes alone or with imports of its own.
        let mut right = false;
        for bytes in files {
            let (head, new) = collected.take(bytes)?;
            right |= match &question {
                Question::FileByFilename(name) => head.name == *name,
                Question::FileContainingSymbol(name) => head.declares(name),
                Question::ListServices(_) => false,
            };
            if new {
                for import in &head.imports {
                    if wanted.len() > limits.files {
                        return Err(Error::TooManyFiles(limits.files));
                    }
                    if wanted.insert(import.clone()) {
                        conversation.ask(Question::FileByFilename(import.clone()));
                    }
                }
            }
        }
        // Or it has come before: a server need not send a file twice.
        if !right && !collected.answers(&question) {
            return Err(Error::Lie(match question {
                Question::FileByFilename(name) => {
                    format!("sends other files than `{}`", brief(&name))
                }
                Question::FileContainingSymbol(name) | Question::ListServices(name) => {
                    format!("sends files without the service `{}`", brief(&name))
                }
            }));
        }
    }
    // Somebody may have brought what another question missed.
    reflected.missing.retain(|name| !collected.has(name));
    let undescribed: HashSet<&String> =
        reflected.undescribed.iter().map(|(name, _)| name).collect();
    reflected
        .services
        .retain(|name| !undescribed.contains(name));
    reflected.descriptor_set = collected.into_set()?;
    Ok(reflected)
}

/// The beginning of a name: how long it is was for the server to say.
fn brief(name: &str) -> &str {
    let end = name.char_indices().map(|(at, _)| at).nth(200);
    &name[..end.unwrap_or(name.len())]
}

/// The names in a list of services, each once.
fn services(answer: Answer, options: &Options) -> Result<Vec<String>, Error> {
    let list = match answer {
        Answer::Services(services) => services.services,
        Answer::Fault(fault) => return Err(Error::Call(fault.into())),
        Answer::Files(_) => {
            let lie = "sends files though it was asked for its services";
            return Err(Error::Lie(lie.to_owned()));
        }
    };
    if list.len() > options.limits.files {
        return Err(Error::TooManyFiles(options.limits.files));
    }
    let mut seen = HashSet::new();
    let wanted = |name: &String| {
        options.infrastructure || !INFRASTRUCTURE.iter().any(|prefix| name.starts_with(prefix))
    };
    Ok(list
        .into_iter()
        .map(|service| service.name)
        .filter(|name| wanted(name) && seen.insert(name.clone()))
        .collect())
}
