//! Tags that rules choose, beside those that are there already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::{Followed, Scope, Survey, SurveyError};
use crate::aws::ecr::{Ecr, FixedTags, ListedImage, ListedRepository};
use crate::engine::{EngineError, Session};
use crate::image::{Repository, Tag};
use crate::mapping::{Named, Only};
use crate::stop::Stop;

/// What entries of `images` bring to one repository.
#[derive(Debug)]
pub(super) struct Chosen {
    upstream: Repository,
    tags: BTreeSet<Tag>,
    /// The first of the entries.
    from: String,
    /// Of those tags that the run was narrowed down to, why not.
    passed_over: BTreeMap<Tag, String>,
}

impl Chosen {
    /// Why a tag that the run was narrowed down to is none of those.
    pub(super) fn why_not(&self, scope: &Scope, name: &str, only: &Only) -> Option<String> {
        let tag = only
            .tag
            .as_ref()
            .filter(|_| only.is_repository(&scope.registry, name))?;
        self.passed_over.get(tag).cloned()
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

impl Survey {
    /// What the entries of `images` choose, by the repository's name. An entry that comes to nothing leaves the others alone.
    pub(super) async fn choose(
        &mut self,
        scope: &Scope,
        listed: &[ListedRepository],
        ecr: &Ecr,
        session: &Session,
        stop: &Stop,
    ) -> BTreeMap<String, Chosen> {
        let mut there = Vec::new();
        for named in scope.images.iter().filter(|named| scope.is_about(&named.repository)) {
            if listed.iter().any(|one| one.name == named.repository) {
                there.push(named);
            } else if !self.cached.contains(&named.repository) {
                let why = SurveyError::NoRepository {
                    name: named.repository.clone(),
                    region: ecr.region().to_owned(),
                };
                self.close(&named.repository, Some(&named.from), why);
            }
        }
        let upstreams: BTreeSet<Repository> = there.iter().map(|named| named.upstream.clone()).collect();
        let lists: BTreeMap<Repository, Result<Vec<Tag>, Arc<EngineError>>> = stream::iter(upstreams)
            .map(|upstream| async move {
                let tags = session.tags(&upstream).await;
                (upstream, tags.map_err(Arc::new))
            })
            .buffer_unordered(scope.at_once)
            .take_until(stop.soft.cancelled())
            .collect()
            .await;
        let mut chosen = BTreeMap::new();
        for named in there {
            match lists.get(&named.upstream) {
                Some(Ok(tags)) => self.choose_of(named, tags, scope, &mut chosen),
                Some(Err(error)) => {
                    self.close(
                        &named.repository,
                        Some(&named.from),
                        SurveyError::Engine(Arc::clone(error)),
                    );
                }
                None => self.unlisted.push(named.repository.clone()),
            }
        }
        chosen
    }

    fn choose_of(&mut self, named: &Named, tags: &[Tag], scope: &Scope, chosen: &mut BTreeMap<String, Chosen>) {
        let choice = match named.tags.choose(tags) {
            Ok(choice) => choice,
            Err(error) => return self.close(&named.repository, Some(&named.from), error),
        };
        let own = chosen.entry(named.repository.clone()).or_insert_with(|| Chosen {
            upstream: named.upstream.clone(),
            tags: BTreeSet::new(),
            from: named.from.clone(),
            passed_over: BTreeMap::new(),
        });
        own.tags.extend(choice.chosen);
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
                let why = format!("{} passes it over: {}", named.from, why.join("; "));
                own.passed_over.insert(tag.clone(), why);
            }
        }
    }

    /// What the tags of a repository follow; none where that cannot be told, which is noted.
    pub(super) fn follows<'a>(&mut self, scope: &Scope, name: &str, chosen: Option<&'a Chosen>) -> Option<Follows<'a>> {
        // Without a keyword everything that the run is narrowed down to is looked after, unless it is named.
        let own = scope.has_keyword(name) && (scope.keyword.is_some() || chosen.is_none());
        let found = own.then(|| scope.naming.upstream_of(name));
        let upstream = match (found, chosen) {
            (Some(Ok(found)), Some(chosen)) if found != chosen.upstream => {
                let why = SurveyError::TwoUpstreams {
                    from: chosen.from.clone(),
                    named: chosen.upstream.clone(),
                    found,
                };
                self.close(name, None, why);
                return None;
            }
            (_, Some(chosen)) => chosen.upstream.clone(),
            (Some(Ok(found)), None) => found,
            (Some(Err(error)), None) => {
                self.close(name, None, error);
                return None;
            }
            // What was named for it came to nothing.
            (None, None) => return None,
        };
        Some(Follows {
            target: Repository {
                host: scope.registry.as_str().into(),
                path: name.into(),
            },
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
        followed: &mut Vec<Followed>,
    ) {
        let there: BTreeMap<&Tag, &ListedImage> = images
            .iter()
            .flat_map(|image| image.tags.iter().map(move |tag| (tag, image)))
            .collect();
        let own = there.keys().copied().filter(|_| follows.own);
        let tags: BTreeSet<&Tag> = own
            .chain(follows.chosen.iter().flat_map(|chosen| &chosen.tags))
            .collect();
        for tag in tags {
            let image = there.get(tag);
            let one = Followed {
                can_move: !fixed.has(tag.as_str()),
                target: follows.target.image(tag.clone()),
                digest: image.map(|image| image.digest.clone()),
                kind: image.map(|image| image.kind.clone()),
                follows: follows.upstream.image(tag.clone()),
            };
            match one.target.reference.is_of_referrers() && !scope.names(&one.target) {
                _ if !scope.means(&one.target) => {}
                true => self.signature_tags += 1,
                false => followed.push(one),
            }
        }
        if follows.own {
            self.untagged += images.iter().filter(|image| image.tags.is_empty()).count();
        }
    }
}
