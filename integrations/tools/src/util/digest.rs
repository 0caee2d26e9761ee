//! Digest algorithms behind one interface.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest;

/// The digest algorithm. `md5` and `sha1` are for checking old sums only: collisions can be made at will.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// 128 bits, broken.
    Md5,
    /// 160 bits, broken.
    Sha1,
    /// 256 bits.
    #[default]
    Sha256,
    /// 512 bits.
    Sha512,
    /// 256 bits, the fastest on long input.
    Blake3,
}

/// One digest under way.
pub(super) trait Hasher {
    /// Takes more input.
    fn update(&mut self, bytes: &[u8]);
    /// The digest in lower-case hexadecimal.
    fn finish(self: Box<Self>) -> String;
}

struct RustCrypto<D>(D);

impl<D: Digest> Hasher for RustCrypto<D> {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn finish(self: Box<Self>) -> String {
        self.0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Hasher for blake3::Hasher {
    fn update(&mut self, bytes: &[u8]) {
        blake3::Hasher::update(self, bytes);
    }
    fn finish(self: Box<Self>) -> String {
        self.finalize().to_hex().to_string()
    }
}

/// A new digest of that algorithm.
pub(super) fn hasher(algorithm: HashAlgorithm) -> Box<dyn Hasher> {
    match algorithm {
        HashAlgorithm::Md5 => Box::new(RustCrypto(md5::Md5::new())),
        HashAlgorithm::Sha1 => Box::new(RustCrypto(sha1::Sha1::new())),
        HashAlgorithm::Sha256 => Box::new(RustCrypto(sha2::Sha256::new())),
        HashAlgorithm::Sha512 => Box::new(RustCrypto(sha2::Sha512::new())),
        HashAlgorithm::Blake3 => Box::new(blake3::Hasher::new()),
    }
}
