//! Descriptors that lie: nothing panics, whatever they say.

use proptest::prelude::*;

use crate::{compile, link};

fn original() -> &'static [u8] {
    static BYTES: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        compile(
            r#"
            syntax = "proto3";
            package lie;
            import "google/api/annotations.proto";
            import "google/protobuf/struct.proto";
            service S { rpc Do(M) returns (M) { option (google.api.http) = { get: "/v1/{name=a/*}" additional_bindings { post: "/v1" body: "inner" } }; } }
            message M { string name = 1; M inner = 2; map<int32, M> by = 3; oneof o { E e = 4; google.protobuf.Value v = 5; } optional int32 p = 6; }
            enum E { Z = 0; }
            "#,
        )
    });
    &BYTES
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_descriptors(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut bytes = original().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = link(&[&bytes]);
        let _ = link(&[&bytes[..cut.index(bytes.len())]]);
    }
}
