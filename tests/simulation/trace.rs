//! What happened: as one number, by which two runs are compared step by step, and in words for a person.

/// The digest of all steps so far, and the story if it is told.
#[derive(Default)]
pub struct Trace {
    digest: u64,
    pub steps: u64,
    story: Option<Vec<String>>,
}

impl Trace {
    /// One that keeps the story, too.
    pub fn telling(is_told: bool) -> Trace {
        Trace {
            digest: 0xCBF2_9CE4_8422_2325,
            steps: 0,
            story: is_told.then(Vec::new),
        }
    }

    /// Something happened at this moment, in milliseconds.
    pub fn step(&mut self, at: u64, what: &str, bytes: &[u8]) {
        self.steps += 1;
        self.mix(at);
        self.mix_all(what.as_bytes());
        self.mix_all(bytes);
    }

    fn mix_all(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
    }

    /// FNV-1a's way, eight bytes at a time.
    fn mix(&mut self, word: u64) {
        let mixed = (self.digest ^ word).wrapping_mul(0x100_0000_01B3);
        self.digest = mixed ^ (mixed >> 32);
    }

    /// The same, for people.
    pub fn tell(&mut self, at: u64, words: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>8.3} s  {}", at as f64 / 1000.0, words()));
        }
    }

    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub fn story(&self) -> &[String] {
        self.story.as_deref().unwrap_or_default()
    }
}
