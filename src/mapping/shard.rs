//! One of several parts that a run is cut into, for jobs that work side by side.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::image::{Digest, ImageRef};

/// More jobs than that share no work.
const MOST: u32 = 1000;

/// `2/5`: the second of five parts. Every image is in exactly one of them, and in the same one in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shard {
    /// From 1.
    number: u32,
    of: u32,
}

/// A text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write I/N, the I-th of N parts with I from 1 to N and N at most {MOST}, such as 2/5; or auto")]
pub struct InvalidShard;

/// Variables of a runner that name no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{index} is {number:?} and {total} is {of:?}: a job counts from {first} and is one of at most {MOST}")]
pub struct InvalidRunner {
    index: &'static str,
    number: String,
    total: &'static str,
    of: String,
    first: u32,
}

/// Which variables say which job this is and how many there are, and from where on its number counts: GitLab (predefined variables,
/// `parallel`), CircleCI (`parallelism`), Buildkite (`parallelism`), and what a workflow of GitHub's hands on of `strategy.job-index` and
/// `strategy.job-total`.
const OF_RUNNERS: [(&str, &str, u32); 4] = [
    ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
    ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
    ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
    ("STRATEGY_JOB_INDEX", "STRATEGY_JOB_TOTAL", 0),
];

impl Shard {
    /// The one that a runner's variables say; none where they say nothing.
    ///
    /// # Errors
    /// Where what they say is no shard.
    pub fn of_runner(variable: impl Fn(&str) -> Option<String>) -> Option<Result<Self, InvalidRunner>> {
        OF_RUNNERS.iter().find_map(|&(index, total, first)| {
            let of = variable(total)?;
            // A job of GitLab's that is not cut into parts knows of one, and not of its number.
            let number = variable(index).or_else(|| (of == "1").then(|| first.to_string()))?;
            let from_1 = number
                .parse::<u32>()
                .ok()
                .and_then(|index| index.checked_add(1)?.checked_sub(first));
            let shard = from_1
                .zip(of.parse().ok())
                .and_then(|(number, of)| Self::new(number, of).ok());
            Some(shard.ok_or(InvalidRunner {
                index,
                number,
                total,
                of,
                first,
            }))
        })
    }

    fn new(number: u32, of: u32) -> Result<Self, InvalidShard> {
        match (1..=of).contains(&number) && of <= MOST {
            true => Ok(Self { number, of }),
            false => Err(InvalidShard),
        }
    }

    /// Whether an image of an upstream is in it. What goes to several targets is read once, and so in one shard.
    pub fn has(&self, upstream: &ImageRef) -> bool {
        let digest = Digest::of(upstream.to_string().as_bytes());
        let hex = digest.as_str().rsplit(':').next().unwrap_or_default();
        let number = hex.get(..8).and_then(|first| u32::from_str_radix(first, 16).ok());
        number.unwrap_or_default() % self.of == self.number - 1
    }
}

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let (number, of) = text.split_once('/').ok_or(InvalidShard)?;
        match (number.trim().parse(), of.trim().parse()) {
            (Ok(number), Ok(of)) => Self::new(number, of),
            _ => Err(InvalidShard),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl TryFrom<String> for Shard {
    type Error = InvalidShard;

    fn try_from(text: String) -> Result<Self, InvalidShard> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_image_is_in_exactly_one() {
        for of in [1, 2, 5, 7, 1000] {
            let shards: Vec<Shard> = (1..=of)
                .map(|number| format!("{number}/{of}").parse().unwrap())
                .collect();
            let mut sizes = vec![0; shards.len()];
            for at in 0..5000 {
                let image: ImageRef = format!("docker.io/library/app:1.{at}").parse().unwrap();
                let own: Vec<usize> = (0..shards.len()).filter(|&at| shards[at].has(&image)).collect();
                assert_eq!(own.len(), 1, "{image} of {of}");
                sizes[own[0]] += 1;
            }
            // None is left without work while another has twice its share.
            let share = 5000 / shards.len();
            assert!(
                of > 100 || sizes.iter().all(|size| (share / 2..share * 2).contains(size)),
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn runners_say_which_part_is_theirs() {
        let of = |given: &[(&str, &str)]| {
            let given: BTreeMap<&str, &str> = given.iter().copied().collect();
            let shard = Shard::of_runner(|name| given.get(name).map(|value| (*value).to_owned()));
            shard.map(|shard| shard.map(|shard| shard.to_string()).map_err(|why| why.to_string()))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("CI_NODE_TOTAL", "5")]), None);
        assert_eq!(of(&[("CI_NODE_TOTAL", "1")]), Some(Ok("1/1".to_owned())));
        assert_eq!(
            of(&[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "5")]),
            Some(Ok("2/5".to_owned()))
        );
        assert_eq!(
            of(&[("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "3")]),
            Some(Ok("1/3".to_owned()))
        );
        assert_eq!(
            of(&[("STRATEGY_JOB_INDEX", "3"), ("STRATEGY_JOB_TOTAL", "3")]),
            Some(Err("STRATEGY_JOB_INDEX is \"3\" and STRATEGY_JOB_TOTAL is \"3\": a job counts from 0 and is one of at most 1000".to_owned()))
        );
        assert_eq!(
            of(&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "5")]),
            Some(Err(
                "CI_NODE_INDEX is \"0\" and CI_NODE_TOTAL is \"5\": a job counts from 1 and is one of at most 1000"
                    .to_owned()
            ))
        );
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for wrong in ["", "2", "0/5", "6/5", "1/0", "a/b", "1/2/3", "-1/2", "1/1001"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong:?}");
        }
    }
}
