//! What becomes of each image.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::kin::Kin;
use super::{Freed, GoesBecause, Going, Kept, KeptBecause, Plan, Protection, Repository, Rule, Rules};
use crate::aws::ecr::{ImageDetails, Status};
use crate::image::{Digest, Tag};
use crate::selection::{Version, family_of};

/// How long the parts of an index, which come before it, are left alone.
const PUSH: Duration = Duration::from_hours(1);

/// What becomes of an image.
type Verdict = Result<GoesBecause, KeptBecause>;

/// Decides of every image of a repository.
pub fn plan(repository: &Repository, rules: &Rules, protection: &Protection<'_>, now: Timestamp) -> Plan {
    let judge = Judge::new(repository, rules, protection, now);
    let images = repository.images.iter();
    let mut verdicts: BTreeMap<&Digest, Verdict> = images
        .clone()
        .map(|image| (&image.digest, judge.judge(image)))
        .collect();
    while judge.keep_together(&mut verdicts) {}
    for image in images.clone().filter(|image| !protection.is_as_shown(image)) {
        if let Some(verdict) = verdicts.get_mut(&image.digest).filter(|verdict| verdict.is_ok()) {
            *verdict = Err(KeptBecause::Changed);
        }
    }
    while judge.keep_together(&mut verdicts) {}
    let none_goes = none_goes(repository, protection);
    let (mut goes, mut kept) = (Vec::new(), Vec::new());
    for image in images {
        match verdicts.get(&image.digest) {
            Some(Err(because)) => kept.push((image, because.clone())),
            Some(Ok(because)) if none_goes.is_none() => goes.push((image, because.clone())),
            _ => kept.push((image, none_goes.clone().unwrap_or(KeptBecause::UseUnknown))),
        }
    }
    kept.sort_by_key(|(image, _)| (Reverse(image.pushed), &image.digest));
    let (going, staying): (Vec<&ImageDetails>, Vec<&ImageDetails>) = (images_of(&goes), images_of(&kept));
    let kept = kept.into_iter().map(|(image, because)| Kept {
        image: image.clone(),
        because,
    });
    Plan {
        freed: Freed::of(repository, &going, &staying),
        goes: judge.in_order(goes),
        kept: kept.collect(),
    }
}

/// Why none goes, whatever the rules say.
fn none_goes(repository: &Repository, protection: &Protection<'_>) -> Option<KeptBecause> {
    let unknown = (!protection.knows_users).then_some(KeptBecause::UseUnknown);
    let may_run = || {
        let by = protection.may_run.clone();
        (!by.is_empty()).then_some(KeptBecause::MayBeInUse { by })
    };
    // Indexes are read by each plan, which ECR takes for a pull; who pulls one pulls a part of it.
    let pulled = |image: &ImageDetails| image.pulled.filter(|_| !image.kind.may_be_index());
    let used_since = || {
        let times = repository.images.iter().flat_map(|image| [pulled(image), image.pushed]);
        let at = times.max().flatten()?;
        let unused_at = protection.unused_at?;
        (at > unused_at).then_some(KeptBecause::UsedSince { at })
    };
    unknown.or_else(may_run).or_else(used_since)
}

fn images_of<'a, Because>(decided: &[(&'a ImageDetails, Because)]) -> Vec<&'a ImageDetails> {
    decided.iter().map(|(image, _)| *image).collect()
}

struct Judge<'a> {
    repository: &'a Repository,
    rules: &'a Rules,
    protection: &'a Protection<'a>,
    now: Timestamp,
    kin: Kin<'a>,
    images: BTreeMap<&'a Digest, &'a ImageDetails>,
    users: BTreeMap<&'a Digest, Vec<String>>,
    newest: BTreeMap<&'a Digest, KeptBecause>,
}

