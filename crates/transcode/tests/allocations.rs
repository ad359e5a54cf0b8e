//! In the steady state, with buffers that are reused, a message takes no
//! allocation, whatever is in it: neither to be read from JSON nor to be
//! written as JSON.

#![allow(clippy::unwrap_used, reason = "what tests share is test code too")]

mod counter;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use portolan_schema::Schema;
use portolan_transcode::{PrintDefaults, ReadOptions, Transcoder, WriteOptions};
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

/// How many fields the widest message has: more than fit into a few machine
/// words of flags.
const WIDE: usize = 300;

static TRANSCODER: LazyLock<Transcoder> = LazyLock::new(|| {
    let mut files = ChainFileResolver::new();
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos");
    files.add(IncludeFileResolver::new(protos));
    files.add(GoogleFileResolver::new());
    files.add(Wide);
    let mut compiler = protox::Compiler::with_file_resolver(files);
    compiler.include_imports(true);
    compiler
        .open_files(["kinds.proto", "legacy.proto", "wide.proto"])
        .unwrap();
    let descriptors = compiler.encode_file_descriptor_set();
    Transcoder::new(Arc::new(
        Schema::from_descriptor_sets([&*descriptors]).unwrap(),
    ))
});

/// A file with a message of many fields.
struct Wide;

impl FileResolver for Wide {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name != "wide.proto" {
            return Err(protox::Error::file_not_found(name));
        }
        let mut source = String::from("syntax = \"proto3\"; package rules; message Wide {\n");
        for number in 1..=WIDE {
            let _ = writeln!(source, "int32 field_{number} = {number};");
        }
        source.push('}');
        File::from_source(name, &source)
    }
}

/// Messages that must not allocate, by name.
struct Steady<'a> {
    read: &'a ReadOptions,
    write: &'a WriteOptions,
    /// What did, all of it, so that one run tells everything.
    wrong: String,
}

impl Steady<'_> {
    /// Reads and writes the message until nothing new can come, and once more.
    fn check(&mut self, name: &str, message: &str, json: &str) {
        let id = TRANSCODER.schema().message_by_name(message).unwrap();
        let (mut wire, mut text) = (Vec::new(), Vec::new());
        let mut read = || {
            wire.clear();
            TRANSCODER
                .json_to_wire(id, json.as_bytes(), &mut wire, self.read)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        };
        read();
        read();
        let reading = counter::allocations(read);
        let mut write = || {
            text.clear();
            TRANSCODER
                .wire_to_json(id, &wire, &mut text, self.write)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        };
        write();
        write();
        let writing = counter::allocations(write);
        assert!(json.len() < 3 || !text.is_empty(), "{name} is empty");
        if (reading, writing) != (0, 0) {
            let _ = writeln!(self.wrong, "{name}: {reading} to read, {writing} to write");
        }
    }
}

/// Checks `(name, message, JSON)` with these options.
fn steady_with(cases: &[(&str, &str, String)], read: &ReadOptions, write: &WriteOptions) {
    let mut steady = Steady {
        read,
        write,
        wrong: String::new(),
    };
    for (name, message, json) in cases {
        steady.check(name, message, json);
    }
    assert!(steady.wrong.is_empty(), "allocations of\n{}", steady.wrong);
}

fn steady(cases: &[(&str, &str, String)]) {
    steady_with(cases, &ReadOptions::default(), &WriteOptions::default());
}

/// `open`, the items with commas between them, and `close`.
fn joined(open: &str, items: impl IntoIterator<Item = String>, close: &str) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("{open}{}{close}", items.join(","))
}

fn user(seed: usize) -> String {
    format!(
        r#"{{"one":{{"id":{seed},"name":"user {seed}"}},"known":{{"timestamp":"2026-03-0{}T10:20:30.456Z"}},"choice":{{"text":"one of them"}},"lists":{{"strings":["a","b","c","d"],"int64s":["{seed}"],"doubles":[0.{seed}25]}},"maps":{{"strings":{{"team":"x","plan":"y","region":"z"}},"colors":{{"k":"GREEN"}}}}}}"#,
        1 + seed % 9
    )
}

fn hit(seed: usize) -> String {
    format!(
        r#"{{"int64Value":"{}","uint64Value":"{}","stringValue":"\"{seed}\"\\\t\u00e9 über 港 🧭\n","bytesValue":"AAECAwQFBgcICQoLDA0ODw==","doubleValue":{seed}.123456789012345,"floatValue":0.{seed}5,"color":"BLUE","boolValue":true}}"#,
        1_000_000_007 * (seed + 1),
        18_446_744_073_709_551_615 - seed as u64,
    )
}

