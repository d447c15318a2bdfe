//! What a test says that runs.

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
        let containers = containers
            .iter()
            .map(|&(name, image)| (name.to_owned(), image.to_owned()))
            .collect();
        let mut runs = self.account().runs();
        let cluster = runs.clusters.entry(cluster.to_owned()).or_default();
        cluster.insert(service.to_owned(), containers);
    }

    /// Lets a service of ECS be in the middle of a deployment: a task of the revision before still runs.
    pub fn deploying_over(&self, cluster: &str, service: &str, containers: &[(&str, &str)]) {
        let containers = containers
            .iter()
            .map(|&(name, image)| (name.to_owned(), image.to_owned()))
            .collect();
        let mut runs = self.account().runs();
        runs.older.insert((cluster.to_owned(), service.to_owned()), containers);
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
