//! Every set of instructions reads and writes the same.

use std::sync::Arc;

use portolan_transcode::{Level, ReadOptions, Transcoder, WriteOptions};

use crate::contract::{message, transcoder};

#[test]
fn strings_of_every_length_are_read_and_written_at_every_level() {
    let levels = [Level::Plain, Level::Baseline, Level::Widest]
        .map(|level| Transcoder::with_level(Arc::clone(transcoder().schema()), level));
    for length in 0..140 {
        for special in [
            "",
            "é",
            "\\\"",
            "\\u00e9",
            "\\ud83d\\ude00",
            "\u{1}",
            "\\",
            "\u{ff}",
            "𝄞",
        ] {
            for place in [0, length / 2, length] {
                let text = format!(
                    "{}{special}{}",
                    "x".repeat(place),
                    "y".repeat(length - place)
                );
                let json = format!(r#"{{"strings":{{"{text}":"{text}"}},"int32Keys":{{}}}}"#);
                let results = levels.each_ref().map(|transcoder| {
                    let mut wire = Vec::new();
                    let read = transcoder.json_to_wire(
                        message("Maps"),
                        json.as_bytes(),
                        &mut wire,
                        &ReadOptions::default(),
                    );
                    let mut back = Vec::new();
                    transcoder
                        .wire_to_json(message("Maps"), &wire, &mut back, &WriteOptions::default())
                        .ok();
                    (read.map_err(|error| error.to_string()), wire, back)
                });
                assert_eq!(results[0], results[1], "{json}");
                assert_eq!(results[0], results[2], "{json}");
            }
        }
    }
}

#[test]
fn vectors_are_read_with_spaces_and_without() {
    let floats = "0.25,-1.5,0.020461166,-0.029107984,3,1e-7,0.1234567890123,0,-0.5";
    let read = |json: String| {
        let mut wire = Vec::new();
        transcoder()
            .json_to_wire(
                message("Lists"),
                json.as_bytes(),
                &mut wire,
                &ReadOptions::default(),
            )
            .unwrap();
        wire
    };
    let wanted = read(format!(r#"{{"floats":[{floats}]}}"#));
    assert_eq!(wanted.len(), 2 + 9 * 4);
    for separator in [", ", " ,", ",\n  ", " , "] {
        let json = format!(
            r#"{{"floats":[ {} ]}}            "#,
            floats.replace(',', separator)
        );
        assert_eq!(read(json), wanted);
    }
}
