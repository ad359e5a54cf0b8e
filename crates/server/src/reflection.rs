//! Server reflection, v1 and v1alpha: clients such as grpcurl ask the server
//! for its contracts. Options of our own kind, such as `google.api.http`,
//! survive: the files are served byte for byte as they were given.

use tonic_reflection::server::Builder;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::v1alpha::{
    ServerReflection as ServerReflectionAlpha, ServerReflectionServer as ServerReflectionServerAlpha,
};

use crate::Error;

/// The contract of v1, encoded as a `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET_V1: &[u8] = tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET;
/// The contract of v1alpha, which older clients speak.
pub const FILE_DESCRIPTOR_SET_V1ALPHA: &[u8] = tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET;

/// `grpc.reflection.v1.ServerReflection` over encoded descriptor sets, which
/// must contain what they import.
///
/// # Errors
/// When one of them is no descriptor set.
pub fn v1<'a>(
    sets: impl IntoIterator<Item = &'a [u8]>,
) -> Result<ServerReflectionServer<impl ServerReflection>, Error> {
    builder(sets).build_v1().map_err(Error::Reflection)
}

/// `grpc.reflection.v1alpha.ServerReflection`, the same for older clients.
///
/// # Errors
/// As [`v1`].
pub fn v1alpha<'a>(
    sets: impl IntoIterator<Item = &'a [u8]>,
) -> Result<ServerReflectionServerAlpha<impl ServerReflectionAlpha>, Error> {
    builder(sets).build_v1alpha().map_err(Error::Reflection)
}

fn builder<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Builder<'a> {
    // Reflection's own contracts are among the sets when the caller serves them.
    let builder = Builder::configure().include_reflection_service(false);
    sets.into_iter().fold(builder, Builder::register_encoded_file_descriptor_set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_is_none_is_refused() {
        let error = v1([&b"\xff\xff"[..]]).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "cannot serve reflection: error decoding FileDescriptorSet from buffer");
        assert!(v1alpha([FILE_DESCRIPTOR_SET_V1, FILE_DESCRIPTOR_SET_V1ALPHA]).is_ok());
    }
}
