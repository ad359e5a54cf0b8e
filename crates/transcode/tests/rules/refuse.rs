//! JSON that is not taken, and the sentence that says why.

use crate::contract::{check_refusals, read_with};
use portolan_transcode::ReadOptions;

#[test]
fn names() {
    check_refusals(&[
        ("Scalars", r#"{"nope":1}"#, "?"),
        ("Scalars", r#"{"inner":{"child":{"nope":1}}}"#, "?"),
        ("Scalars", r#"{"Int32Value":1}"#, "?"),
        ("Scalars", r#"{"int32Value":1,"int32Value":1}"#, "?"),
        ("Scalars", r#"{"int32Value":1,"int32_value":1}"#, "?"),
        ("Scalars", r#"{"inner":{},"inner":{}}"#, "?"),
        ("Maps", r#"{"strings":{"a":"1","b":"2","a":"3"}}"#, "?"),
        ("Maps", r#"{"int32Keys":{"1":1,"\u0031":2}}"#, "?"),
        ("Maps", r#"{"sfixed64Keys":{"-1":1,"-1":2}}"#, "?"),
        ("Maps", r#"{"fixed32Keys":{"4294967295":1,"4294967295":2}}"#, "?"),
        ("Maps", r#"{"boolKeys":{"true":"","true":""}}"#, "?"),
        ("WellKnown", r#"{"struct":{"a":1,"a":2}}"#, "?"),
        ("Choice", r#"{"number":1,"text":"a"}"#, "?"),
        ("Choice", r#"{"nothing":null,"text":"a"}"#, "?"),
        ("Choice", r#"{"number":1,"anything":null}"#, "?"),
        ("legacy.Legacy", r#"{"[rules.legacy.nope]":1}"#, "?"),
        ("legacy.Legacy", r#"{"extra":1}"#, "?"),
        ("legacy.Needy", r#"{}"#, "?"),
        ("legacy.Needy", r#"{"must":null}"#, "?"),
        ("legacy.Needy", r#"{"must":1,"list":[{"must":1},{}]}"#, "?"),
    ]);
}

#[test]
fn types() {
    check_refusals(&[
        ("Scalars", "null", "?"),
        ("Scalars", "[]", "?"),
        ("Scalars", "1", "?"),
        ("Scalars", r#"{"stringValue":1}"#, "?"),
        ("Scalars", r#"{"stringValue":true}"#, "?"),
        ("Scalars", r#"{"bytesValue":[]}"#, "?"),
        ("Scalars", r#"{"boolValue":"true"}"#, "?"),
        ("Scalars", r#"{"boolValue":0}"#, "?"),
        ("Scalars", r#"{"int32Value":true}"#, "?"),
        ("Scalars", r#"{"int32Value":{}}"#, "?"),
        ("Scalars", r#"{"doubleValue":false}"#, "?"),
        ("Scalars", r#"{"color":true}"#, "?"),
        ("Scalars", r#"{"color":[]}"#, "?"),
        ("Scalars", r#"{"inner":"x"}"#, "?"),
        ("Lists", r#"{"int32s":1}"#, "?"),
        ("Lists", r#"{"int32s":{}}"#, "?"),
        ("Lists", r#"{"int32s":[1,"x"]}"#, "?"),
        ("Lists", r#"{"int32s":[1,null]}"#, "?"),
        ("Lists", r#"{"strings":["a",1]}"#, "?"),
        ("Lists", r#"{"inners":[{},{"name":1}]}"#, "?"),
        ("Lists", r#"{"inners":[null]}"#, "?"),
        ("Maps", r#"{"strings":[]}"#, "?"),
        ("Maps", r#"{"strings":{"a":null}}"#, "?"),
        ("Maps", r#"{"inners":{"a \"b\"":{"id":"x"}}}"#, "?"),
        ("Maps", r#"{"int32Keys":{"x":1}}"#, "?"),
        ("Maps", r#"{"int32Keys":{"2147483648":1}}"#, "?"),
        ("Maps", r#"{"boolKeys":{"True":""}}"#, "?"),
        ("Maps", r#"{"int32Keys":{1:1}}"#, "?"),
        ("legacy.Legacy", r#"{"[rules.legacy.nested]":{"number":"x"}}"#, "?"),
    ]);
}

#[test]
fn numbers() {
    check_refusals(&[
        ("Scalars", r#"{"int32Value":1.5}"#, "?"),
        ("Scalars", r#"{"int32Value":2147483648}"#, "?"),
        ("Scalars", r#"{"int32Value":-2147483649}"#, "?"),
        ("Scalars", r#"{"int32Value":1e400}"#, "?"),
        ("Scalars", r#"{"int32Value":+1}"#, "?"),
        ("Scalars", r#"{"int32Value":01}"#, "?"),
        ("Scalars", r#"{"int32Value":-01}"#, "?"),
        ("Scalars", r#"{"int32Value":-}"#, "?"),
        ("Scalars", r#"{"int32Value":1.}"#, "?"),
        ("Scalars", r#"{"int32Value":.5}"#, "?"),
        ("Scalars", r#"{"int32Value":0x10}"#, "?"),
        ("Scalars", r#"{"int32Value":"+1"}"#, "?"),
        ("Scalars", r#"{"int32Value":"01"}"#, "?"),
        ("Scalars", r#"{"int32Value":" 1"}"#, "?"),
        ("Scalars", r#"{"int32Value":"1 "}"#, "?"),
        ("Scalars", r#"{"int32Value":""}"#, "?"),
        ("Scalars", r#"{"uint32Value":-1}"#, "?"),
        ("Scalars", r#"{"uint32Value":4294967296}"#, "?"),
        ("Scalars", r#"{"int64Value":9223372036854775808}"#, "?"),
        ("Scalars", r#"{"uint64Value":18446744073709551616}"#, "?"),
        ("Scalars", r#"{"uint64Value":"-1"}"#, "?"),
        ("Scalars", r#"{"sint32Value":2147483648}"#, "?"),
        ("Scalars", r#"{"fixed32Value":-1}"#, "?"),
        ("Scalars", r#"{"sfixed64Value":9223372036854775808}"#, "?"),
        ("Scalars", r#"{"floatValue":3.5e38}"#, "?"),
        ("Scalars", r#"{"doubleValue":1.9e308}"#, "?"),
        ("Scalars", r#"{"doubleValue":NaN}"#, "?"),
        ("Scalars", r#"{"doubleValue":Infinity}"#, "?"),
        ("Scalars", r#"{"doubleValue":-Infinity}"#, "?"),
        ("Scalars", r#"{"doubleValue":"inf"}"#, "?"),
        ("Scalars", r#"{"doubleValue":"nan"}"#, "?"),
        ("Scalars", r#"{"doubleValue":"+Infinity"}"#, "?"),
        ("Scalars", r#"{"doubleValue":"1 "}"#, "?"),
        ("Scalars", r#"{"doubleValue":""}"#, "?"),
        ("Scalars", r#"{"doubleValue":"1_0"}"#, "?"),
        ("Scalars", r#"{"boolValue":TRUE}"#, "?"),
        ("Scalars", r#"{"color":"red"}"#, "?"),
        ("Scalars", r#"{"color":"1"}"#, "?"),
        ("Scalars", r#"{"color":1.5}"#, "?"),
        ("Scalars", r#"{"color":2147483648}"#, "?"),
        ("legacy.Legacy", r#"{"closed":3}"#, "?"),
        ("legacy.Legacy", r#"{"manyClosed":[1,3]}"#, "?"),
    ]);
}

#[test]
fn strings() {
    check_refusals(&[
        ("Scalars", r#"{"stringValue":"\ud800"}"#, "?"),
        ("Scalars", r#"{"stringValue":"\udc00\ud800"}"#, "?"),
        ("Scalars", r#"{"stringValue":"\ud800\ud800"}"#, "?"),
        ("Scalars", r#"{"stringValue":"\ud800x"}"#, "?"),
        ("Scalars", r#"{"stringValue":"\x"}"#, "?"),
        ("Scalars", r#"{"stringValue":"\u12g4"}"#, "?"),
        ("Scalars", "{\"stringValue\":\"\n\"}", "?"),
        ("Scalars", "{\"stringValue\":\"\u{1}\"}", "?"),
        ("Scalars", r#"{"stringValue":'x'}"#, "?"),
        ("Scalars", r#"{"bytesValue":"a"}"#, "?"),
        ("Scalars", r#"{"bytesValue":"!!!!"}"#, "?"),
        ("Scalars", r#"{"bytesValue":"A=Q="}"#, "?"),
        ("Scalars", r#"{"bytesValue":"AQ I="}"#, "?"),
        ("Scalars", r#"{"bytesValue":"+_8="}"#, "?"),
        ("Scalars", r#"{"bytesValue":"this text is not base64, and it is far too long to be shown"}"#, "?"),
    ]);
    for bytes in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xe2\x82"] {
        let json = [b"{\"stringValue\":\"", bytes, b"\"}"].concat();
        assert!(read_with("Scalars", &json, &ReadOptions::default()).is_err(), "{bytes:x?}");
        let json = [b"{\"", bytes, b"\":1}"].concat();
        assert!(read_with("Scalars", &json, &ReadOptions::default()).is_err(), "{bytes:x?}");
    }
}

#[test]
fn syntax() {
    check_refusals(&[
        ("Scalars", "", "?"),
        ("Scalars", " ", "?"),
        ("Scalars", "{", "?"),
        ("Scalars", r#"{"int32Value"#, "?"),
        ("Scalars", r#"{"int32Value""#, "?"),
        ("Scalars", r#"{"int32Value":"#, "?"),
        ("Scalars", r#"{"int32Value":1"#, "?"),
        ("Scalars", r#"{"int32Value":1,"#, "?"),
        ("Scalars", r#"{"int32Value":1,}"#, "?"),
        ("Scalars", r#"{"int32Value" 1}"#, "?"),
        ("Scalars", r#"{"int32Value":1 "color":1}"#, "?"),
        ("Scalars", r#"{int32Value:1}"#, "?"),
        ("Scalars", r#"{,}"#, "?"),
        ("Scalars", r#"{"boolValue":tru}"#, "?"),
        ("Scalars", r#"{"boolValue":nul}"#, "?"),
        ("Scalars", r#"{"stringValue":"abc"#, "?"),
        ("Lists", r#"{"int32s":[1,]}"#, "?"),
        ("Lists", r#"{"int32s":[,1]}"#, "?"),
        ("Lists", r#"{"int32s":[1"#, "?"),
        ("Lists", r#"{"int32s":[1 2]}"#, "?"),
        ("Scalars", "{} x", "?"),
        ("Scalars", "{}{}", "?"),
        ("Scalars", "{} // no", "?"),
        ("Scalars", "/* no */{}", "?"),
        ("Scalars", "\u{feff}{}", "?"),
    ]);
}
