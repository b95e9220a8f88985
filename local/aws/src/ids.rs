use std::sync::atomic::{AtomicU64, Ordering};

use rand::TryRng;
use rand::rngs::SysRng;

/// Makes ids: the same seed gives the same ids in the same order.
#[derive(Debug)]
pub(crate) struct Ids(AtomicU64);

impl Ids {
    /// `None` seeds from the operating system.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let seed = seed
            .or_else(|| SysRng.try_next_u64().ok())
            .unwrap_or_default();
        Self(AtomicU64::new(seed))
    }

    /// `SplitMix64` (Steele, Lea, Flood 2014): one addition of state, so that an atomic is all it needs.
    fn next(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self
            .0
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `prefix` and 17 lowercase hexadecimal digits, of which the first is 0, as EC2's are today.
    pub(crate) fn ec2(&self, prefix: &str) -> String {
        format!("{prefix}0{:016x}", self.next())
    }

    pub(crate) fn uuid(&self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            ((low >> 48) & 0x3fff) | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    pub(crate) fn hex(&self, len: usize) -> String {
        let mut out = String::new();
        while out.len() < len {
            out.push_str(&format!("{:016x}", self.next()));
        }
        out.truncate(len);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn ids_have_their_forms_and_follow_the_seed() {
        let (a, b) = (Ids::new(Some(7)), Ids::new(Some(7)));
        let id = a.ec2("vpce-");
        assert_eq!(id, b.ec2("vpce-"));
        assert_ne!(id, a.ec2("vpce-"));
        let digits = id.strip_prefix("vpce-").unwrap();
        assert_eq!(digits.len(), 17);
        assert!(digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')));
        let uuid = a.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(
            uuid.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert_eq!(a.hex(5).len(), 5);
    }
}
