//! From errors to statuses, with what is wrong with which field as a detail
//! (`google.rpc.BadRequest` in `grpc-status-details-bin`).

use portolan_sqlite::Fault;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

use crate::{
    error::{Error, Invalid},
    proto::google::rpc::{BadRequest, bad_request::FieldViolation},
};

/// `google.rpc.Status`, as it travels.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        Self::from(Error::from(invalid))
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, message) = (code(&error), error.to_string());
        let mut violations = Vec::new();
        violated(&error, "", &mut violations);
        if violations.is_empty() {
            return Self::new(code, message);
        }
        let details = BadRequest {
            field_violations: violations,
        };
        let status = RpcStatus {
            code: code as i32,
            message: message.clone(),
            details: vec![Any {
                type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
                value: details.encode_to_vec(),
            }],
        };
        Self::with_details(code, message, status.encode_to_vec().into())
    }
}

/// A status for the contracts that do not name the user who is not there.
pub(super) fn without_id(error: Error) -> Status {
    match error {
        Error::NotFound(_) => Status::not_found("User not found"),
        error => error.into(),
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::Invalid(_) | Error::NoSuchRevision { .. } => Code::InvalidArgument,
        Error::NotFound(_) => Code::NotFound,
        Error::EmailTaken(_) => Code::AlreadyExists,
        Error::Item { source, .. } => code(source),
        Error::BatchTooLong { .. }
        | Error::BatchAnswerFull { .. }
        | Error::CreationAnswerFull { .. }
        | Error::BeyondText { .. } => Code::OutOfRange,
        Error::ListAnswerFull { .. }
        | Error::NoMoreIds
        | Error::BehindChanges { .. }
        | Error::BehindMessages
        | Error::BehindDocument { .. }
        | Error::TooManyRooms { .. }
        | Error::DocumentFull { .. }
        | Error::DatabaseFull
        | Error::Store(Fault::Full { .. }) => Code::ResourceExhausted,
        Error::TooLate { .. } | Error::UploadForgotten => Code::Aborted,
        Error::Ending | Error::Closed | Error::Unavailable | Error::Unusable(_) => {
            Code::Unavailable
        }
        Error::Store(Fault::Damaged { .. }) => Code::DataLoss,
        Error::Store(_) | Error::Database { .. } => Code::Internal,
    }
}

/// Gathers the fields that are wrong, below a path.
fn violated(error: &Error, path: &str, violations: &mut Vec<FieldViolation>) {
    let mut add = |field: &str, description: String| {
        violations.push(FieldViolation {
            field: format!("{path}{field}"),
            description,
        });
    };
    match error {
        Error::Invalid(invalid) => {
            for violation in invalid.violations() {
                add(&violation.field, violation.reason.clone());
            }
        }
        Error::EmailTaken(_) => add("email", "another user has this email".into()),
        Error::Item { index, source } => {
            violated(source, &format!("items[{index}]."), violations);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Email;

    fn details(status: &Status) -> BadRequest {
        let status = RpcStatus::decode(status.details()).unwrap();
        BadRequest::decode(&status.details[0].value[..]).unwrap()
    }

    #[test]
    fn what_is_wrong_with_which_field_is_a_detail() {
        let email = Email::new("john@example.com").unwrap();
        let status = Status::from(Error::EmailTaken(email).of_item(3));
        assert_eq!(
            (status.code(), status.message()),
            (
                Code::AlreadyExists,
                "item 3: User with email john@example.com already exists"
            )
        );
        let violation = &details(&status).field_violations[0];
        assert_eq!(violation.field, "items[3].email");
        let status = Status::from(Invalid::field("page_size", "too large"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(details(&status).field_violations[0].field, "page_size");
    }

    #[test]
    fn failures_have_their_status_and_no_details() {
        let folder = std::path::PathBuf::from("/data");
        for (error, code) in [
            (Error::Closed, Code::Unavailable),
            (Error::from(Fault::Full { folder }), Code::ResourceExhausted),
            (Error::NotFound("7".into()), Code::NotFound),
        ] {
            let status = Status::from(error);
            assert_eq!((status.code(), status.details().len()), (code, 0));
        }
        let status = without_id(Error::NotFound("7".into()));
        assert_eq!(status.message(), "User not found");
    }
}