impl<'a> Judge<'a> {
    fn new(repository: &'a Repository, rules: &'a Rules, protection: &'a Protection<'a>, now: Timestamp) -> Self {
        let images = repository.images.iter();
        let users = protection
            .users
            .clone()
            .among(images.clone().map(|image| image.digest.as_str()));
        let users_of = |image: &ImageDetails| {
            let by = users.of_image(image.digest.as_str(), image.tags.iter().map(Tag::as_str));
            by.into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let users = images.map(|image| (&image.digest, users_of(image)));
        let mut judge = Self {
            repository,
            rules,
            protection,
            now,
            kin: Kin::of(repository),
            images: repository.images.iter().map(|image| (&image.digest, image)).collect(),
            users: users.filter(|(_, users)| !users.is_empty()).collect(),
            newest: BTreeMap::new(),
        };
        judge.newest = judge.newest();
        judge
    }

    /// By itself, before it is looked at what it belongs to.
    fn judge(&self, image: &ImageDetails) -> Verdict {
        if let Some(kept) = self.protected(image) {
            return Err(kept);
        }
        let belongs = !self.kin.is_top(image) && own_tags(image).next().is_none();
        let index = self.kin.indexes_of(&image.digest).first();
        let subject = self.kin.subjects_of(&image.digest).first();
        match (belongs, index, subject) {
            (true, Some(&index), _) => Ok(GoesBecause::PartOf { index: index.clone() }),
            (true, None, Some(&subject)) if !self.kin.is_of_another(image) => Ok(GoesBecause::RefersTo {
                subject: subject.clone(),
            }),
            _ => self.by_rules(image).map(|rules| GoesBecause::Rules { rules }),
        }
    }

    fn protected(&self, image: &ImageDetails) -> Option<KeptBecause> {
        if let Some(by) = self.users.get(&image.digest) {
            return Some(KeptBecause::InUse { by: by.clone() });
        }
        let parts = self.kin.all_parts_of(&image.digest);
        let in_use = parts.into_iter().find_map(|part| Some((part, self.users.get(part)?)));
        if let Some((part, by)) = in_use {
            return Some(KeptBecause::PartInUse {
                part: part.clone(),
                by: by.clone(),
            });
        }
        let name = &self.repository.name;
        let kept = self.protection.keeps(name, image, self.rules.archived, self.now);
        let is_unreadable = self.kin.unreadable.contains(&&image.digest);
        kept.or(is_unreadable.then_some(KeptBecause::Unreadable))
    }

    fn by_rules(&self, image: &ImageDetails) -> Result<Vec<Rule>, KeptBecause> {
        if self.rules.all_images {
            return Ok(vec![Rule::AllImages]);
        }
        if let Some(newest) = self.newest.get(&image.digest) {
            return Err(newest.clone());
        }
        let has_tags = own_tags(image).next().is_some();
        if !has_tags && image.pushed.is_none_or(|pushed| self.is_within(PUSH, pushed)) {
            return Err(KeptBecause::JustPushed);
        }
        let is_of_another = self.kin.is_of_another(image);
        if is_of_another && !has_tags && self.rules.tags.is_none() && !self.rules.orphans {
            return Err(KeptBecause::SubjectElsewhere);
        }
        let mut held = vec![Rule::Keep];
        if self.rules.orphans {
            if !self.is_orphan(image) {
                return Err(KeptBecause::NoOrphan);
            }
            held.push(Rule::Orphans);
        }
        if self.rules.untagged {
            if has_tags {
                return Err(KeptBecause::Tagged);
            }
            held.push(Rule::Untagged);
        }
        if let Some(pattern) = &self.rules.tags {
            let mut tags = image.tags.iter().filter(|tag| is_of_another || !tag.is_of_referrers());
            match tags.find(|tag| !pattern.is_match(tag.as_str())) {
                Some(tag) => return Err(KeptBecause::OtherTag { tag: tag.clone() }),
                None if !has_tags && !is_of_another => return Err(KeptBecause::HasNoTag),
                None => held.push(Rule::Tags),
            }
        }
        if let Some(age) = self.rules.older_than {
            match image.pushed {
                Some(pushed) if !self.is_within(age, pushed) => held.push(Rule::OlderThan),
                pushed => return Err(KeptBecause::TooYoung { pushed }),
            }
        }
        if let Some(time) = self.rules.not_pulled_for {
            match self.last_used(image) {
                Some(at) if !self.is_within(time, at) => held.push(Rule::NotPulledFor),
                at => return Err(KeptBecause::Pulled { at }),
            }
        }
        Ok(held)
    }

    /// Whether all that it refers to is missing, but for orphans in turn.
    fn is_orphan(&self, image: &ImageDetails) -> bool {
        let mut seen = BTreeSet::from([&image.digest]);
        let mut next = vec![image];
        while let Some(one) = next.pop() {
            if !Kin::is_referrer(one) {
                return false;
            }
            let subjects = self.kin.subjects_of(&one.digest).iter();
            let new = subjects.filter(|subject| seen.insert(subject));
            next.extend(new.filter_map(|subject| self.images.get(subject).copied()));
        }
        true
    }

    /// Whether that was less than this time ago.
    fn is_within(&self, time: Duration, at: Timestamp) -> bool {
        self.now.checked_sub(time).is_ok_and(|begin| at > begin)
    }

    /// When it was pulled or pushed, it or what it consists of: whoever has a part already may ask for the index alone.
    fn last_used(&self, image: &ImageDetails) -> Option<Timestamp> {
        let parts = self.kin.all_parts_of(&image.digest).into_iter();
        let parts = parts.filter_map(|part| self.images.get(part).copied());
        let times = parts.chain([image]).flat_map(|one| [one.pulled, one.pushed]);
        times.max().flatten()
    }

    /// Images than which fewer that count are newer.
    fn newest(&self) -> BTreeMap<&'a Digest, KeptBecause> {
        let mut all: Vec<&ImageDetails> = self.repository.images.iter().collect();
        all.sort_by_cached_key(|image| Reverse(age_of(image)));
        let mut seen: BTreeMap<Option<String>, usize> = BTreeMap::new();
        let mut newest = BTreeMap::new();
        for image in all {
            let groups: BTreeSet<Option<String>> = own_tags(image).map(|tag| self.group(tag)).collect();
            let is_newest = |group: &&Option<String>| seen.get(*group).is_none_or(|newer| *newer < self.rules.keep);
            if let Some(group) = groups.iter().find(is_newest).filter(|_| self.rules.keep > 0) {
                let because = KeptBecause::Newest {
                    keep: self.rules.keep,
                    suffix: group.clone(),
                };
                newest.insert(&image.digest, because);
            }
            if self.counts(image) {
                let counted: BTreeSet<Option<String>> = self.lasting_tags(image).map(|tag| self.group(tag)).collect();
                counted
                    .into_iter()
                    .for_each(|group| *seen.entry(group).or_default() += 1);
            }
        }
        newest
    }

