use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The content address of a manifest or blob: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128.
///
/// The grammar is that of the [OCI image specification, "Digests"][spec]; other algorithms are refused, as no registry
/// that this program talks to accepts them.
///
/// [spec]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest (sha256: and 64 hexadecimal digits)")]
pub struct InvalidDigest(String);

impl Digest {
    /// The SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        use std::fmt::Write;
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
        let hex = sum.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self(format!("sha256:{hex}"))
    }

    /// The whole digest, algorithm included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm and the first twelve digits, enough for people to tell two apart.
    pub fn short(&self) -> &str {
        let algorithm = self.0.find(':').map_or(0, |colon| colon + 1);
        &self.0[..algorithm + 12]
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let length = match text.split_once(':') {
            Some(("sha256", _)) => 64,
            Some(("sha512", _)) => 128,
            _ => return Err(InvalidDigest(text.to_owned())),
        };
        let hex = &text["sha256:".len()..];
        // The specification allows lower case only: two spellings of one digest would not compare equal.
        if hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDigest(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_specified_forms_are_digests() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(good.parse::<Digest>().unwrap().as_str(), good);
        for bad in [
            "",
            "sha256:",
            "sha256:abc",
            &good.to_uppercase(),
            &good[7..],
            &format!("md5:{}", "0a".repeat(16)),
            &format!("{good}0"),
            &format!("sha256:{}é", "0".repeat(62)),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?} was taken for a digest");
        }
    }

    #[test]
    fn the_short_form_keeps_algorithm_and_twelve_digits() {
        let digest: Digest = format!("sha256:{}", "0123456789abcdef".repeat(4)).parse().unwrap();
        assert_eq!(digest.short(), "sha256:0123456789ab");
    }
}
