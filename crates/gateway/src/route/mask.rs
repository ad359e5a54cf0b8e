//! Where a partial update says what it sets: the `update_mask` beside the field
//! that the body of a PATCH goes to (AIP-134, "Update").

use http::Method;
use portolan_schema::http::Body as RuleBody;
use portolan_schema::{Kind, MessageId, Schema};

/// The place of a mask that the gateway fills where a client gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UpdateMask {
    /// The number of the mask in the request.
    pub(crate) field: u32,
    /// What the body is, and the mask speaks of.
    pub(crate) resource: MessageId,
}

impl UpdateMask {
    /// In a request of this type, when its rule has such an update.
    pub(super) fn of(
        schema: &Schema,
        request: MessageId,
        method: &str,
        body: &RuleBody,
    ) -> Option<Self> {
        let RuleBody::Field(body) = body else {
            return None;
        };
        if method != Method::PATCH.as_str() {
            return None;
        }
        let request = schema.message(request);
        let single = |name: &str| {
            let field = request.field(name)?;
            let inner = field.kind().message()?;
            (field.cardinality().is_singular() && !matches!(field.kind(), Kind::Delimited(_)))
                .then_some((field.number(), inner))
        };
        let (field, mask) = single("update_mask")?;
        let (_, resource) = single(body)?;
        let is_mask = schema.message(mask).name() == "google.protobuf.FieldMask";
        is_mask.then_some(Self { field, resource })
    }
}
