use std::fmt;
use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest::{Algorithm, Context, SHA256, SHA512};
use serde::{Deserialize, Serialize};

/// The content address of a manifest or blob: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128.
///
/// The grammar is that of the [OCI image specification, "Digests"][spec]; other algorithms are refused, as no registry
/// that this program talks to accepts them.
///
/// [spec]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Arc<str>);

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest (sha256: and 64 hexadecimal digits)")]
pub struct InvalidDigest(String);

impl Digest {
    /// The SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = Hasher::new("sha256", &SHA256);
        hasher.update(content);
        hasher.finish()
    }

    /// Sums up content as it comes, by this digest's algorithm.
    pub fn hasher(&self) -> Hasher {
        match self.0.starts_with("sha512:") {
            true => Hasher::new("sha512", &SHA512),
            false => Hasher::new("sha256", &SHA256),
        }
    }

    /// Whether this is the digest of `content`.
    pub fn is_of(&self, content: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(content);
        hasher.finish() == *self
    }

    /// Its tag under the fallback scheme for what belongs to it: `sha256-` and the digits (OCI distribution specification,
    /// "Referrers Tag Schema").
    pub fn as_tag(&self) -> String {
        let mut tag = self.0.replace(':', "-");
        // Of the digits no more than 64.
        tag.truncate(self.0.find(':').unwrap_or_default() + 1 + 64);
        tag
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

/// Content that is summed up as it comes.
pub struct Hasher {
    algorithm: &'static str,
    context: Context,
}

impl Hasher {
    fn new(algorithm: &'static str, with: &'static Algorithm) -> Self {
        Self {
            algorithm,
            context: Context::new(with),
        }
    }

    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.context.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        let sum = self.context.finish();
        let mut digest = String::with_capacity(self.algorithm.len() + 1 + 2 * sum.as_ref().len());
        digest.push_str(self.algorithm);
        digest.push(':');
        for byte in sum.as_ref() {
            // Writing to a string does not fail.
            let _ = write!(digest, "{byte:02x}");
        }
        Digest(digest.into())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.algorithm).finish()
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
            Ok(Self(text.into()))
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
        digest.as_str().to_owned()
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
    fn content_is_summed_up_by_the_digest_s_own_algorithm() {
        // coreutils: printf abc | sha256sum; printf abc | sha512sum.
        let sha256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sha512 = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        for digest in [sha256, sha512].map(|text| text.parse::<Digest>().unwrap()) {
            let mut hasher = digest.hasher();
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish(), digest);
            assert!(digest.is_of(b"abc") && !digest.is_of(b"abd"));
        }
        assert_eq!(Digest::of(b"abc").as_str(), sha256);
    }

    #[test]
    fn the_short_form_keeps_algorithm_and_twelve_digits() {
        let digest: Digest = format!("sha256:{}", "0123456789abcdef".repeat(4)).parse().unwrap();
        assert_eq!(digest.short(), "sha256:0123456789ab");
    }
}
