//! The contract of the tests, compiled once, and its messages. JSON is written
//! and read by another implementation than ours.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use portolan_schema::Schema;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [here.join("tests/protos"), here.join("../../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true);
    compiler.open_files(["shelf.proto"]).unwrap();
    compiler.encode_file_descriptor_set()
});

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(&**DESCRIPTORS).unwrap());

static SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| Arc::new(Schema::from_descriptor_sets([&**DESCRIPTORS]).unwrap()));

pub(crate) fn schema() -> Arc<Schema> {
    Arc::clone(&SCHEMA)
}

/// `shelf.v1.Item`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Item {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(int64, tag = "2")]
    pub(crate) count: i64,
    #[prost(string, repeated, tag = "3")]
    pub(crate) tags: Vec<String>,
    #[prost(map = "string, string", tag = "4")]
    pub(crate) labels: HashMap<String, String>,
    #[prost(int32, tag = "5")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "6")]
    pub(crate) place: Option<Place>,
    #[prost(message, optional, tag = "7")]
    pub(crate) made_at: Option<Timestamp>,
    #[prost(message, optional, tag = "8")]
    pub(crate) note: Option<StringValue>,
    #[prost(bool, tag = "9")]
    pub(crate) active: bool,
    #[prost(double, tag = "10")]
    pub(crate) weight: f64,
    #[prost(bytes = "vec", tag = "11")]
    pub(crate) raw: Vec<u8>,
    #[prost(int32, repeated, tag = "12")]
    pub(crate) kinds: Vec<i32>,
}

/// `shelf.v1.Place`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Place {
    #[prost(string, tag = "1")]
    pub(crate) shelf: String,
    #[prost(int32, tag = "2")]
    pub(crate) row: i32,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `google.protobuf.StringValue`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StringValue {
    #[prost(string, tag = "1")]
    pub(crate) value: String,
}

/// `google.api.HttpBody`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(crate) content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
}

/// `shelf.v1.Upload`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Upload {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) file: Option<HttpBody>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

impl Item {
    /// An item with no more than a name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// An item with a name and a number.
    pub(crate) fn counted(name: &str, count: i64) -> Self {
        Self {
            name: name.into(),
            count,
            ..Self::default()
        }
    }

    /// An item with something in every field.
    pub(crate) fn full() -> Self {
        Self {
            name: "vase é".into(),
            count: -9_007_199_254_740_993,
            tags: vec!["a".into(), "b \"c\"".into()],
            labels: HashMap::from([("k".into(), "v/w".into())]),
            kind: 2,
            place: Some(Place {
                shelf: "s&1".into(),
                row: 7,
            }),
            made_at: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 120_000_000,
            }),
            note: Some(StringValue {
                value: "n\n".into(),
            }),
            active: true,
            weight: 1.25,
            raw: vec![0, 255, 62],
            kinds: vec![1, 2],
        }
    }

    pub(crate) fn wire(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    pub(crate) fn of_wire(wire: &[u8]) -> Self {
        Self::decode(wire).unwrap()
    }

    pub(crate) fn json(&self) -> String {
        let descriptor = POOL.get_message_by_name("shelf.v1.Item").unwrap();
        let message = DynamicMessage::decode(descriptor, self.wire()).unwrap();
        let mut out = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut out);
        message
            .serialize_with_options(&mut serializer, &SerializeOptions::new())
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    pub(crate) fn of_json(json: &[u8]) -> Self {
        let descriptor = POOL.get_message_by_name("shelf.v1.Item").unwrap();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let message = DynamicMessage::deserialize(descriptor, &mut deserializer)
            .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(json)));
        deserializer.end().unwrap();
        Self::of_wire(&message.encode_to_vec())
    }
}
