//! `google.api.HttpBody`: messages whose bytes are an HTTP body as they are
//! (googleapis, `google/api/httpbody.proto`).

use bytes::Bytes;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};

use crate::route::RawPlace;
use crate::{Code, Status};

/// A body and its content type; what else a service says stays with it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(super) content_type: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) data: Bytes,
}

impl HttpBody {
    /// Appends it to a message, in wire format.
    pub(super) fn write(&self, place: RawPlace, out: &mut Vec<u8>) {
        if let RawPlace::Field(number) = place {
            encode_key(number, WireType::LengthDelimited, out);
            encode_varint(self.encoded_len() as u64, out);
        }
        // A vector takes any number of bytes.
        let _ = self.encode(out);
    }

    /// Takes it out of a message.
    pub(super) fn read(place: RawPlace, message: Bytes) -> Result<Self, Status> {
        match place {
            RawPlace::Whole => Self::decode(message),
            RawPlace::Field(number) => Self::in_field(number, message),
        }
        .map_err(|error| {
            let message = format!("the service's answer is not a google.api.HttpBody: {error}");
            Status::new(Code::Internal, message)
        })
    }

    fn in_field(number: u32, mut message: Bytes) -> Result<Self, prost::DecodeError> {
        let mut body = Self::default();
        while !message.is_empty() {
            let (tag, wire_type) = decode_key(&mut message)?;
            if tag == number && wire_type == WireType::LengthDelimited {
                let inner: Bytes = {
                    let mut inner = Bytes::new();
                    let context = DecodeContext::default();
                    prost::encoding::bytes::merge(wire_type, &mut inner, &mut message, context)?;
                    inner
                };
                // A field that comes twice is merged.
                body.merge(inner)?;
            } else {
                skip_field(wire_type, tag, &mut message, DecodeContext::default())?;
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let body = HttpBody {
            content_type: "image/png".into(),
            data: Bytes::from_static(b"\x89PNG"),
        };
        for place in [RawPlace::Whole, RawPlace::Field(2), RawPlace::Field(1000)] {
            let mut wire = Vec::new();
            body.write(place, &mut wire);
            assert_eq!(HttpBody::read(place, wire.into()), Ok(body.clone()));
        }
        // Other fields are passed over.
        let mut wire = b"\x0a\x01n\x18\x05".to_vec();
        body.write(RawPlace::Field(2), &mut wire);
        assert_eq!(HttpBody::read(RawPlace::Field(2), wire.into()), Ok(body));
        let torn = Bytes::from_static(b"\x12\x7f");
        for place in [RawPlace::Whole, RawPlace::Field(2)] {
            let status = HttpBody::read(place, torn.clone()).unwrap_err();
            assert_eq!(status.code(), Code::Internal);
        }
    }
}
