//! The only maker of random generators. Randomness is derived from names, never advanced across epochs,
//! so that a resumed run draws what an uninterrupted one would have drawn.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The generator of one stream: `stream` says what for ("order", "augment", …), `place` where
/// (epoch, step, image index, …). ChaCha8 gives the same values on every machine.
pub fn generator(seed: u64, stream: &str, place: &[u64]) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, stream, place))
}

/// One number from the same derivation, for libraries that take a seed.
pub fn number(seed: u64, stream: &str, place: &[u64]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest(seed, stream, place)[..8]);
    u64::from_le_bytes(bytes)
}

fn digest(seed: u64, stream: &str, place: &[u64]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update((stream.len() as u64).to_le_bytes());
    hash.update(stream);
    for part in place {
        hash.update(part.to_le_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_name_changes_the_stream() {
        let base = number(1, "order", &[3]);
        assert_eq!(base, number(1, "order", &[3]));
        for other in
            [number(2, "order", &[3]), number(1, "orde", &[3]), number(1, "order", &[4]), number(1, "order", &[3, 0])]
        {
            assert_ne!(base, other);
        }
    }
}
