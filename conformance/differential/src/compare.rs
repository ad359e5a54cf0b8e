//! Whether two answers are the same.

use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use serde_json::Value;

use crate::cases::{Case, Cases, Form, World};
use crate::explained::{self, Difference};
use crate::peer::{Answer, Peer};

/// What is to be said about a pair of answers.
pub(crate) enum Judgement {
    Equal,
    /// They differ for this reason.
    Explained(&'static str),
    /// They differ, and nobody knows why.
    Finding(String),
}

/// Compares a peer's answer with ours.
pub(crate) fn judge(cases: &Cases, case: &Case, peer: &Peer, theirs: &Answer) -> Judgement {
    let world = &cases.worlds[case.world];
    let Some(difference) = difference(world, case, theirs) else {
        return Judgement::Equal;
    };
    if let Some(why) = explained::why(peer.which(), case, &difference) {
        return Judgement::Explained(why);
    }
    Judgement::Finding(format!(
        "{} {}\n{}\n{difference}",
        world.name,
        case.message,
        shown(&case.form)
    ))
}

fn difference(world: &World, case: &Case, theirs: &Answer) -> Option<Difference> {
    match (&case.ours, theirs) {
        (Err(_), Err(_)) => None,
        (Err(ours), Ok(theirs)) => Some(Difference::WeRefuse {
            error: ours.clone(),
            theirs: match case.form {
                Form::Wire(_) => String::from_utf8_lossy(theirs).into_owned(),
                Form::Json(_) => message_as_json(world, &case.message, theirs),
            },
        }),
        (Ok(ours), Err(error)) => Some(Difference::TheyRefuse {
            ours: match case.form {
                Form::Wire(_) => String::from_utf8_lossy(ours).into_owned(),
                Form::Json(_) => message_as_json(world, &case.message, ours),
            },
            error: error.clone(),
        }),
        (Ok(ours), Ok(theirs)) => match case.form {
            Form::Wire(_) => {
                let (ours, theirs) = (parsed(ours), parsed(theirs));
                (!equal(&ours, &theirs)).then_some(Difference::OtherJson { ours, theirs })
            }
            Form::Json(_) => {
                let decode = |wire: &[u8]| decoded(world, &case.message, wire);
                let same = decode(ours) == decode(theirs);
                (!same).then(|| Difference::OtherMessage {
                    ours: parsed(message_as_json(world, &case.message, ours).as_bytes()),
                    theirs: parsed(message_as_json(world, &case.message, theirs).as_bytes()),
                })
            }
        },
    }
}

/// A message, so that two of the same meaning are equal.
fn decoded(world: &World, name: &str, wire: &[u8]) -> Option<Vec<u8>> {
    let descriptor = world.reflected(name);
    let message = DynamicMessage::decode(descriptor.clone(), wire).ok()?;
    Some(portolan_random::in_order(
        &descriptor,
        &message.encode_to_vec(),
    ))
}

/// A message for people, and for a closer look.
fn message_as_json(world: &World, name: &str, wire: &[u8]) -> String {
    match world.write(name, wire) {
        Ok(json) => String::from_utf8_lossy(&json).into_owned(),
        Err(error) => format!("no message: {error}, {wire:02x?}"),
    }
}

/// JSON as a value; what is none is a string that says so.
fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|error| {
        Value::String(format!("{error}: {}", String::from_utf8_lossy(json)))
    })
}

/// Whether two values are equal; numbers are as numbers, whatever their
/// spelling, and a negative zero is no zero.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let bits = |number: &serde_json::Number| number.as_f64().map(f64::to_bits);
            left == right || bits(left) == bits(right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, left)| right.get(name).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

/// A question for people.
fn shown(form: &Form) -> String {
    match form {
        Form::Wire(wire) => format!("{wire:02x?}"),
        Form::Json(json) => String::from_utf8_lossy(json).into_owned(),
    }
}
