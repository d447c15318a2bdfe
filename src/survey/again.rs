//! A look at what was planned: whether its sides still hold what they did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, join, stream};

use super::{SurveyError, ask_upstreams};
use crate::aws::Trouble;
use crate::aws::ecr::{Ecr, ListedImage};
use crate::engine::Session;
use crate::image::{ImageRef, Repository};
use crate::ledger::Ledger;
use crate::plan::{Copy, Now, Plan};
use crate::stop::Stop;

/// A planned copy and what its sides hold now; nothing where a stop left it out.
pub type Seen = (Copy, Option<Result<Now, Arc<SurveyError>>>);

/// What both sides of planned copies hold now.
///
/// # Errors
/// Where a registry is not among `ecrs`, ECR lists the images of a repository to nobody, or an upstream cannot be asked: for each copy by itself. Nothing is
/// known of those that a stop left out.
pub async fn look_again(
    plan: &Plan,
    at_once: usize,
    ecrs: &BTreeMap<Arc<str>, Ecr>,
    session: &Session,
    ledger: &Ledger,
    stop: &Stop,
) -> Vec<Seen> {
    let copies: Vec<Copy> = plan.copies().cloned().collect();
    let had: BTreeSet<&Repository> = plan
        .copies()
        .filter(|copy| copy.target_digest.is_some())
        .map(|copy| &copy.target.repository)
        .collect();
    let list = async |repository: &Repository| {
        let Some(ecr) = ecrs.get(&repository.host) else {
            return Err(Arc::new(SurveyError::NoRegistry(repository.host.clone())));
        };
        // All that it has is asked for once, unless it is about a single tag.
        let mut tags = copies.iter().filter(|copy| copy.target.repository == *repository);
        let listed = match (tags.next(), tags.next()) {
            (Some(only), None) => {
                let image = ecr.image(&repository.path, only.target.reference.as_str()).await;
                image.map(|image| image.into_iter().collect())
            }
            _ => ecr.images(&repository.path).await,
        };
        match listed {
            // It is created before anything is copied there, or ECR does that itself.
            Err(error) if error.trouble == Trouble::NotFound && !had.contains(repository) => Ok(Vec::new()),
            images => images.map_err(|error| Arc::new(error.into())),
        }
    };
    let repositories: BTreeSet<Repository> = copies.iter().map(|copy| copy.target.repository.clone()).collect();
    let listing = stream::iter(repositories)
        .map(async |repository| (list(&repository).await, repository))
        .buffer_unordered(at_once)
        .take_until(stop.soft.cancelled())
        .map(|(images, repository)| (repository, images))
        .collect::<BTreeMap<Repository, _>>();
    let tags: BTreeSet<ImageRef> = copies.iter().map(|copy| copy.upstream.clone()).collect();
    let asking = ask_upstreams(stream::iter(tags), at_once, session, stop);
    let (listed, upstreams) = join!(listing, asking);
    let now = |copy: &Copy| {
        let images = listed.get(&copy.target.repository)?;
        let upstream = upstreams.get(&copy.upstream)?;
        let has_tag = |image: &&ListedImage| {
            image
                .tags
                .iter()
                .any(|tag| tag.as_str() == copy.target.reference.as_str())
        };
        Some(match (images, upstream) {
            (Err(error), _) => Err(Arc::clone(error)),
            (_, Err(error)) => Err(Arc::new(SurveyError::Engine(Arc::clone(error)))),
            (Ok(images), Ok(upstream)) => Ok(Now {
                target: images.iter().find(has_tag).map(|image| image.digest.clone()),
                upstream: upstream.clone(),
                made: ledger.of(&copy.target),
            }),
        })
    };
    let seen = |copy: Copy| {
        let now = now(&copy);
        (copy, now)
    };
    copies.into_iter().map(seen).collect()
}
