//! Keyed digests of arguments: equal in one process, meaningless outside of it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Makes a keyed digest of canonical JSON text.
///
/// The runtime brings no cryptographic hash; a host that keeps digests in durable records plugs one in.
pub trait Digest: Send + Sync {
    /// The digest, as hexadecimal text.
    fn digest(&self, bytes: &[u8]) -> String;
}

/// SipHash-1-3 under two random keys of this process: 128 bits. Source: Aumasson and Bernstein, *SipHash: a
/// fast short-input PRF* (2012). It binds an approval to a call in memory; it is no signature.
#[derive(Default)]
pub struct SipDigest([RandomState; 2]);

impl Digest for SipDigest {
    fn digest(&self, bytes: &[u8]) -> String {
        let half = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            hasher.write(bytes);
            hasher.finish()
        };
        format!("{:016x}{:016x}", half(&self.0[0]), half(&self.0[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_stable_in_one_process_and_keyed() {
        let (one, two) = (SipDigest::default(), SipDigest::default());
        assert_eq!(one.digest(b"x"), one.digest(b"x"));
        assert_ne!(one.digest(b"x"), one.digest(b"y"));
        assert_ne!(one.digest(b"x"), two.digest(b"x"));
    }
}
