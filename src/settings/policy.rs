//! `policy`: what must hold before an image takes another's place.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::values::{choice, duration, from_str, pattern, size};
use crate::image::Platforms;
use crate::mapping::{Backup, InvalidBackup};
use crate::plan::{Requirements, Retag, Safety, Vanished};
use crate::selection::Pattern;

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
