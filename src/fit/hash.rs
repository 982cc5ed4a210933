//! A hash that says whether a model or data are the same: 128 bits of FNV-1a (Fowler, Noll, Vo). It finds accidents, not attacks.

/// The hash of what has been added so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hash(u128);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Hash {
    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte))
                .wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    /// Adds how many numbers there are, and their bits.
    pub fn numbers(&mut self, numbers: &[f64]) {
        self.numbers_from(numbers.len(), numbers.iter().copied());
    }

    /// The same of `count` numbers that do not lie side by side.
    pub fn numbers_from(&mut self, count: usize, numbers: impl Iterator<Item = f64>) {
        self.bytes(&(count as u64).to_le_bytes());
        for number in numbers {
            self.bytes(&number.to_bits().to_le_bytes());
        }
    }

    /// The hash of which [`Hash::text`] wrote the digits.
    pub fn parse(text: &str) -> Option<Hash> {
        u128::from_str_radix(text, 16).ok().map(Hash)
    }

    /// The hash as 32 hexadecimal digits.
    pub fn text(self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    /// The published vectors of FNV-1a.
    #[test]
    fn the_hash_is_the_published_one() {
        let hash = |text: &str| {
            let mut hash = Hash::default();
            hash.bytes(text.as_bytes());
            hash.text()
        };
        assert_eq!(hash(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(hash("a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_eq!(hash("foobar"), "343e1662793c64bf6f0d3597ba446f18");
    }
}
