//! `policy`: what must hold before an image takes another's place.

use std::collections::BTreeMap;

use super::keys::{Key, key};
use super::reader::Reader;
use super::values::{choice, duration, from_str, pattern, size};
use crate::image::Platforms;
use crate::mapping::{Backup, InvalidBackup};
use crate::plan::{Requirements, Retag, Safety, Vanished};
use crate::selection::Pattern;

macro_rules! policy_in {
    ($section:literal, $retag:expr) => {
        [
    key(concat!($section, ".backup"), None, "a tag's name with {tag}, such as {tag}-before-{date}")
        .about("The tag under which an image stays that is replaced. Without that nothing is replaced. `rollback` puts it back."),
    key(concat!($section, ".min_age"), None, "a duration, such as 72h")
        .about("How long an upstream's image has to have been seen before it comes; the ledger remembers since when."),
    key(concat!($section, ".min_age_except"), None, "a list of regular expressions for whole tags")
        .list()
        .about("Tags that need not wait."),
    key(concat!($section, ".retag"), $retag, "follow or alarm or freeze")
        .choice(&["follow", "alarm", "freeze"])
        .about(
            "What is done where a version's tag (not latest) names another image upstream than before: it comes (follow), it comes and the exit code \
             is 1 (alarm), or the target keeps what it has (freeze).",
        ),
    key(concat!($section, ".retag_except"), None, "a list of regular expressions for whole tags")
        .list()
        .about("Versions' tags that are known to move, such as 1.27 to each of its patches."),
    key(concat!($section, ".vanished"), None, "keep or alarm or protect")
        .choice(&["keep", "alarm", "protect"])
        .about(
            "What a tag is whose upstream has gone: as missing_upstream: keep, as missing_upstream: fail, or kept and remembered in the ledger, so that \
             nothing here deletes it (protect). Without it missing_upstream says.",
        ),
    key(concat!($section, ".require.platforms"), None, "a platform such as linux/amd64, or a list of them")
        .list()
        .about("Platforms that an upstream's image has to have to come."),
    key(concat!($section, ".require.max_size"), None, "bytes, such as 2GiB or 500MB")
        .about("The most that one platform's image may have, packed as registries hold it."),
    key(concat!($section, ".require.labels.*"), None, "a regular expression for the whole value")
        .about("A label that an image has to have to come, and what its value has to be."),
        ]
    };
}

/// In the order of `settings.yaml`.
pub(super) const OF_POLICY: [Key; 9] = policy_in!("policy", Some("follow"));

/// The same, of the repository of an entry of `images` alone.
pub(super) const OF_ENTRY: [Key; 9] = policy_in!("images.#.policy", None);

/// Where a policy is said: an entry of `images`, or what holds for all.
type Section<'a> = &'a [String];

impl Reader {
    /// What holds for all repositories that say nothing else.
    pub(super) fn safety(&mut self) -> Option<Safety> {
        let is_well = [("fail", Vanished::Alarm), ("keep", Vanished::Keep)];
        let missing = self.parse("missing_upstream", |text| choice(text, &is_well));
        let safety = self.safety_in(&[], &Safety::default());
        let says_vanished = self.find("policy.vanished").is_some();
        Some(match says_vanished {
            true => safety,
            false => Safety {
                vanished: missing?,
                ..safety
            },
        })
    }

    /// What an entry of `images` says for its repository; the rest is as it is for all. Nothing where it says nothing.
    pub(super) fn own_safety(&mut self, entry: Section<'_>, usual: Option<&Safety>) -> Option<Safety> {
        let policy = [entry, &["policy".to_owned()]].concat();
        self.inside(&policy).next()?;
        let own = self.safety_in(entry, usual.unwrap_or(&Safety::default()));
        Some(own)
    }

