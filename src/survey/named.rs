//! Tags that rules choose, beside those that are there already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::place::Upstreams;
use super::{Followed, PassedOver, Scope, Survey, SurveyError, is_below};
use crate::aws::ecr::{Ecr, FixedTags, ListedImage, ListedRepository, is_created_on_push};
use crate::aws::{AwsError, Trouble};
use crate::image::{Digest, ImageRef, Repository, Tag};
use crate::ledger::Ledger;
use crate::mapping::{Backup, Creation, Named, NewRepository, Only, named_by_tags};
use crate::selection::Selection;
use crate::stop::Stop;

/// What entries of `images` bring to one repository.
#[derive(Debug)]
pub(super) struct Chosen {
    upstream: Repository,
    tags: BTreeSet<Tag>,
    /// Tags of the repository that name these digests of the upstream.
    digests: BTreeMap<Tag, Digest>,
    /// All that the upstream has; none where nobody could list them.
    listed: Option<Arc<BTreeSet<Tag>>>,
    /// The first that names it.
    from: String,
    /// What another names: then nothing is followed.
    conflict: Option<(String, Repository)>,
    /// Of those tags that the run was narrowed down to, why not.
    passed_over: BTreeMap<Tag, Vec<String>>,
}

impl Chosen {
    /// Why a tag that the run was narrowed down to is none of those.
    pub(super) fn why_not(&self, scope: &Scope, name: &str, only: &Only) -> Option<PassedOver> {
        let tag = only
            .tag
            .as_ref()
            .filter(|_| only.is_repository(&scope.registry, name))?;
        if let Some(why) = self.passed_over.get(tag) {
            return Some(PassedOver::Rules(why.join("; ")));
        }
        let is_lacking = self.listed.as_ref().is_some_and(|listed| !listed.contains(tag));
        is_lacking.then(|| PassedOver::NotUpstream(self.upstream.clone()))
    }
}

/// A repository and whose tags follow what.
pub(super) struct Follows<'a> {
    target: Repository,
    upstream: Repository,
    /// Whether the tags that are there are looked after.
    own: bool,
    chosen: Option<&'a Chosen>,
}

impl Follows<'_> {
    /// What of the upstream a tag follows.
    fn upstream_of(&self, tag: &Tag) -> ImageRef {
        match self.chosen.and_then(|chosen| chosen.digests.get(tag)) {
            Some(digest) => self.upstream.image(digest.clone()),
            None => self.upstream.image(tag.clone()),
        }
    }

    /// Whether a tag came from the upstream, which no longer has it.
    fn has_lost(&self, tag: &Tag, ledger: &Ledger) -> bool {
        let listed = self.chosen.and_then(|chosen| chosen.listed.as_ref());
        let made = || ledger.of(&self.target.image(tag.clone()));
        let is_lost = |listed: &Arc<BTreeSet<Tag>>| !listed.contains(tag);
        listed.is_some_and(is_lost) && made().is_some_and(|made| made.upstream == self.upstream)
    }
}

impl Survey {
    /// What is named, in the settings and in the repositories' resource tags.
    pub(super) async fn named(
        &mut self,
        scope: &Scope,
        listed: &[ListedRepository],
        ecr: &Ecr,
        stop: &Stop,
    ) -> Vec<Named> {
        let mut all = scope.images.clone();
        if scope.resource_tags {
            let mut answers = stream::iter(listed.iter().filter(|one| scope.is_about(&one.name)))
                .map(|one| async move { (one, ecr.resource_tags(&one.name, &one.arn).await) })
                .buffer_unordered(scope.at_once)
                .take_until(stop.soft.cancelled())
                .boxed_local();
            while let Some((one, tags)) = answers.next().await {
                match tags.map(|tags| named_by_tags(&one.name, &tags)) {
                    Ok(Ok(named)) => all.extend(named.map(|named| named.up_to(scope.max_results))),
                    Ok(Err(mistakes)) => {
                        mistakes.into_iter().for_each(|why| self.close(&one.name, None, why));
                    }
                    Err(why) => {
                        // Who may not read one repository's may read none.
                        let is_denied = why.trouble == Trouble::Denied;
                        let from = format!("the tags ecr_sync_… of {}", one.name);
                        self.close(&one.name, Some(&from), why);
                        if is_denied {
                            break;
                        }
                    }
                }
            }
        }
        all.retain(|named| scope.is_about(&named.repository));
        // Answers come in no order.
        all.sort_by(|one, other| one.from.cmp(&other.from));
        all
    }

