//! `hash_calculator`: digests of text and files.

use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use hooks_runtime::hooked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest::{HashAlgorithm, hasher};
use crate::blocking::BoundedReader;
use crate::fs::Root;
use crate::{
    SecurityLevel, Tool, ToolCategory, ToolError, ToolOutput, read_params, run_blocking, schema_of,
};

const NAME: &str = "hash_calculator";

/// What to do with the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HashOperation {
    /// Return it: `{"algorithm": "sha256", "hash": "…", "bytes": 3}`.
    Hash,
    /// Compare it with `expected`: the same and `"matches": true`.
    Verify,
}

/// Parameters of `hash_calculator`. Exactly one of `input` and `file` is given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashParams {
    /// What to do.
    pub operation: HashOperation,
    /// The algorithm; `sha256` if left out.
    #[serde(default)]
    pub algorithm: HashAlgorithm,
    /// Text to digest, as UTF-8.
    #[serde(default)]
    pub input: Option<String>,
    /// File to digest: a path beneath the tool's root directory.
    #[serde(default)]
    pub file: Option<String>,
    /// The expected digest in hexadecimal, for `verify`.
    #[serde(default)]
    pub expected: Option<String>,
}

/// Digests text, and files beneath a root directory if it was given one.
#[derive(Clone, Debug)]
pub struct HashCalculator {
    root: Option<Arc<Root>>,
    max_file_bytes: u64,
}

impl Default for HashCalculator {
    fn default() -> Self {
        HashCalculator {
            root: None,
            max_file_bytes: 1 << 30,
        }
    }
}

impl HashCalculator {
    /// For text only; files are refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// For text, and for files beneath `root`.
    pub fn beneath(root: Arc<Root>) -> Self {
        HashCalculator {
            root: Some(root),
            ..Self::default()
        }
    }

    /// The largest file that is read, in bytes. Default 1 GiB.
    #[must_use]
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }

    /// The digest of a file and its length in bytes, read in pieces of 64 KiB.
    async fn digest_file(
        &self,
        algorithm: HashAlgorithm,
        path: String,
    ) -> Result<(String, u64), ToolError> {
        let root = self.root.clone().ok_or_else(|| {
            ToolError::parameters(NAME, "`file` is not available: this tool was set up without a root directory; use `input`")
        })?;
        let limit = self.max_file_bytes;
        run_blocking(NAME, move |flag| {
            let file = root.open_file(NAME, &path)?;
            let mut reader = BoundedReader::new(file, limit, flag.clone());
            let mut hasher = hasher(algorithm);
            let mut buffer = vec![0; 64 * 1024];
            let mut total = 0;
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => return Ok((hasher.finish(), total)),
                    Ok(read) => {
                        hasher.update(&buffer[..read]);
                        total += read as u64;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                        let reason = format!(
                            "is larger than the limit of {limit} bytes; raise `max_file_bytes`"
                        );
                        return Err(ToolError::Path {
                            tool: NAME.to_owned(),
                            path,
                            reason,
                        });
                    }
                    Err(source) => {
                        return Err(ToolError::Io {
                            tool: NAME.to_owned(),
                            path,
                            source,
                        });
                    }
                }
            }
        })
        .await
    }
}

fn digest_text(algorithm: HashAlgorithm, text: &str) -> (String, u64) {
    let mut hasher = hasher(algorithm);
    hasher.update(text.as_bytes());
    (hasher.finish(), text.len() as u64)
}

/// Whether `expected` is `hash`.
fn matches(hash: &str, expected: &str) -> Result<bool, ToolError> {
    let expected = expected.trim();
    if expected.len() != hash.len() || !expected.bytes().all(|b| b.is_ascii_hexdigit()) {
        let digits = hash.len();
        let problem = format!(
            "`expected` is not a digest of this algorithm; write {digits} hexadecimal digits"
        );
        return Err(ToolError::parameters(NAME, problem));
    }
    Ok(expected.eq_ignore_ascii_case(hash))
}

#[async_trait]
impl Tool for HashCalculator {
    fn name(&self) -> &str {
        NAME
    }
    fn description(&self) -> &str {
        "Computes and verifies md5, sha1, sha256, sha512 and blake3 digests of text or files"
    }
    fn category(&self) -> ToolCategory {
        ToolCategory::Util
    }
    fn security_level(&self) -> SecurityLevel {
        if self.root.is_some() {
            SecurityLevel::Restricted
        } else {
            SecurityLevel::Safe
        }
    }
    fn parameters(&self) -> Value {
        schema_of::<HashParams>()
    }

    #[hooked(point = "tool.execute", component = self.name(), retry)]
    async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError> {
        let HashParams {
            operation,
            algorithm,
            input,
            file,
            expected,
        } = read_params(NAME, params)?;
        let expected = match (operation, expected) {
            (HashOperation::Hash, Some(_)) => {
                return Err(ToolError::parameters(
                    NAME,
                    "`expected` belongs to the operation `verify`",
                ));
            }
            (HashOperation::Verify, None) => {
                return Err(ToolError::parameters(
                    NAME,
                    "`verify` needs `expected`, the digest in hexadecimal",
                ));
            }
            (_, expected) => expected,
        };
        let (hash, bytes) = match (input, file) {
            (Some(input), None) => digest_text(algorithm, &input),
            (None, Some(file)) => self.digest_file(algorithm, file).await?,
            _ => {
                return Err(ToolError::parameters(
                    NAME,
                    "give exactly one of `input` (text) and `file` (a path)",
                ));
            }
        };
        let mut value = json!({"algorithm": algorithm, "hash": hash, "bytes": bytes});
        if let Some(expected) = expected {
            value["matches"] = matches(&hash, &expected)?.into();
        }
        Ok(value.into())
    }
}
