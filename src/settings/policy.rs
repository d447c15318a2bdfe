//! `policy`: what must hold before an image takes another's place.

use std::collections::BTreeMap;

use super::keys::{Key, key};
use super::reader::Reader;
use super::values::{choice, duration, from_str, pattern, size};
use crate::image::Platforms;
use crate::mapping::{Backup, InvalidBackup};
use crate::plan::{Requirements, Retag, Safety, Vanished};
use crate::selection::Pattern;

/// In the order of `settings.yaml`.
pub(super) const OF_POLICY: [Key; 9] = [
    key("policy.backup", None, "a tag's name with {tag}, such as {tag}-before-{date}")
        .about("The tag under which an image stays that is replaced. Without that nothing is replaced. `rollback` puts it back."),
    key("policy.min_age", None, "a duration, such as 72h")
        .about("How long an upstream's image has to have been seen before it comes; the ledger remembers since when."),
    key("policy.min_age_except", None, "a list of regular expressions for whole tags")
        .list()
        .about("Tags that need not wait."),
    key("policy.retag", Some("follow"), "follow or alarm or freeze")
        .choice(&["follow", "alarm", "freeze"])
        .about(
            "What is done where a version's tag (not latest) names another image upstream than before: it comes (follow), it comes and the exit code \
             is 1 (alarm), or the target keeps what it has (freeze).",
        ),
    key("policy.retag_except", None, "a list of regular expressions for whole tags")
        .list()
        .about("Versions' tags that are known to move, such as 1.27 to each of its patches."),
    key("policy.vanished", None, "keep or alarm or protect")
        .choice(&["keep", "alarm", "protect"])
        .about(
            "What a tag is whose upstream has gone: as missing_upstream: keep, as missing_upstream: fail, or kept and remembered in the ledger, so that \
             nothing here deletes it (protect). Without it missing_upstream says.",
        ),
    key("policy.require.platforms", None, "a platform such as linux/amd64, or a list of them")
        .list()
        .about("Platforms that an upstream's image has to have to come."),
    key("policy.require.max_size", None, "bytes, such as 2GiB or 500MB")
        .about("The most that one platform's image may have, packed as registries hold it."),
    key("policy.require.labels.*", None, "a regular expression for the whole value")
        .about("A label that an image has to have to come, and what its value has to be."),
];

impl Reader {
    pub(super) fn safety(&mut self) -> Option<Safety> {
        let is_well = [("fail", Vanished::Alarm), ("keep", Vanished::Keep)];
        let missing = self.parse("missing_upstream", |text| choice(text, &is_well));
        let words = [
            ("keep", Vanished::Keep),
            ("alarm", Vanished::Alarm),
            ("protect", Vanished::Protect),
        ];
        let vanished = self.parse("policy.vanished", |text| choice(text, &words));
        let words = [
            ("follow", Retag::Follow),
            ("alarm", Retag::Alarm),
            ("freeze", Retag::Freeze),
        ];
        let retag = self.parse("policy.retag", |text| choice(text, &words));
        let require = self.requirements();
        let min_age = self.parse("policy.min_age", duration);
        let min_age_except = self.tags_of("policy.min_age_except");
        let retag_except = self.tags_of("policy.retag_except");
        Some(Safety {
            backup: self.parse_told("policy.backup", |text| {
                text.parse::<Backup>().map_err(|why: InvalidBackup| why.to_string())
            }),
            min_age,
            min_age_except,
            retag: retag?,
            retag_except,
            vanished: vanished.or(missing)?,
            require,
        })
    }

    fn tags_of(&mut self, path: &str) -> Vec<Pattern> {
        let place: Vec<String> = path.split('.').map(str::to_owned).collect();
        match place.split_last() {
            Some((key, section)) => self.patterns(section, key),
            None => Vec::new(),
        }
    }

    fn requirements(&mut self) -> Requirements {
        let platforms = self.parse("policy.require.platforms", |text| match from_str::<Platforms>(text)? {
            Platforms::One(platform) => Some(vec![platform]),
            Platforms::Listed(all) => Some(all),
            Platforms::AsTarget | Platforms::All => None,
        });
        let labels: BTreeMap<String, Pattern> = self.each_told("policy.require.labels.*", pattern);
        Requirements {
            platforms: platforms.unwrap_or_default(),
            max_size: self.parse("policy.require.max_size", size),
            labels,
        }
    }
}