    /// What is said in a section; what is not said there is as in `usual`.
    fn safety_in(&mut self, section: Section<'_>, usual: &Safety) -> Safety {
        let policy = [section, &["policy".to_owned()]].concat();
        let require = [&policy[..], &["require".to_owned()]].concat();
        let vanished = [
            ("keep", Vanished::Keep),
            ("alarm", Vanished::Alarm),
            ("protect", Vanished::Protect),
        ];
        let retag = [
            ("follow", Retag::Follow),
            ("alarm", Retag::Alarm),
            ("freeze", Retag::Freeze),
        ];
        let backup = |text: &str| text.parse::<Backup>().map_err(|why: InvalidBackup| why.to_string());
        let all_platforms = |text: &str| match from_str::<Platforms>(text)? {
            Platforms::One(platform) => Some(vec![platform]),
            Platforms::Listed(all) => Some(all),
            Platforms::AsTarget | Platforms::All => None,
        };
        let labels = self.labels(&[&require[..], &["labels".to_owned()]].concat());
        let safety = Safety {
            backup: self.told(&policy, "backup", backup).or_else(|| usual.backup.clone()),
            min_age: self.value(&policy, "min_age", duration).or(usual.min_age),
            min_age_except: self.tags_of(&policy, "min_age_except", &usual.min_age_except),
            retag: self
                .value(&policy, "retag", |text| choice(text, &retag))
                .unwrap_or(usual.retag),
            retag_except: self.tags_of(&policy, "retag_except", &usual.retag_except),
            vanished: self
                .value(&policy, "vanished", |text| choice(text, &vanished))
                .unwrap_or(usual.vanished),
            require: Requirements {
                platforms: self
                    .value(&require, "platforms", all_platforms)
                    .unwrap_or_else(|| usual.require.platforms.clone()),
                max_size: self.value(&require, "max_size", size).or(usual.require.max_size),
                labels: usual.require.labels.clone().into_iter().chain(labels).collect(),
            },
        };
        self.note_exceptions(&policy, &safety);
        safety
    }

    /// Exceptions from what does not hold.
    fn note_exceptions(&mut self, policy: Section<'_>, safety: &Safety) {
        for (key, holds, needed) in [
            ("min_age_except", safety.min_age.is_some(), "min_age"),
            ("retag_except", safety.retag != Retag::Follow, "retag: alarm or freeze"),
        ] {
            let setting = self
                .at(policy, key)
                .filter(|setting| !holds && !setting.is_empty_list());
            if setting.is_some() {
                let place = [policy, &[key.to_owned()]].concat();
                self.note(&place, format!("has no effect without {needed}"));
            }
        }
    }

    fn tags_of(&mut self, policy: Section<'_>, key: &str, usual: &[Pattern]) -> Vec<Pattern> {
        match self.at(policy, key) {
            // No exceptions, where there are some for all.
            Some(setting) if setting.is_empty_list() => Vec::new(),
            Some(_) => self.patterns(policy, key),
            None => usual.to_vec(),
        }
    }

    fn labels(&mut self, section: Section<'_>) -> BTreeMap<String, Pattern> {
        let names = self.names_in(section);
        let labels = names.into_iter().filter_map(|name| {
            let value = self.told(section, &name, pattern)?;
            Some((name, value))
        });
        labels.collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Given, Settings, Written};

    #[test]
    fn an_exception_from_what_does_not_hold_is_told() {
        let notes = |yaml: &str| -> Vec<String> {
            let settings = Settings::of(Some(&Written::to_be(yaml)), &Given::default()).unwrap();
            settings.without_effect.iter().map(|note| note.key.clone()).collect()
        };
        let except = "min_age_except: [latest], retag_except: ['1']";
        assert_eq!(
            notes(&format!("policy: {{{except}}}")),
            ["policy.min_age_except", "policy.retag_except"]
        );
        assert_eq!(
            notes(&format!("policy: {{{except}, min_age: 1h, retag: freeze}}")),
            [""; 0]
        );
        let entry = format!("images:\n  - {{upstream: app, repository: a/b, policy: {{{except}}}}}\n");
        assert_eq!(notes(&entry).len(), 2);
        assert_eq!(
            notes(&format!("policy: {{min_age: 1h, retag: alarm}}\n{entry}")),
            [""; 0]
        );
    }

    #[test]
    fn what_an_entry_asks_for_comes_beside_what_is_asked_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.yaml");
        let yaml = "policy: {min_age: 1h, require: {max_size: 1GiB, labels: {vendor: x}}}\n\
             images:\n  - {upstream: app, repository: a/b, policy: {require: {labels: {tier: prod}}}}\n";
        std::fs::write(&file, yaml).unwrap();
        let settings = Settings::load(Some(&file), &Given::default()).unwrap();
        let own = settings.images[0].safety.clone().unwrap();
        assert_eq!(own.require.labels.keys().collect::<Vec<_>>(), ["tier", "vendor"]);
        assert_eq!(own.require.max_size, Some(1 << 30));
        assert_eq!(own.min_age, settings.safety.min_age);
    }
}