#[test]
fn the_six_messages() {
    let nested = (0..10).fold(String::from("null"), |child, level| {
        format!(r#"{{"id":{level},"name":"level {level}","child":{child}}}"#)
    });
    let users = (0..100).map(|seed| format!("\"user {seed}\":{}", hit(seed)));
    let floats = (0..1_536).map(|place| format!("{}", (place as f32).sin() / 39.0));
    let hits = (0..90).map(|seed| format!("\"hit \\\"{seed}\\\"\":{}", hit(seed)));
    steady(&[
        ("a greeting", "rules.Inner", r#"{"name":"World"}"#.into()),
        ("a user", "rules.Outer", user(7)),
        (
            "a hundred users",
            "rules.Outer",
            joined(r#"{"byName":{"#, users, "}}"),
        ),
        (
            "a vector",
            "rules.Lists",
            joined(r#"{"floats":["#, floats, r#"],"strings":["a text"]}"#),
        ),
        ("ten levels", "rules.Inner", nested),
        (
            "search results",
            "rules.Outer",
            joined(r#"{"byName":{"#, hits, "}}"),
        ),
    ]);
}

#[test]
fn large_maps() {
    let strings = (0..2_000).map(|entry| format!("\"key {entry}\":\"v\""));
    let backwards = (0..2_000).rev().map(|entry| format!("\"{entry}\":\"v\""));
    let messages = (0..300).map(|entry| format!("\"k{entry}\":{{\"id\":{entry}}}"));
    steady(&[
        (
            "2,000 strings",
            "rules.Maps",
            joined(r#"{"strings":{"#, strings, "}}"),
        ),
        (
            "2,000 integers as keys",
            "rules.Maps",
            joined(r#"{"int64Keys":{"#, backwards, "}}"),
        ),
        (
            "300 messages",
            "rules.Maps",
            joined(r#"{"inners":{"#, messages, "}}"),
        ),
        (
            "keys of every kind",
            "rules.Maps",
            r#"{"int32Keys":{"-1":1,"2":2},"uint32Keys":{"7":"AAE="},"uint64Keys":{"18446744073709551615":0.5},"sint64Keys":{"-9":true},"boolKeys":{"true":"t","false":"f"},"fixed64Keys":{"1":"2"},"times":{"x":"2026-01-02T03:04:05Z"},"wrapped":{"y":5},"values":{"z":[1,"a",null]}}"#.into(),
        ),
    ]);
}

#[test]
fn escaped_keys() {
    steady(&[
        (
            "field names",
            "rules.Inner",
            r#"{"\u0069d":1,"n\u0061me":"x","\u0063hild":{"i\u0064":2}}"#.into(),
        ),
        (
            "map keys",
            "rules.Maps",
            r#"{"strings":{"a\"b":"1","\u00e9\n":"2","\ud83e\udded":"3","a\\b":"4"},"int32Keys":{"\u0031":1}}"#.into(),
        ),
        (
            "enum names and numbers in strings",
            "rules.Scalars",
            r#"{"color":"GR\u0045EN","int64Value":"\u0031\u0032","doubleValue":"1\u002e5","bytesValue":"AAE\u003d"}"#.into(),
        ),
    ]);
}

#[test]
fn well_known_types() {
    steady(&[
        (
            "Any with the type first",
            "rules.WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1,"name":"x","child":{"id":2}}}"#.into(),
        ),
        (
            "Any with the type last",
            "rules.WellKnown",
            r#"{"any":{"id":1,"name":"x","child":{"id":2},"@type":"type.googleapis.com/rules.Inner"}}"#.into(),
        ),
        (
            "Any of types with forms of their own, Any in Any",
            "rules.WellKnown",
            r#"{"anys":[{"@type":"x/google.protobuf.Duration","value":"1.5s"},{"@type":"x/google.protobuf.Struct","value":{"a":[1,2]}},{"@type":"x/google.protobuf.Any","value":{"@type":"x/rules.Inner","id":3}}]}"#.into(),
        ),
        (
            "Struct, Value, ListValue",
            "rules.WellKnown",
            r#"{"struct":{"a":1,"b":"x","c":[true,null,{"d":{"e":[[],{}]}}],"k\"ey":1e-7},"value":"text","listValue":[1,"two",[3.5]],"values":[null,false,{"x":{}}]}"#.into(),
        ),
        (
            "a large Struct",
            "rules.WellKnown",
            joined(
                r#"{"struct":{"#,
                (0..500).map(|entry| format!("\"key {entry}\":[{entry},\"v\"]")),
                "}}",
            ),
        ),
        (
            "times, masks, wrappers",
            "rules.WellKnown",
            r#"{"timestamp":"2026-11-21T10:22:00.123456789Z","duration":"-3.000001s","fieldMask":"userName,address.streetName","empty":{},"nullValue":null,"doubleWrapper":1.5,"floatWrapper":"NaN","int64Wrapper":"-5","uint64Wrapper":"5","int32Wrapper":0,"boolWrapper":false,"stringWrapper":"","bytesWrapper":"AAE=","timestamps":["0001-01-01T00:00:00Z","2000-02-29T23:59:59+01:30"],"int64Wrappers":["1","2"]}"#.into(),
        ),
    ]);
}

#[test]
fn many_fields() {
    let forwards = (1..=WIDE).map(|number| format!("\"field{number}\":{number}"));
    let backwards = (1..=WIDE)
        .rev()
        .map(|number| format!("\"field_{number}\":{number}"));
    steady(&[
        ("300 fields", "rules.Wide", joined("{", forwards, "}")),
        (
            "300 fields, the last first, by their other names",
            "rules.Wide",
            joined("{", backwards, "}"),
        ),
        ("one field of 300", "rules.Wide", r#"{"field299":1}"#.into()),
    ]);
}

#[test]
fn every_kind() {
    let all = joined(
        "{",
        [
            r#""doubleValue":1.7976931348623157e308,"floatValue":3.4028235e38,"int32Value":"-2147483648","int64Value":-9007199254740993"#,
            r#""uint32Value":4294967295,"uint64Value":1e3,"sint32Value":-1,"sint64Value":"-1","fixed32Value":1.0,"fixed64Value":"10e2""#,
            r#""sfixed32Value":-5,"sfixed64Value":"-5","boolValue":true,"stringValue":"","bytesValue":"_-8","color":-3,"shade":"MURKY""#,
            r#""inner":{},"@other name":"x","fieldWithCapitals":"y","Leading":1,"withTwo3":2,"far":3"#,
        ]
        .map(str::to_owned),
        "}",
    );
    steady(&[
        ("all scalars", "rules.Scalars", all),
        (
            "lists",
            "rules.Lists",
            r#"{"doubles":[1,"Infinity"],"int32s":[1,2,3],"int64s":["4"],"bools":[true,false],"strings":["a","\u0000"],"blobs":["","AA=="],"colors":["RED",2],"inners":[{},{"id":1}],"unpackedInt32s":[1,2,300],"unpackedColors":["GREEN"]}"#.into(),
        ),
        (
            "groups, closed enums, extensions",
            "rules.legacy.Legacy",
            r#"{"number":1,"closed":"TWO","manyClosed":["ONE",2],"packedClosed":["ONE","TWO"],"closedMap":{"a":"ONE"},"unpacked":[1,2],"packed":[3,4],"part":{"a":1,"b":"x","deeper":{"number":2}},"parts":[{"a":1},{"a":2}],"either":"ONE","withDefault":5,"blob":"AAE=","[rules.legacy.extra]":7,"[rules.legacy.extras]":["a","b"],"[rules.legacy.nested]":{"number":3},"[rules.legacy.Scope.scoped]":true}"#.into(),
        ),
        (
            "spread over lines",
            "rules.Tree",
            "{\n  \"value\" : 1 ,\n  \"left\" : { \"more\" : [ { } , { \"value\" : 2 } ] } ,\n  \"right\" : null\n}\n".into(),
        ),
    ]);
}

#[test]
fn options() {
    let unknown = r#"{"id":1,"nothing of ours":{"a":[1,2,{"b":"\u00e9"}],"c":null},"child":{"more":"unknown"}}"#;
    steady_with(
        &[("unknown fields", "rules.Inner", unknown.into())],
        &ReadOptions {
            ignore_unknown: true,
            ..ReadOptions::default()
        },
        &WriteOptions::default(),
    );
    steady_with(
        &[("a user in another form", "rules.Outer", user(3))],
        &ReadOptions::default(),
        &WriteOptions {
            proto_names: true,
            enums_as_numbers: true,
            print_defaults: PrintDefaults::All,
            indent: Some(2),
            ..WriteOptions::default()
        },
    );
}
