//! The document as YAML. What other readers would take for something else than
//! text, such as `on` or `12:30` in YAML 1.1, is quoted.

use super::node::Map;

pub(super) fn write(root: &Map) -> String {
    let text = serde_saphyr::to_string(root)
        .expect("texts, finite numbers and maps with text keys are all there is");
    debug_assert!(text.ends_with('\n'));
    text
}
