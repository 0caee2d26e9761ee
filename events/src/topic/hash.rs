//! The hash of topics and tokens: short text, hashed often, chosen by strangers.
//!
//! Words of eight bytes are folded by a full multiplication, as in wyhash and foldhash. The keys are drawn once
//! per process, so that nobody can choose topics that collide.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

static KEYS: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let random = RandomState::new();
    // An even factor would lose its lowest bit of every word.
    [random.hash_one(0_u8), random.hash_one(1_u8) | 1]
});

/// The hash of that text in this process.
#[inline]
pub(crate) fn of(bytes: &[u8]) -> u64 {
    let [start, factor] = *KEYS;
    let mut state = start ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), factor);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(fold(state ^ u64::from_le_bytes(last), factor), start | 1)
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// For maps whose keys are tokens.
#[derive(Clone, Copy, Default)]
pub(crate) struct TokenHash;

impl BuildHasher for TokenHash {
    type Hasher = TokenHasher;

    #[inline]
    fn build_hasher(&self) -> TokenHasher {
        TokenHasher(0)
    }
}

/// Takes one string, or one number that is a hash already.
pub(crate) struct TokenHasher(u64);

impl Hasher for TokenHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = of(bytes);
    }

    #[inline]
    fn write_u8(&mut self, _end_of_text: u8) {}

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Both ends of the number are used: the low bits choose a bucket, the high bits tell keys in it apart.
    #[test]
    fn similar_texts_spread_over_both_ends() {
        let hashes: Vec<u64> = (0..4096)
            .map(|n| of(format!("user.{n}").as_bytes()))
            .collect();
        let distinct = |part: fn(u64) -> u64| {
            hashes
                .iter()
                .map(|&h| part(h))
                .collect::<HashSet<_>>()
                .len()
        };
        assert_eq!(distinct(|h| h), hashes.len());
        // 4096 balls into 65536 bins leave about 3970 different ones.
        assert!(distinct(|h| h & 0xffff) > 3900 && distinct(|h| h >> 48) > 3900);
    }

    #[test]
    fn maps_of_tokens_hash_like_topics() {
        assert_eq!(TokenHash.hash_one("created"), of(b"created"));
        assert_ne!(of(b""), of(b"\0"));
    }
}
