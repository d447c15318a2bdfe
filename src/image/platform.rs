use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an image runs on, as `os/architecture[/variant]`: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// `linux`, `windows`: a GOOS value.
    pub os: String,
    /// `amd64`, `arm64`: a GOARCH value.
    pub architecture: String,
    /// `v7`, `v8`, where the architecture has variants.
    pub variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no platform (os/architecture or os/architecture/variant, such as linux/amd64)")]
pub struct InvalidPlatform(String);

impl Platform {
    /// Whether an image for `wanted` is one for this. A variant counts only where both say one: some configs leave it out.
    pub fn is_for(&self, wanted: &Self) -> bool {
        let variants_agree = match (&self.variant, &wanted.variant) {
            (Some(own), Some(wanted)) => own == wanted,
            _ => true,
        };
        self.os == wanted.os && self.architecture == wanted.architecture && variants_agree
    }

    /// Whether this is the `unknown/unknown` under which BuildKit files attestations in an image index.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

/// Which platforms a target should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(try_from = "String", into = "String")]
pub enum Platforms {
    /// Those that it has: a single image keeps its platform, an index stays one.
    #[default]
    AsTarget,
    /// One platform's image alone.
    One(Platform),
    /// An index of exactly these, two or more.
    Listed(Vec<Platform>),
    /// All that the upstream has, its index as it is.
    All,
}

impl FromStr for Platforms {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        match text {
            "" => return Ok(Self::AsTarget),
            "all" => return Ok(Self::All),
            _ => {}
        }
        let mut listed: Vec<Platform> = text
            .split(',')
            .map(|one| one.trim().parse())
            .collect::<Result<_, _>>()?;
        listed.sort();
        listed.dedup();
        match <[Platform; 1]>::try_from(listed) {
            Ok([one]) => Ok(Self::One(one)),
            Err(listed) => Ok(Self::Listed(listed)),
        }
    }
}

impl fmt::Display for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsTarget => Ok(()),
            Self::One(platform) => platform.fmt(f),
            Self::Listed(platforms) => {
                let words: Vec<String> = platforms.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(","))
            }
            Self::All => f.write_str("all"),
        }
    }
}

impl TryFrom<String> for Platforms {
    type Error = InvalidPlatform;

    fn try_from(text: String) -> Result<Self, InvalidPlatform> {
        text.parse()
    }
}

impl From<Platforms> for String {
    fn from(platforms: Platforms) -> Self {
        platforms.to_string()
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let invalid = || InvalidPlatform(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let well_formed = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(well_formed) {
            return Err(invalid());
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(invalid()),
        };
        Ok(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant,
        })
    }
}

impl TryFrom<String> for Platform {
    type Error = InvalidPlatform;

    fn try_from(text: String) -> Result<Self, InvalidPlatform> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_counts_where_both_say_one() {
        let is_for = |own: &str, wanted: &str| own.parse::<Platform>().unwrap().is_for(&wanted.parse().unwrap());
        assert!(is_for("linux/arm64", "linux/arm64/v8") && is_for("linux/arm64/v8", "linux/arm64"));
        assert!(!is_for("linux/arm/v6", "linux/arm/v7") && !is_for("linux/amd64", "linux/arm64"));
    }

    #[test]
    fn a_list_of_platforms_is_one_several_or_all() {
        let read = |text: &str| text.parse::<Platforms>().unwrap();
        let [amd64, arm64]: [Platform; 2] = ["linux/amd64", "linux/arm64"].map(|text| text.parse().unwrap());
        assert_eq!(read("linux/amd64"), Platforms::One(amd64.clone()));
        assert_eq!(read("linux/amd64,linux/amd64"), Platforms::One(amd64.clone()));
        assert_eq!(read("linux/arm64, linux/amd64"), Platforms::Listed(vec![amd64, arm64]));
        assert_eq!(read("all"), Platforms::All);
        for text in ["", "all", "linux/amd64", "linux/amd64,linux/arm64"] {
            assert_eq!(read(text).to_string(), text);
        }
        assert!("all,linux/amd64".parse::<Platforms>().is_err());
    }

    #[test]
    fn platforms_read_and_write_as_docker_writes_them() {
        for text in ["linux/amd64", "linux/arm/v7", "windows/amd64"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/v7/x",
            "Linux/amd64",
            "linux /amd64",
        ] {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?} was taken for a platform");
        }
    }
}
