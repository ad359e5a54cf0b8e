//! What a linked contract says.

use portolan_schema::{Cardinality, DefaultValue, EnumValue, Kind, Service, Streaming, Symbol};

use crate::{compile, link, linked};

const LIBRARY: &str = r#"
syntax = "proto3";
// The library's package.
package library.v1;

import "google/api/annotations.proto";
import "google/protobuf/empty.proto";

// Lends books.
//
//  Since 1900.
service Library {
  // Gives one book.
  rpc GetBook(GetBookRequest) returns (Book) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {
      get: "/v1/{name=shelves/*/books/*}"
      additional_bindings { post: "/v1/books:get" body: "*" }
      additional_bindings { custom { kind: "HEAD" path: "/v1/{name=books/*}" } response_body: "author" }
    };
  }
  rpc Put(Book) returns (google.protobuf.Empty) { option idempotency_level = IDEMPOTENT; option deprecated = true; }
  rpc Upload(stream Book) returns (Book);
  rpc Watch(Book) returns (stream Book);
  rpc Talk(stream Book) returns (stream Book);
}

message GetBookRequest { string name = 1; }

/* A book. */
message Book {
  string name = 1; // Its name.
  Author author = 2;
  optional int32 pages = 3;
  repeated int32 marks = 4;
  repeated int32 loose = 5 [packed = false];
  map<string, Author> by = 6;
  oneof kind { Cover cover = 7; string text = 8; }
  string oddName_2 = 9;
  string other = 10 [json_name = "else"];
  // A writer.
  message Author { string first_name = 1; }
  // A cover.
  enum Cover { option allow_alias = true; NONE = 0; HARD = 1; STIFF = 1; }
}
"#;

#[test]
fn fields() {
    let schema = linked(LIBRARY);
    let book = schema.message(schema.message_by_name("library.v1.Book").unwrap());
    let field = |name: &str| book.field(name).unwrap();
    assert_eq!(field("name").cardinality(), Cardinality::Implicit);
    assert_eq!(field("author").cardinality(), Cardinality::Optional);
    assert_eq!(field("pages").cardinality(), Cardinality::Optional);
    assert_eq!(field("pages").oneof(), None);
    assert_eq!(field("marks").cardinality(), Cardinality::Packed);
    assert_eq!(field("loose").cardinality(), Cardinality::Repeated);
    assert_eq!(field("by").cardinality(), Cardinality::Map);
    assert!(
        schema
            .message(field("by").kind().message().unwrap())
            .is_map_entry()
    );
    assert_eq!(field("cover").cardinality(), Cardinality::Optional);
    assert_eq!(&*book.oneofs()[field("text").oneof().unwrap()], "kind");
    assert_eq!(field("oddName_2").json_name(), "oddName2");
    assert_eq!(field("else").name(), "other");
    assert_eq!(book.field_by_number(9).unwrap().name(), "oddName_2");
    assert!(book.field("nope").is_none());
    let Kind::Enum(cover) = field("cover").kind() else {
        panic!("an enum")
    };
    let cover = schema.enumeration(cover);
    assert!(!cover.is_closed());
    let values: Vec<_> = cover
        .values()
        .iter()
        .map(|value| (value.name(), value.number()))
        .collect();
    assert_eq!(values, [("NONE", 0), ("HARD", 1), ("STIFF", 1)]);
    assert!(matches!(
        schema.symbol("library.v1.Book.Cover"),
        Some(Symbol::Enum(_))
    ));
    assert!(schema.symbol("library.v1.Book.name").is_none());
}

#[test]
fn comments() {
    let schema = linked(LIBRARY);
    let service = schema.service("library.v1.Library").unwrap();
    assert_eq!(service.comment(), "Lends books.\n\n Since 1900.");
    assert_eq!(service.methods()[0].comment(), "Gives one book.");
    assert_eq!(service.methods()[1].comment(), "");
    let book = schema.message(schema.message_by_name("library.v1.Book").unwrap());
    assert_eq!(book.comment(), "A book.");
    assert_eq!(book.field("name").unwrap().comment(), "Its name.");
    let author = schema.message(schema.message_by_name("library.v1.Book.Author").unwrap());
    assert_eq!(author.comment(), "A writer.");
}

#[test]
fn services() {
    let schema = linked(LIBRARY);
    let service = schema.service("library.v1.Library").unwrap();
    assert_eq!(service.short_name(), "Library");
    let streaming: Vec<_> = service
        .methods()
        .iter()
        .map(portolan_schema::Method::streaming)
        .collect();
    assert_eq!(
        streaming,
        [
            Streaming::Unary,
            Streaming::Unary,
            Streaming::Client,
            Streaming::Server,
            Streaming::Bidi
        ]
    );
    let get = schema.method("/library.v1.Library/GetBook").unwrap();
    assert_eq!(get.path(), "/library.v1.Library/GetBook");
    assert!(get.has_no_side_effects() && get.is_idempotent() && !get.is_deprecated());
    let put = schema.method("/library.v1.Library/Put").unwrap();
    assert!(!put.has_no_side_effects() && put.is_idempotent() && put.is_deprecated());
    assert_eq!(schema.message(put.output()).name(), "google.protobuf.Empty");
    let rules: Vec<_> = get
        .http_rules()
        .iter()
        .map(|rule| format!("{} {}", rule.http_method(), rule.template()))
        .collect();
    assert_eq!(
        rules,
        [
            "GET /v1/{name=shelves/*/books/*}",
            "POST /v1/books:get",
            "HEAD /v1/{name=books/*}"
        ]
    );
    assert_eq!(get.http_rules()[2].response_body(), Some("author"));
    for path in [
        "",
        "/",
        "library.v1.Library/GetBook",
        "/library.v1.Library",
        "/library.v1.Library/Nope",
        "/library.v1.Book/x",
    ] {
        assert!(schema.method(path).is_none(), "{path}");
    }
}