    /// The words of a version's suffix, where each such group has its own newest. A backup is of its tag's.
    fn group(&self, tag: &Tag) -> Option<String> {
        let text = self.protection.backup(tag).map_or(tag.as_str(), |(of, _)| of);
        self.rules
            .per_suffix
            .then(|| family_of(text).unwrap_or_else(|| "no version".to_owned()))
    }

    /// Its own tags that are no backup's.
    fn lasting_tags<'t>(&self, image: &'t ImageDetails) -> impl Iterator<Item = &'t Tag> {
        own_tags(image).filter(move |tag| self.protection.backup(tag).is_none())
    }

    /// Whether it is one of those that are to stay: it can be pulled, by a tag that is no backup's, and stands for itself. One whose push is
    /// not known may be older than all, and takes nobody's place.
    fn counts(&self, image: &ImageDetails) -> bool {
        let has_tag = image.pushed.is_some() && self.lasting_tags(image).next().is_some();
        // What refers to something does so still when that is gone.
        let refers = image.subject.is_some() || self.kin.is_of_another(image);
        image.status != Status::Archived && self.kin.is_top(image) && !refers && has_tag
    }

    /// Keeps what belongs to something that stays; whether that changed anything.
    fn keep_together(&self, verdicts: &mut BTreeMap<&Digest, Verdict>) -> bool {
        let stays = |digest: &Digest| verdicts.get(digest).is_some_and(Result::is_err);
        let going = self.repository.images.iter().filter(|image| !stays(&image.digest));
        let kept = going.filter_map(|image| {
            let index = self.kin.indexes_of(&image.digest).iter().find(|index| stays(index));
            let part = index.map(|&index| KeptBecause::PartOf { index: index.clone() });
            let subject = self
                .kin
                .subjects_of(&image.digest)
                .iter()
                .find(|subject| stays(subject));
            let referrer = subject.map(|&subject| KeptBecause::RefersTo {
                subject: subject.clone(),
            });
            let unread = self.may_be_part_of(image).find(|index| stays(index));
            let maybe = unread.map(|index| KeptBecause::MayBePartOf { index: index.clone() });
            let mut parts = self.kin.parts_of(&image.digest).iter();
            let whole = parts
                .find(|part| self.stays_by_itself(part, verdicts))
                .map(|&part| KeptBecause::PartStays { part: part.clone() });
            Some((&image.digest, part.or(referrer).or(maybe).or(whole)?))
        });
        let kept: Vec<(&Digest, KeptBecause)> = kept.collect();
        let changed = !kept.is_empty();
        for (digest, because) in kept {
            if let Some(verdict) = verdicts.get_mut(digest) {
                *verdict = Err(because);
            }
        }
        changed
    }

    /// Whether it stays whatever becomes of an index that it is a part of. One with a tag would be among the newest without that index, and another one
    /// would not; one that is protected and has none can be pulled by the index alone.
    fn stays_by_itself(&self, part: &Digest, verdicts: &BTreeMap<&Digest, Verdict>) -> bool {
        match verdicts.get(part) {
            Some(Err(
                KeptBecause::Protected { .. } | KeptBecause::PushedLast { .. } | KeptBecause::PartStays { .. },
            )) => true,
            Some(Err(_)) => {
                let image = self.images.get(part);
                image.is_some_and(|image| own_tags(image).next().is_some())
            }
            _ => false,
        }
    }

    /// Anything may be a part of an index that ought to be read and cannot; of an archived one, of which that is known beforehand, what has no tag.
    /// ECR refuses the others.
    fn may_be_part_of(&self, image: &ImageDetails) -> impl Iterator<Item = &'a Digest> {
        let may_be = image.tags.is_empty() && !image.kind.is_index();
        let archived = self.kin.archived.iter().filter(move |_| may_be);
        self.kin.unreadable.iter().chain(archived).copied()
    }

    /// An index may refer to a part of its own. What ECR insists on is that an index goes before its parts, which is always to be had.
    fn loosen(&self, left: &mut [Going]) {
        let is_index = |going: &Going, before: &Digest| self.kin.indexes_of(&going.image.digest).contains(&before);
        let refers = |going: &Going| going.after.iter().any(|before| !is_index(going, before));
        let any_refers = left.iter().any(refers);
        for going in left {
            let kept = going
                .after
                .iter()
                .filter(|before| any_refers && is_index(going, before));
            going.after = kept.cloned().collect();
        }
    }

    /// What has to be gone first comes first; of the rest the oldest.
    fn in_order(&self, goes: Vec<(&ImageDetails, GoesBecause)>) -> Vec<Going> {
        let digests: BTreeSet<&Digest> = goes.iter().map(|(image, _)| &image.digest).collect();
        let mut left: Vec<Going> = goes
            .iter()
            .map(|(image, because)| {
                let indexes = self.kin.indexes_of(&image.digest).iter().copied();
                let before = indexes.chain(self.kin.subjects_of(&image.digest).iter().copied());
                let before = before.chain(self.may_be_part_of(image));
                Going {
                    image: (*image).clone(),
                    because: because.clone(),
                    after: before.filter(|digest| digests.contains(digest)).cloned().collect(),
                }
            })
            .collect();
        left.sort_by(|one, other| {
            let key = |going: &Going| (going.image.pushed, going.image.digest.clone());
            key(one).cmp(&key(other))
        });
        let mut ordered: Vec<Going> = Vec::new();
        let mut placed: BTreeSet<Digest> = BTreeSet::new();
        while !left.is_empty() {
            let (free, mut rest): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|going| going.after.iter().all(|before| placed.contains(before)));
            if free.is_empty() {
                self.loosen(&mut rest);
            }
            left = rest;
            placed.extend(free.iter().map(|going| going.image.digest.clone()));
            ordered.extend(free);
        }
        ordered
    }
}

/// The tags that are an image's own: those of signatures are the places of what belongs to others.
fn own_tags(image: &ImageDetails) -> impl Iterator<Item = &Tag> {
    image.tags.iter().filter(|tag| !tag.is_of_referrers())
}

/// What makes one image newer than another: its push, of one moment the newest version among its tags. One whose push is not known may be
/// the newest of all.
fn age_of(image: &ImageDetails) -> (Timestamp, Option<Version>, Digest) {
    let version = own_tags(image).filter_map(|tag| tag.as_str().parse().ok()).max();
    let pushed = image.pushed.unwrap_or(Timestamp::MAX);
    (pushed, version, image.digest.clone())
}
