//! Bytes to `ModelProto`, within limits.
//!
//! A message of two bytes becomes a struct of hundreds, so a limit on the size of the file alone does not bound the
//! memory. A scan of the wire format therefore counts the fields first, without allocating.

use prost::Message;

use super::proto::ModelProto;
use crate::error::{Error, ErrorKind, Result};

/// What [`decode_within`] accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Largest document, in bytes.
    pub bytes: usize,
    /// Largest number of strings, byte strings and messages in it.
    pub fields: usize,
    /// Deepest nesting of messages; above 100, which is what the protobuf library accepts, it has no effect.
    pub depth: usize,
}

impl Default for DecodeLimits {
    fn default() -> DecodeLimits {
        DecodeLimits {
            bytes: 512 << 20,
            fields: 4_000_000,
            depth: 100,
        }
    }
}

/// Reads an ONNX model within the default [`DecodeLimits`].
pub fn decode(bytes: &[u8]) -> Result<ModelProto> {
    decode_within(bytes, &DecodeLimits::default())
}

/// Reads an ONNX model; bytes that are not one, or that pass a limit, give an error of kind `Format`.
pub fn decode_within(bytes: &[u8], limits: &DecodeLimits) -> Result<ModelProto> {
    if bytes.len() > limits.bytes {
        let message = format!(
            "the ONNX model has {} bytes, more than the limit of {}",
            bytes.len(),
            limits.bytes
        );
        return Err(Error::new(ErrorKind::Format, message));
    }
    let mut scan = Scan {
        fields: 0,
        limits: *limits,
    };
    scan.message(Kind::Model, bytes, limits.depth)?;
    let model = ModelProto::decode(bytes).map_err(|error| malformed(&error.to_string()))?;
    if model.graph.is_none() {
        return Err(malformed("it holds no graph"));
    }
    Ok(model)
}

fn malformed(why: &str) -> Error {
    Error::new(ErrorKind::Format, format!("not a valid ONNX model: {why}"))
}

/// The messages of `onnx.proto` whose fields are counted one by one.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Sparse,
    ValueInfo,
    /// Holds no message that holds others.
    Leaf,
    /// Counted by its length: as many fields as could stand in it.
    Dense,
}

impl Kind {
    /// What a length-delimited field of this message is.
    fn field(self, number: u64) -> Kind {
        match (self, number) {
            (Kind::Model, 7) | (Kind::Training, 1 | 2) | (Kind::Attribute, 6 | 11) => Kind::Graph,
            (Kind::Model, 20) => Kind::Training,
            (Kind::Model, 25) => Kind::Function,
            (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
            (Kind::Node, 5) | (Kind::Function, 11) => Kind::Attribute,
            (Kind::Graph, 15) | (Kind::Attribute, 22 | 23) => Kind::Sparse,
            (Kind::Graph, 11..=13) | (Kind::Function, 12) => Kind::ValueInfo,
            (Kind::Model, 26) | (Kind::Graph, 14) | (Kind::Node, 10) => Kind::Dense,
            (Kind::Attribute, 14 | 15) | (Kind::ValueInfo, 2) => Kind::Dense,
            _ => Kind::Leaf,
        }
    }

    /// Whether that field is a message with fields to count, and not a string.
    fn is_message(self, number: u64) -> bool {
        let tensor = matches!(
            (self, number),
            (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::Sparse, 1 | 2)
        );
        tensor || !matches!(self.field(number), Kind::Leaf | Kind::Dense)
    }
}

struct Scan {
    fields: usize,
    limits: DecodeLimits,
}

impl Scan {
    fn message(&mut self, kind: Kind, mut bytes: &[u8], depth: usize) -> Result<()> {
        if depth == 0 {
            return Err(malformed(&format!(
                "messages are nested more than {} deep",
                self.limits.depth
            )));
        }
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let number = key >> 3;
            let skipped = match key & 7 {
                0 => {
                    varint(&mut bytes)?;
                    0
                }
                1 => 8,
                5 => 4,
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).unwrap_or(usize::MAX);
                    let field = bytes.get(..length).ok_or_else(truncated)?;
                    self.count(match kind.field(number) {
                        Kind::Dense => 1 + length / 2,
                        _ => 1,
                    })?;
                    if kind.is_message(number) {
                        self.message(kind.field(number), field, depth - 1)?;
                    }
                    length
                }
                other => return Err(malformed(&format!("unknown wire type {other}"))),
            };
            bytes = bytes.get(skipped..).ok_or_else(truncated)?;
        }
        Ok(())
    }

    fn count(&mut self, fields: usize) -> Result<()> {
        self.fields += fields;
        if self.fields > self.limits.fields {
            return Err(malformed(&format!(
                "it has more than {} fields",
                self.limits.fields
            )));
        }
        Ok(())
    }
}

fn truncated() -> Error {
    malformed("it ends in the middle of a field")
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(truncated)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed("a number is longer than ten bytes"))
}

#[cfg(test)]
mod tests {
    use super::super::proto::{AttributeProto, GraphProto, NodeProto};
    use super::*;

    fn nested(depth: usize) -> ModelProto {
        let mut graph = GraphProto::default();
        for _ in 0..depth {
            let attribute = AttributeProto {
                g: Some(graph),
                ..Default::default()
            };
            let node = NodeProto {
                attribute: vec![attribute],
                ..Default::default()
            };
            graph = GraphProto {
                node: vec![node],
                ..Default::default()
            };
        }
        ModelProto {
            graph: Some(graph),
            ..Default::default()
        }
    }

    fn message_of(result: Result<ModelProto>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Format);
        error.message
    }

    #[test]
    fn reads_back_what_was_written() {
        let model = nested(20);
        assert_eq!(decode(&model.encode_to_vec()).unwrap(), model);
    }

    #[test]
    fn refuses_deep_nesting_many_fields_and_large_files() {
        assert!(
            message_of(decode(&nested(60).encode_to_vec())).contains("nested more than 100 deep")
        );
        // 33 nested graphs are 100 messages, which is as deep as the protobuf library goes.
        assert!(decode(&nested(32).encode_to_vec()).is_ok());
        let empty_nodes = [0x0a, 0x00].repeat(5_000_000);
        let mut bytes = vec![0x3a];
        prost::encode_length_delimiter(empty_nodes.len(), &mut bytes).unwrap();
        bytes.extend(empty_nodes);
        assert!(message_of(decode(&bytes)).contains("more than 4000000 fields"));
        let limits = DecodeLimits {
            bytes: 3,
            ..Default::default()
        };
        assert!(message_of(decode_within(&[0; 4], &limits)).contains("more than the limit of 3"));
    }

    #[test]
    fn refuses_every_truncation_without_panicking() {
        let bytes = nested(5).encode_to_vec();
        for length in 0..bytes.len() {
            message_of(decode(&bytes[..length]));
        }
        for byte in 0..=255 {
            for at in 0..bytes.len() {
                let mut broken = bytes.clone();
                broken[at] = byte;
                let _ = decode(&broken);
            }
        }
    }
}