#[test]
fn proto2() {
    let schema = linked(
        r#"
        package old;
        enum Closed { ONE = 1; }
        message Old {
          required int32 must = 1;
          optional int32 may = 2;
          repeated int32 loose = 3;
          repeated int32 tight = 4 [packed = true];
          optional group Part = 5 { optional int32 a = 1; }
          extensions 100 to 200;
          extend Old { optional int32 inside = 101; }
        }
        extend Old { optional Closed outside = 100; }
        "#,
    );
    let old = schema.message(schema.message_by_name("old.Old").unwrap());
    let cardinalities: Vec<_> = old
        .fields()
        .iter()
        .map(portolan_schema::Field::cardinality)
        .collect();
    assert_eq!(
        cardinalities,
        [
            Cardinality::Required,
            Cardinality::Optional,
            Cardinality::Repeated,
            Cardinality::Packed,
            Cardinality::Optional
        ]
    );
    assert!(matches!(
        old.field("part").unwrap().kind(),
        Kind::Delimited(_)
    ));
    assert!(!old.fields()[0].must_be_utf8());
    let mut names: Vec<_> = old
        .extensions()
        .iter()
        .map(|field| (field.number(), field.json_name()))
        .collect();
    names.sort_unstable();
    assert_eq!(names, [(100, "[old.outside]"), (101, "[old.Old.inside]")]);
    assert!(
        schema
            .enums()
            .iter()
            .any(|found| found.name() == "old.Closed" && found.is_closed())
    );
}

#[test]
fn sets_go_together() {
    let first = compile(LIBRARY);
    // The same files again count once.
    let schema = link(&[&first, &first]).unwrap();
    assert_eq!(schema.services().len(), 1);
    assert_eq!(link(&[]).unwrap().messages().len(), 0);
}

#[test]
fn defaults_and_message_sets() {
    let schema = linked(
        r#"
        syntax = "proto2";
        package old;
        enum Level { LOW = 1; HIGH = 2; }
        message M {
          optional sint64 a = 1 [default = -9223372036854775808];
          optional bytes b = 2 [default = "\377\n"];
          optional Level c = 3 [default = HIGH];
          optional Level d = 4;
        }
        message Set {
          option message_set_wire_format = true;
          extensions 4 to max;
        }
        "#,
    );
    let message = |name: &str| schema.message(schema.message_by_name(name).unwrap());
    let defaults: Vec<_> = message("old.M")
        .fields()
        .iter()
        .map(|field| field.default_value().cloned())
        .collect();
    assert_eq!(
        defaults,
        [
            Some(DefaultValue::Int(i64::MIN)),
            Some(DefaultValue::Bytes([0xff, b'\n'].into())),
            Some(DefaultValue::Enum(2)),
            None,
        ]
    );
    assert!(message("old.Set").is_message_set());
    assert!(!message("old.M").is_message_set());
}

#[test]
fn what_documents_want_to_know() {
    let schema = linked(
        r#"
        syntax = "proto3";
        package d;
        import "google/protobuf/descriptor.proto";
        extend google.protobuf.FieldOptions { repeated int32 tastes = 1052; }
        service Old { option deprecated = true; }
        message New { option deprecated = true; }
        message Apple {
          string colour = 1 [deprecated = true, (tastes) = 3];
          string size = 2;
          // Either way.
          oneof way { string up = 3; string down = 4; }
        }
        enum Sort {
          option deprecated = true;
          // None.
          SORT_NONE = 0;
          SORT_BOSKOP = 1 [deprecated = true]; // Sour.
        }
        "#,
    );
    assert!(schema.service("d.Old").unwrap().is_deprecated());
    let message = |name| schema.message(schema.message_by_name(name).unwrap());
    assert!(message("d.New").is_deprecated());
    let apple = message("d.Apple");
    assert!(!apple.is_deprecated());
    assert_eq!(apple.oneof_comment(0), "Either way.");
    assert_eq!(apple.oneof_comment(1), "");
    let [colour, size, ..] = apple.fields() else {
        panic!("two fields and more")
    };
    assert!(colour.is_deprecated() && !size.is_deprecated());
    // `deprecated`, and the extension that nothing here knows.
    assert_eq!(colour.options(), b"\x18\x01\xe2\x41\x01\x03");
    assert_eq!(size.options(), b"");
    let Some(Symbol::Enum(id)) = schema.symbol("d.Sort") else {
        panic!("an enum")
    };
    let sort = schema.enumeration(id);
    assert!(sort.is_deprecated());
    let comments: Vec<_> = sort.values().iter().map(EnumValue::comment).collect();
    assert_eq!(comments, ["None.", "Sour."]);
    assert!(sort.values()[1].is_deprecated() && !sort.values()[0].is_deprecated());
}

#[test]
fn services_can_be_left_out() {
    let mut schema = linked(
        r#"
        syntax = "proto3";
        package p;
        message M {}
        service A { rpc Get(M) returns (M); }
        service B { rpc Get(M) returns (M); }
        service C { rpc Get(M) returns (M); }
        "#,
    );
    schema.retain_services(|service| service.name() != "p.A");
    let names: Vec<_> = schema.services().map(Service::name).collect();
    assert_eq!(names, ["p.B", "p.C"]);
    assert_eq!(schema.symbol("p.A"), None);
    assert!(schema.method("/p.A/Get").is_none());
    for name in ["p.B", "p.C"] {
        assert_eq!(schema.service(name).unwrap().name(), name);
        assert!(schema.method(&format!("/{name}/Get")).is_some());
    }
    assert!(schema.message_by_name("p.M").is_some());
}
