//! What a test says that runs.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use jiff::Timestamp;

use super::LabFunction;
use crate::ecr::region::EcrRegion;

impl EcrRegion {
    /// Adds a function of Lambda, or a version of one.
    pub fn add_function(&self, function: LabFunction) {
        let key = format!("{}:{}", function.name, function.version);
        self.account().runs().functions.insert(key, function);
    }

    /// Makes a log group without a stream.
    pub fn create_log_group(&self, name: &str) {
        self.account().runs().groups.entry(name.to_owned()).or_default();
    }

    /// Adds a stream to a log group, which it makes, with its last event, if there is one.
    pub fn add_log_stream(&self, group: &str, stream: &str, last_event: Option<Timestamp>) {
        let mut runs = self.account().runs();
        let group = runs.groups.entry(group.to_owned()).or_default();
        group.insert(stream.to_owned(), last_event);
    }

    /// Adds a service of ECS to a cluster, which it makes: containers and their images.
    pub fn add_service(&self, cluster: &str, service: &str, containers: &[(&str, &str)]) {
        let resolved = self.resolved(containers);
        let containers = containers
            .iter()
            .map(|&(name, image)| (name.to_owned(), image.to_owned()))
            .collect();
        let mut runs = self.account().runs();
        runs.resolved
            .insert((cluster.to_owned(), service.to_owned(), 7), resolved);
        let cluster = runs.clusters.entry(cluster.to_owned()).or_default();
        cluster.insert(service.to_owned(), containers);
    }

    /// Lets a service of ECS be in the middle of a deployment: a task of the revision before still runs.
    pub fn deploying_over(&self, cluster: &str, service: &str, containers: &[(&str, &str)]) {
        let resolved = self.resolved(containers);
        let containers = containers
            .iter()
            .map(|&(name, image)| (name.to_owned(), image.to_owned()))
            .collect();
        let mut runs = self.account().runs();
        runs.resolved
            .insert((cluster.to_owned(), service.to_owned(), 6), resolved);
        runs.older.insert((cluster.to_owned(), service.to_owned()), containers);
    }

    /// The digests that these images' tags name, of those that are in this registry.
    fn resolved(&self, containers: &[(&str, &str)]) -> BTreeMap<String, String> {
        let repositories = self.account().repositories();
        let digest = |address: &str| {
            let (repository, tag) = address.strip_prefix(self.host())?.strip_prefix('/')?.split_once(':')?;
            let mut images = repositories.get(repository)?.images.iter();
            images
                .find(|(_, image)| image.tags.contains(tag))
                .map(|(digest, _)| digest.clone())
        };
        let images = containers.iter().map(|(_, image)| *image);
        images
            .filter_map(|image| Some((image.to_owned(), digest(image)?)))
            .collect()
    }

    /// Lets ECS know nothing of a service's revisions, as where it was deployed before there were any.
    pub fn without_revisions(&self, cluster: &str, service: &str) {
        let mut runs = self.account().runs();
        runs.without_revisions.insert((cluster.to_owned(), service.to_owned()));
    }

    /// Adds a running task to a cluster of ECS, which it makes: its image, and the digest that it was pulled by.
    pub fn add_task(&self, cluster: &str, image: &str, digest: &str) {
        let mut runs = self.account().runs();
        runs.clusters.entry(cluster.to_owned()).or_default();
        let tasks = runs.tasks.entry(cluster.to_owned()).or_default();
        tasks.push((image.to_owned(), digest.to_owned()));
    }

    /// Notes an image as if it had been pushed then, under a tag or none, and answers its digest: it is listed, and its content is nowhere.
    /// Without the repository nothing happens.
    pub fn note_image(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        manifest: &str,
        at: Timestamp,
    ) -> String {
        let digest = crate::images::digest(manifest.as_bytes());
        if let Some(found) = self.account().repositories().get_mut(repository) {
            let manifest = Bytes::copy_from_slice(manifest.as_bytes());
            found.record(&digest, tag, media_type, manifest);
            if let Some(image) = found.images.get_mut(&digest) {
                image.pushed_at = at;
            }
        }
        digest
    }

    /// Says when an image was pulled last; without it nothing happens.
    pub fn pulled_at(&self, repository: &str, digest: &str, at: Timestamp) {
        let mut repositories = self.account().repositories();
        let found = repositories.get_mut(repository);
        if let Some(image) = found.and_then(|found| found.images.get_mut(digest)) {
            image.pulled_at = Some(at);
        }
    }

    /// Says when an image was pushed; without it nothing happens.
    pub fn pushed_at(&self, repository: &str, tag: &str, at: Timestamp) {
        let mut repositories = self.account().repositories();
        let images = repositories.get_mut(repository).map(|found| &mut found.images);
        let mut tagged = images.into_iter().flat_map(|images| images.values_mut());
        if let Some(image) = tagged.find(|image| image.tags.contains(tag)) {
            image.pushed_at = at;
        }
    }
}
