//! Bytes in headers: the values of names that end in `-bin`
//! (gRPC over HTTP/2, "Binary-Header").

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Senders pad or do not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a value; `None` when it is not base64.
#[must_use]
pub fn decode(value: &[u8]) -> Option<Vec<u8>> {
    LENIENT.decode(value).ok()
}

/// The text of a value, without padding.
#[must_use]
pub fn encode(value: &[u8]) -> String {
    STANDARD_NO_PAD.encode(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_with_and_without_padding() {
        assert_eq!(decode(b"AQI="), Some(vec![1, 2]));
        assert_eq!(decode(b"AQI"), Some(vec![1, 2]));
        assert_eq!(decode(b"*"), None);
        assert_eq!(encode(&[1, 2]), "AQI");
    }
}
