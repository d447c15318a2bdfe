//! Platforms.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, …
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7` of arm, …
    pub variant: Option<String>,
}

impl Platform {
    /// A platform without a variant.
    pub fn new(os: &str, architecture: &str) -> Platform {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }

    /// linux/amd64
    pub fn amd64() -> Platform {
        Platform::new("linux", "amd64")
    }

    /// linux/arm64
    pub fn arm64() -> Platform {
        Platform::new("linux", "arm64")
    }

    /// linux on the machine that runs this.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Platform::new("linux", architecture)
    }

    /// The same with a variant.
    #[must_use]
    pub fn variant(mut self, variant: &str) -> Platform {
        self.variant = Some(variant.to_owned());
        self
    }

    pub(super) fn json(&self) -> Value {
        let mut json = json!({"architecture": self.architecture, "os": self.os});
        if let Some(variant) = &self.variant {
            json["variant"] = json!(variant);
        }
        json
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(to, "/{variant}"),
            None => Ok(()),
        }
    }
}
