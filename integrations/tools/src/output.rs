//! What a tool returns.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::ToolError;

/// The result of a tool: one JSON value.
///
/// A type of its own, and not an alias of [`Value`], so that a Rust hook which asks for a `ToolOutput` can't be
/// handed some other JSON by mistake; transparent in JSON, so that a script or an external hook reads and
/// replaces `{"result": 42}` itself, without a wrapper around it. Tools make it from their own typed output with
/// [`ToolOutput::new`], and a hook or a caller reads it back with [`ToolOutput::read`].
///
/// ```
/// use hooks_tools::ToolOutput;
/// let output = ToolOutput::from(serde_json::json!({"result": 42}));
/// assert_eq!(serde_json::to_string(&output).unwrap(), r#"{"result":42}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ToolOutput {
    /// The value, of the shape that the tool documents.
    pub value: Value,
}

impl ToolOutput {
    /// The output of `tool`, from the tool's own output type.
    ///
    /// # Errors
    /// [`ToolError::Failed`] if the value has no JSON form, for example a map whose keys are not strings.
    pub fn new(tool: &str, value: &impl Serialize) -> Result<Self, ToolError> {
        match serde_json::to_value(value) {
            Ok(value) => Ok(ToolOutput { value }),
            Err(error) => Err(ToolError::failed(
                tool,
                format!("its output has no JSON form: {error}"),
            )),
        }
    }

    /// The output as a type of the caller's choice.
    ///
    /// # Errors
    /// What serde says when the value is of another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.value)
    }

    /// Its size in bytes as compact JSON.
    pub fn json_bytes(&self) -> u64 {
        let mut count = ByteCount(0);
        // Counting never fails, and every `Value` has a JSON form.
        match serde_json::to_writer(&mut count, &self.value) {
            Ok(()) => count.0,
            Err(_) => u64::MAX,
        }
    }
}

impl From<Value> for ToolOutput {
    fn from(value: Value) -> Self {
        ToolOutput { value }
    }
}

struct ByteCount(u64);

impl std::io::Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn size_is_that_of_the_compact_json() {
        let value = json!({"text": "a\n€", "list": [1, 2.5, null]});
        let bytes = serde_json::to_string(&value).unwrap().len() as u64;
        assert_eq!(ToolOutput::from(value).json_bytes(), bytes);
    }

    #[test]
    fn reads_back_typed_and_says_what_does_not_fit() {
        let output = ToolOutput::new("t", &json!({"n": 3})).unwrap();
        let map: std::collections::BTreeMap<String, u8> = output.read().unwrap();
        assert_eq!(map["n"], 3);
        assert!(
            output
                .read::<Vec<u8>>()
                .unwrap_err()
                .to_string()
                .contains("expected a sequence")
        );
    }
}
