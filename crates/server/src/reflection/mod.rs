//! Server reflection (grpc.io, "GRPC Server Reflection Protocol"), v1 and
//! v1alpha: clients such as grpcurl ask the server for its contracts.
//!
//! Files are served byte for byte as they were given, so options that nobody
//! here knows, such as `google.api.http`, arrive. A question without an answer
//! gets an error in the stream, and the stream goes on, as the protocol says.

mod files;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use http::Uri;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest as Question;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse as Answer;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tower_service::Service;

use crate::Error;
use files::Files;

/// The contract of v1, encoded as a `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET_V1: &[u8] = tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET;
/// The contract of v1alpha, which older clients speak.
pub const FILE_DESCRIPTOR_SET_V1ALPHA: &[u8] = tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET;

/// The service of v1.
pub type V1 = ServerReflectionServer<Reflection>;

/// `grpc.reflection.v1.ServerReflection` over encoded descriptor sets, which
/// should contain what they import.
///
/// # Errors
/// When one of them is no descriptor set.
pub fn v1<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Result<V1, Error> {
    let files = Files::read(sets).map_err(Error::Reflection)?;
    Ok(ServerReflectionServer::new(Reflection(Arc::new(files))))
}

/// `grpc.reflection.v1alpha.ServerReflection`, the same for older clients.
///
/// # Errors
/// As [`v1`].
pub fn v1alpha<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Result<V1Alpha, Error> {
    v1(sets).map(V1Alpha)
}

/// What answers the questions.
#[derive(Debug)]
pub struct Reflection(Arc<Files>);

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream =
        Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let files = Arc::clone(&self.0);
        // A file is sent once in a stream.
        let mut sent = HashSet::new();
        let answers = request.into_inner().map(move |request| {
            let request = request?;
            Ok(ServerReflectionResponse {
                valid_host: request.host.clone(),
                message_response: Some(answer(&files, &mut sent, request.message_request.as_ref())),
                original_request: Some(request),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn answer(files: &Files, sent: &mut HashSet<usize>, question: Option<&Question>) -> Answer {
    let found = match question {
        Some(Question::FileByFilename(name)) => files
            .named(name)
            .ok_or_else(|| format!("there is no file `{name}`")),
        Some(Question::FileContainingSymbol(symbol)) => files
            .with_symbol(symbol)
            .ok_or_else(|| format!("there is no symbol `{symbol}`")),
        Some(Question::FileContainingExtension(extension)) => files
            .with_extension(&extension.containing_type, extension.extension_number)
            .ok_or_else(|| {
                let (name, number) = (&extension.containing_type, extension.extension_number);
                format!("there is no extension {number} of `{name}`")
            }),
        Some(Question::AllExtensionNumbersOfType(name)) => {
            return match files.extension_numbers(name) {
                Some(extension_number) => {
                    Answer::AllExtensionNumbersResponse(ExtensionNumberResponse {
                        base_type_name: name.clone(),
                        extension_number,
                    })
                }
                None => error(Code::NotFound, format!("there is no type `{name}`")),
            };
        }
        Some(Question::ListServices(_)) => {
            let service = files.services().map(|name| ServiceResponse {
                name: name.to_owned(),
            });
            return Answer::ListServicesResponse(ListServiceResponse {
                service: service.collect(),
            });
        }
        None => {
            return error(
                Code::InvalidArgument,
                "the request asks for nothing".to_owned(),
            );
        }
    };
    match found {
        Ok(file) => Answer::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: files.with_imports(file, sent).map(<[u8]>::to_vec).collect(),
        }),
        Err(message) => error(Code::NotFound, message),
    }
}

fn error(code: Code, error_message: String) -> Answer {
    Answer::ErrorResponse(ErrorResponse {
        error_code: code as i32,
        error_message,
    })
}

/// The service of v1alpha: that of v1 under its older name. The two are the
/// same on the wire, message by message.
#[derive(Clone, Debug)]
pub struct V1Alpha(V1);

impl V1Alpha {
    /// Accepts and sends compressed messages.
    #[must_use]
    pub fn compressed(self, encoding: tonic::codec::CompressionEncoding) -> Self {
        Self(self.0.accept_compressed(encoding).send_compressed(encoding))
    }
}

impl NamedService for V1Alpha {
    const NAME: &'static str = "grpc.reflection.v1alpha.ServerReflection";
}

impl Service<http::Request<Body>> for V1Alpha {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = <V1 as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        <V1 as Service<http::Request<Body>>>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request
            .uri()
            .path()
            .replacen(Self::NAME, <V1 as NamedService>::NAME, 1);
        // Renaming a part of a valid path leaves it valid.
        *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
        self.0.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(files: &Files, sent: &mut HashSet<usize>, question: &Question) -> Answer {
        answer(files, sent, Some(question))
    }

    #[test]
    fn a_set_that_is_none_is_refused() {
        let error = v1([&b"\xff\xff"[..]]).map(|_| ()).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot serve reflection: "),
            "{error}"
        );
        assert!(v1alpha([FILE_DESCRIPTOR_SET_V1, FILE_DESCRIPTOR_SET_V1ALPHA]).is_ok());
    }

    #[test]
    fn questions_are_answered_and_files_sent_once() {
        let files = Files::read([FILE_DESCRIPTOR_SET_V1]).unwrap();
        let mut sent = HashSet::new();
        let symbol = "grpc.reflection.v1.ServerReflection.ServerReflectionInfo";
        let question = Question::FileContainingSymbol(symbol.to_owned());
        let Answer::FileDescriptorResponse(response) = ask(&files, &mut sent, &question) else {
            panic!("no file");
        };
        assert_eq!(response.file_descriptor_proto.len(), 1);
        // Asked again, the file itself is sent again, but nothing it imports.
        let Answer::FileDescriptorResponse(response) = ask(&files, &mut sent, &question) else {
            panic!("no file");
        };
        assert_eq!(response.file_descriptor_proto.len(), 1);
        let Answer::ListServicesResponse(response) =
            ask(&files, &mut sent, &Question::ListServices(String::new()))
        else {
            panic!("no list");
        };
        assert_eq!(
            response.service[0].name,
            "grpc.reflection.v1.ServerReflection"
        );
    }

    #[test]
    fn what_is_not_there_is_an_error_in_the_stream() {
        let files = Files::read([FILE_DESCRIPTOR_SET_V1]).unwrap();
        for question in [
            Question::FileByFilename("no.proto".into()),
            Question::FileContainingSymbol("no.Such".into()),
            Question::AllExtensionNumbersOfType("no.Such".into()),
        ] {
            let Answer::ErrorResponse(error) = ask(&files, &mut HashSet::new(), &question) else {
                panic!("no error");
            };
            assert_eq!(error.error_code, Code::NotFound as i32);
        }
        let Answer::ErrorResponse(error) = answer(&files, &mut HashSet::new(), None) else {
            panic!("no error")
        };
        assert_eq!(error.error_code, Code::InvalidArgument as i32);
    }
}
