//! Parts of an image index: some of its platforms, with or without what attests them.

use serde_json::{Map, Value};

use super::{Descriptor, Manifest, NoManifest, Platform};

/// What becomes of the attestations that BuildKit keeps beside the images of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attestations {
    /// They come along with their image.
    #[default]
    Keep,
    /// They are left out.
    Strip,
}

/// The annotation that says of which index an index is a part.
pub const PART_OF: &str = "dev.ecr-keeper.source.digest";

impl Manifest {
    /// The index of those of its children that are for `platforms` (all where that is empty), with what attests them unless
    /// that is stripped. It is another index with another digest, and says in an annotation which one it is a part of; the same part
    /// of the same index is always the same bytes.
    ///
    /// Every other member of the JSON stays as it is.
    pub fn part(&self, platforms: &[Platform], attestations: Attestations) -> Result<Self, NoManifest> {
        // What leaves nothing out is the index itself, and its signatures hold.
        let is_part = |child: &Descriptor| self.is_part(child, platforms, attestations);
        if self.children().iter().all(is_part) {
            return Ok(self.clone());
        }
        let malformed = |source| NoManifest::Malformed {
            kind: self.kind.clone(),
            source,
        };
        let mut json: Value = serde_json::from_slice(&self.bytes).map_err(malformed)?;
        let stays: Vec<bool> = self
            .children()
            .iter()
            .map(|child| self.is_part(child, platforms, attestations))
            .collect();
        if let Some(entries) = json["manifests"].as_array_mut() {
            let mut stays = stays.into_iter();
            entries.retain(|_| stays.next().unwrap_or_default());
        }
        // A manifest list has no annotations of its own; a daemon passes over what it does not know.
        if json["annotations"].is_null() {
            json["annotations"] = Value::Object(Map::new());
        }
        let annotations = json["annotations"].as_object_mut();
        let annotations =
            annotations.ok_or_else(|| malformed(serde::de::Error::custom("`annotations` is no object")))?;
        annotations.insert(PART_OF.to_owned(), self.digest.as_str().into());
        let bytes = serde_json::to_vec(&json).map_err(malformed)?;
        Self::read(self.kind.media_type(), bytes)
    }

    fn is_part(&self, child: &Descriptor, platforms: &[Platform], attestations: Attestations) -> bool {
        let wanted = |own: &Platform| platforms.is_empty() || platforms.iter().any(|wanted| own.is_for(wanted));
        match (&child.platform, &child.attests) {
            (Some(own), None) => wanted(own),
            (_, Some(of)) => {
                let of = self.children().iter().find(|other| other.digest == *of);
                attestations == Attestations::Keep && of.and_then(|of| of.platform.as_ref()).is_some_and(wanted)
            }
            // An artifact that runs nowhere belongs to the whole.
            (None, None) => platforms.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;
    use crate::image::content::ATTESTS;

    fn digest(of: char) -> String {
        format!("sha256:{}", of.to_string().repeat(64))
    }

    /// Two platforms, each with its attestation, as `docker buildx build --platform` writes them.
    fn index() -> Manifest {
        let entry = |own: char, platform: &str, more: &str| {
            let (os, architecture) = platform.split_once('/').unwrap();
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":1,
                   "platform":{{"os":"{os}","architecture":"{architecture}"}}{more}}}"#,
                digest(own)
            )
        };
        let attests = |of: char| format!(r#","annotations":{{"{ATTESTS}":"{}","x":"y"}}"#, digest(of));
        let entries = [
            entry('a', "linux/amd64", ""),
            entry('b', "linux/arm64", ""),
            entry('c', "unknown/unknown", &attests('a')),
            entry('d', "unknown/unknown", &attests('b')),
        ];
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}],"annotations":{{"team":"own"}}}}"#,
            entries.join(",")
        );
        Manifest::read("application/vnd.oci.image.index.v1+json", text.into_bytes()).unwrap()
    }

    fn children(part: &Manifest) -> Vec<char> {
        let last = |child: &Descriptor| child.digest.as_str().chars().last();
        part.children().iter().filter_map(last).collect()
    }

    #[test]
    fn a_part_has_its_platforms_and_what_attests_them() {
        let index = index();
        let arm64 = ["linux/arm64".parse().unwrap()];
        let part = index.part(&arm64, Attestations::Keep).unwrap();
        assert_eq!(children(&part), ['b', 'd']);
        assert_eq!(children(&index.part(&arm64, Attestations::Strip).unwrap()), ['b']);
        assert_eq!(children(&index.part(&[], Attestations::Strip).unwrap()), ['a', 'b']);
        let json: Value = serde_json::from_slice(&part.bytes).unwrap();
        assert_eq!(json["annotations"][PART_OF], index.digest.as_str());
        assert_eq!(json["annotations"]["team"], "own");
        assert_eq!(json["manifests"][1]["annotations"]["x"], "y");
        assert_eq!(part.digest, Digest::of(&part.bytes));
        assert_eq!(part, index.part(&arm64, Attestations::Keep).unwrap());
        assert_eq!(
            index.part(&[], Attestations::Keep).unwrap(),
            index,
            "all of it is itself"
        );
    }

    #[test]
    fn annotations_that_are_none_are_refused() {
        let text = String::from_utf8(index().bytes).unwrap();
        let odd = text.replace(r#""annotations":{"team":"own"}"#, r#""annotations":[]"#);
        let odd = Manifest::read("application/vnd.oci.image.index.v1+json", odd.into_bytes()).unwrap();
        let refused = odd
            .part(&["linux/arm64".parse().unwrap()], Attestations::Keep)
            .unwrap_err();
        assert!(refused.to_string().contains("`annotations` is no object"), "{refused}");
    }
}