    /// What the entries of `images` choose, by the repository's name. An entry that comes to nothing leaves the others alone.
    pub(super) async fn choose(
        &mut self,
        scope: &Scope,
        all: &[Named],
        listed: &[ListedRepository],
        ecr: &Ecr,
        upstreams: &mut Upstreams<'_>,
        stop: &Stop,
    ) -> BTreeMap<String, Chosen> {
        let listed: BTreeSet<&str> = listed.iter().map(|one| one.name.as_str()).collect();
        let mut chosen = BTreeMap::new();
        let mut rules: BTreeMap<&Repository, Vec<(&Named, &Selection)>> = BTreeMap::new();
        let mut templates = None;
        for named in all {
            let is_there = listed.contains(named.repository.as_str());
            let comes = match is_there {
                true => Ok(None),
                false => self.comes_about(named, scope, ecr, &mut templates).await,
            };
            match comes {
                // Whose it is counts also where nothing can be chosen: discovery would have it follow another.
                Ok(new) => {
                    note_upstream(named, &mut chosen);
                    if let Some(tags) = &named.tags {
                        rules.entry(&named.upstream).or_default().push((named, tags));
                    }
                    if !is_there {
                        self.missing.insert(scope.repository(&named.repository), new);
                    }
                }
                Err(why) => self.close(&named.repository, Some(&named.from), why),
            }
        }
        upstreams.read(rules.keys().copied(), scope.at_once, stop).await;
        for (upstream, all) in rules {
            // A stop left it out.
            let Some(tags) = upstreams.known.get(upstream) else {
                continue;
            };
            let listed = tags.as_ref().ok().map(|tags| Arc::new(tags.iter().cloned().collect()));
            for (named, rules) in all {
                if let Some(own) = chosen.get_mut(&named.repository) {
                    own.listed.clone_from(&listed);
                }
                match tags {
                    Ok(tags) => self.choose_of((named, rules), tags, scope, &mut chosen),
                    Err(error) => {
                        self.close(
                            &named.repository,
                            Some(&named.from),
                            SurveyError::Engine(Arc::clone(error)),
                        );
                    }
                }
            }
        }
        chosen
    }

    /// How a repository that is not there comes about; nothing where ECR decides that.
    async fn comes_about(
        &self,
        named: &Named,
        scope: &Scope,
        ecr: &Ecr,
        templates: &mut Option<Result<Vec<(String, bool)>, AwsError>>,
    ) -> Result<Option<NewRepository>, SurveyError> {
        let name = &named.repository;
        if self.cache_prefixes.iter().any(|prefix| is_below(prefix, name)) {
            return Err(SurveyError::Cached);
        }
        let (name, region) = (name.clone(), ecr.region().to_owned());
        match &scope.creation {
            Creation::Never => Err(SurveyError::NoRepository { name, region }),
            Creation::With(new) => Ok(Some(new.clone())),
            Creation::ByTemplate => {
                // Who may not read them is not asked again for each.
                let templates = match templates {
                    Some(known) => known,
                    None => templates.insert(ecr.creation_templates().await),
                };
                match templates {
                    Ok(all) if is_created_on_push(all, &name) => Ok(None),
                    Ok(_) => Err(SurveyError::NoTemplate { name, region }),
                    Err(error) => Err(error.clone().into()),
                }
            }
        }
    }

    fn choose_of(
        &mut self,
        (named, rules): (&Named, &Selection),
        tags: &[Tag],
        scope: &Scope,
        chosen: &mut BTreeMap<String, Chosen>,
    ) {
        let choice = match rules.choose(tags) {
            Ok(choice) => choice,
            Err(error) => return self.close(&named.repository, Some(&named.from), error),
        };
        if choice.chosen.is_empty() && rules.named_tags().next().is_none() && !scope.allow_no_match {
            let why = SurveyError::NothingChosen {
                upstream: named.upstream.clone(),
                tags: tags.len(),
            };
            return self.close(&named.repository, Some(&named.from), why);
        }
        let Some(own) = chosen.get_mut(&named.repository) else {
            return;
        };
        own.tags.extend(choice.chosen);
        // What is named and not there is missed, and not passed over in silence. What is there the rules have judged.
        let is_there = |tag: &Tag| own.listed.as_ref().is_some_and(|listed| listed.contains(tag));
        let missing: Vec<Tag> = rules.named_tags().filter(|tag| !is_there(tag)).collect();
        own.tags.extend(missing);
        for only in scope
            .only
            .iter()
            .filter(|only| only.is_repository(&scope.registry, &named.repository))
        {
            let passed_over = choice
                .passed_over
                .iter()
                .find(|(tag, _)| only.tag.as_ref() == Some(tag));
            if let Some((tag, why)) = passed_over {
                let why: Vec<String> = why.iter().map(ToString::to_string).collect();
                let why = format!("passed over by {}: {}", named.from, why.join("; "));
                own.passed_over.entry(tag.clone()).or_default().push(why);
            }
        }
    }

