use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Account, RanImage};

/// Whether what runs is in ECR, and current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Whether upstreams were asked at all.
    pub upstream_asked: bool,
    /// How many images have each state.
    pub totals: CoverageTotals,
    /// One entry for each image that runs.
    pub images: Vec<Covered>,
}

/// How many images have each state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageTotals {
    /// [`CoverageState::Current`].
    pub current: usize,
    /// [`CoverageState::Older`].
    pub older: usize,
    /// [`CoverageState::Unchecked`].
    pub unchecked: usize,
    /// [`CoverageState::Outside`].
    pub outside: usize,
    /// [`CoverageState::Gone`].
    pub gone: usize,
    /// [`CoverageState::Unknown`].
    pub unknown: usize,
}

/// An image that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// Its address, as who runs it wrote it.
    #[serde(rename = "ImageUri")]
    pub image_uri: Option<String>,
    /// Whether it is in ECR, and current.
    pub state: CoverageState,
    /// Why it was not compared, where its state is [`CoverageState::Unchecked`]. Older reports have none.
    #[serde(default)]
    pub because: Option<UncheckedBecause>,
    /// The repository of ECR that it names, where that was asked.
    #[serde(rename = "repositoryUri")]
    pub repository_uri: Option<String>,
    /// What runs, where it is in ECR.
    pub digest: Option<String>,
    /// The image that it follows.
    pub upstream: Option<String>,
    /// What that is now.
    pub upstream_digest: Option<String>,
    /// ARNs of functions and services.
    pub used_by: Vec<String>,
}

/// Whether an image that runs is in ECR, and current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverageState {
    /// In ECR, and the upstream's tag names the same image.
    Current,
    /// In ECR, and the upstream's tag names another one by now.
    Older,
    /// In ECR, and not compared: [`Covered::because`] says why.
    Unchecked,
    /// As [`RanImage::Outside`].
    Outside,
    /// As [`RanImage::Gone`].
    Gone,
    /// As [`RanImage::Unknown`].
    Unknown,
}

impl CoverageState {
    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Older => "older",
            Self::Unchecked => "unchecked",
            Self::Outside => "outside",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

/// Why an image in ECR was not compared with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UncheckedBecause {
    /// Upstreams were not asked.
    NotAsked,
    /// It follows none, or not one alone, or what it would follow by its name is not there.
    NoUpstream,
    /// The upstream did not answer.
    NotAnswered,
    /// The digests differ, as they may after a copy by a daemon, and the ledger does not know what ECR has.
    NotInLedger,
}

/// What an image in ECR follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name, with the tag.
    pub name: String,
    /// What that is now, where it answered.
    pub digest: Option<String>,
    /// Whether that is the image in ECR; none where it is not known.
    pub is_same: Option<bool>,
}

/// One that runs an image.
#[derive(Debug)]
pub(super) struct Running<'a> {
    pub(super) address: Option<&'a str>,
    pub(super) image: &'a RanImage,
    pub(super) user: &'a str,
}

impl<'a> Running<'a> {
    pub(super) fn all(accounts: &'a [Account]) -> impl Iterator<Item = Self> {
        accounts.iter().flat_map(|account| {
            let functions = account.lambda.values().flatten().map(|function| Self {
                address: function.image_uri.as_deref(),
                image: &function.image,
                user: &function.arn,
            });
            let services = account.ecs.values().flatten().flat_map(|service| {
                service.containers.iter().map(|container| Self {
                    address: Some(&container.image_uri),
                    image: &container.image,
                    user: &service.arn,
                })
            });
            functions.chain(services)
        })
    }
}

impl Coverage {
    /// As far as ECR alone tells.
    pub(super) fn of(running: &[Running<'_>]) -> Self {
        let mut found: BTreeMap<(Option<&str>, Option<&str>), Covered> = BTreeMap::new();
        for run in running {
            let (state, digest) = match run.image {
                RanImage::Found { digest, .. } => (CoverageState::Unchecked, Some(digest.as_str())),
                RanImage::Gone { .. } => (CoverageState::Gone, None),
                RanImage::Outside { .. } => (CoverageState::Outside, None),
                RanImage::Unknown => (CoverageState::Unknown, None),
            };
            let entry = found.entry((run.address, digest)).or_insert_with(|| Covered {
                image_uri: run.address.map(str::to_owned),
                state,
                because: (state == CoverageState::Unchecked).then_some(UncheckedBecause::NotAsked),
                repository_uri: run.image.repository_uri().map(str::to_owned),
                digest: digest.map(str::to_owned),
                upstream: None,
                upstream_digest: None,
                used_by: Vec::new(),
            });
            if !entry.used_by.iter().any(|one| one == run.user) {
                entry.used_by.push(run.user.to_owned());
            }
        }
        let mut coverage = Self {
            upstream_asked: false,
            totals: CoverageTotals::default(),
            images: found.into_values().collect(),
        };
        coverage.count();
        coverage
    }

    /// Adds what upstreams answered, by the places of the images here.
    pub fn compare(&mut self, upstreams: BTreeMap<usize, Upstream>) {
        self.upstream_asked = true;
        for image in self.images.iter_mut().filter(|image| image.because.is_some()) {
            image.because = Some(UncheckedBecause::NoUpstream);
        }
        for (at, upstream) in upstreams {
            let Some(image) = self.images.get_mut(at) else {
                continue;
            };
            (image.state, image.because) = match upstream.is_same {
                Some(true) => (CoverageState::Current, None),
                Some(false) => (CoverageState::Older, None),
                None => {
                    let because = match upstream.digest {
                        Some(_) => UncheckedBecause::NotInLedger,
                        None => UncheckedBecause::NotAnswered,
                    };
                    (CoverageState::Unchecked, Some(because))
                }
            };
            image.upstream = Some(upstream.name);
            image.upstream_digest = upstream.digest;
        }
        self.count();
    }

    fn count(&mut self) {
        let mut totals = CoverageTotals::default();
        for image in &self.images {
            *match image.state {
                CoverageState::Current => &mut totals.current,
                CoverageState::Older => &mut totals.older,
                CoverageState::Unchecked => &mut totals.unchecked,
                CoverageState::Outside => &mut totals.outside,
                CoverageState::Gone => &mut totals.gone,
                CoverageState::Unknown => &mut totals.unknown,
            } += 1;
        }
        self.totals = totals;
    }
}
