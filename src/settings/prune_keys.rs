//! What protects images, and what `images prune` leaves where nobody says more.

use super::keys::{Key, key};
use super::reader::Reader;
use super::values::{duration, within};
use crate::prune::{InvalidProtected, PruneOptions};

/// The most tagged images that a repository may hold (Service Quotas, Amazon ECR: images per repository).
const MOST: usize = 100_000;

/// In the order of `settings.yaml`.
pub(super) const OF_PRUNE: [Key; 3] = [
    key("protect", None, "a list of regular expressions for whole tags, or for REPOSITORY:TAG, and of digests")
        .list()
        .about(
            "Images that images prune leaves alone, and images delete and repositories delete unless they are told otherwise: with a tag that one of these matches as a whole; with a colon in it, by REPOSITORY:TAG; or with this \
             digest (sha256:…), in whichever repository.",
        ),
    key("prune.keep", Some("2"), "a whole number from 0 to 100000")
        .number(0, MOST)
        .about("How many tagged images of each repository images prune leaves in any case: those that were pushed last."),
    key("prune.backup_term", Some("30d"), "a duration, such as 30d")
        .about("How long images prune leaves backups (policy.backup), from the day in their name on."),
];

impl Reader {
    /// What stays in any case.
    pub(super) fn prune(&mut self) -> Option<PruneOptions> {
        let protected = self.texts(&[], "protect", &|text| {
            text.parse().map_err(|why: InvalidProtected| why.to_string())
        });
        let keep = self.parse("prune.keep", |text| within(text, 0..=MOST));
        let backup_term = self.parse("prune.backup_term", duration);
        Some(PruneOptions {
            keep: keep?,
            backup_term: backup_term?,
            protected,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Given, Settings, Written};

    fn settings(yaml: &str) -> Result<Settings, String> {
        Settings::of(Some(&Written::to_be(yaml)), &Given::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_protected_is_read_from_a_list_or_one_text() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let yaml =
            format!("protect: ['v\\d{{1,3}}', 'base/.*:stable', '{digest}']\nprune: {{keep: 5, backup_term: 7d}}\n");
        let prune = settings(&yaml).unwrap().prune;
        let told: Vec<String> = prune.protected.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["v\\d{1,3}", "base/.*:stable", &digest]);
        assert_eq!((prune.keep, prune.backup_term.as_secs()), (5, 7 * 24 * 3600));
        let one = settings("protect: 'v\\d{1,3}'\n").unwrap().prune;
        assert_eq!((one.protected.len(), one.keep), (1, 2));
    }

    #[test]
    fn what_protects_nothing_is_a_mistake() {
        for (yaml, says) in [
            ("protect: ['v(']", "unclosed group"),
            ("protect: []", "it names nothing; leave it out"),
            ("prune: {keep: -1}", "prune.keep: \"-1\" is not allowed"),
            (
                "prune: {backup_term: soon}",
                "prune.backup_term: \"soon\" is not allowed",
            ),
            ("prune: {backups: 1d}", "prune.backups: no such setting"),
        ] {
            let told = settings(yaml).map(drop).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }
}