    /// What the tags of a repository follow; none where that cannot be told, which is noted.
    pub(super) fn follows<'a>(&mut self, scope: &Scope, name: &str, chosen: Option<&'a Chosen>) -> Option<Follows<'a>> {
        // Without a keyword everything that the run is narrowed down to is looked after, unless it is named.
        let own = scope.has_keyword(name) && (scope.keyword.is_some() || chosen.is_none());
        let found = own.then(|| scope.naming.upstream_of(name));
        let of_name = found.as_ref().and_then(|found| found.as_ref().ok()).cloned();
        let of_name = of_name.map(|found| ("its name (discovery)".to_owned(), found));
        if let Some(chosen) = chosen {
            let other = chosen.conflict.clone().or(of_name);
            if let Some(other) = other.filter(|(_, upstream)| *upstream != chosen.upstream) {
                let both = [(chosen.from.clone(), chosen.upstream.clone()), other];
                self.close(name, None, SurveyError::TwoUpstreams(both));
                return None;
            }
        }
        let upstream = match (found, chosen) {
            (_, Some(chosen)) => chosen.upstream.clone(),
            (Some(Ok(found)), None) => found,
            (Some(Err(error)), None) => {
                // Who says what it follows, and badly, is told so already.
                if !self.closed.iter().any(|closed| closed.repository == name) {
                    self.close(name, None, error);
                }
                return None;
            }
            // It is listed for no reason that is left.
            (None, None) => return None,
        };
        Some(Follows {
            target: scope.repository(name),
            upstream,
            own,
            chosen,
        })
    }

    /// Adds the tags of a repository that are looked after, and those that are to come.
    pub(super) fn follow(
        &mut self,
        scope: &Scope,
        follows: &Follows<'_>,
        images: &[ListedImage],
        fixed: &FixedTags,
        ledger: &Ledger,
    ) -> Vec<Followed> {
        let mut followed = Vec::new();
        let there: BTreeMap<&Tag, &ListedImage> = images
            .iter()
            .flat_map(|image| image.tags.iter().map(move |tag| (tag, image)))
            .collect();
        let own = there.keys().copied();
        let own = own.filter(|tag| follows.own || follows.has_lost(tag, ledger));
        let come = follows.chosen.iter();
        let come = come.flat_map(|chosen| chosen.tags.iter().chain(chosen.digests.keys()));
        let tags: BTreeSet<&Tag> = own.chain(come).collect();
        for tag in tags {
            let image = there.get(tag);
            let one = Followed {
                // What is not there can come.
                can_move: image.is_none() || !fixed.has(tag.as_str()),
                target: follows.target.image(tag.clone()),
                digest: image.map(|image| image.digest.clone()),
                kind: image.map(|image| image.kind.clone()),
                follows: follows.upstream_of(tag),
            };
            if !scope.means(&one.target) {
                continue;
            }
            let is_backup = |backup: &Backup| backup.is_one(tag.as_str());
            match one.target.reference.is_of_referrers() && !scope.names(&one.target) {
                true => self.signature_tags += 1,
                false if scope.backups.iter().any(is_backup) => self.backups += 1,
                false => followed.push(one),
            }
        }
        if follows.own {
            self.untagged += images.iter().filter(|image| image.tags.is_empty()).count();
        }
        followed
    }
}

/// Two that name one repository may not bring it two upstreams' images.
fn note_upstream(named: &Named, chosen: &mut BTreeMap<String, Chosen>) {
    let own = chosen.entry(named.repository.clone()).or_insert_with(|| Chosen {
        upstream: named.upstream.clone(),
        tags: BTreeSet::new(),
        digests: BTreeMap::new(),
        listed: None,
        from: named.from.clone(),
        conflict: None,
        passed_over: BTreeMap::new(),
    });
    own.digests.extend(named.digests.clone());
    if own.upstream != named.upstream {
        own.conflict = Some((named.from.clone(), named.upstream.clone()));
    }
}
