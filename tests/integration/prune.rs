//! `images prune` against the lab's ECR, Lambda, ECS and STS.

mod broken;
mod deployed;
mod scopes;
mod whole;

use std::collections::BTreeSet;

use ecr_lab::{EcrRegion, LabFunction, LabOptions};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::{Ran, Run, World};
use crate::usage::with_services;

pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Listings come in pages of fifty. Which regions there are is asked in us-east-1.
pub async fn world() -> World {
    let regions = ["eu-central-1", "us-east-1"].map(|region| ("123456789012".to_owned(), region.to_owned()));
    let options = LabOptions {
        page_size: 50,
        regions: regions.to_vec(),
        ..LabOptions::default()
    };
    World::without_daemon(options).await
}

pub fn days_ago(days: i64) -> Timestamp {
    Timestamp::now() - (24 * days).hours()
}

/// A repository of the lab whose images are noted one by one.
pub struct Shelf<'a> {
    pub ecr: &'a EcrRegion,
    pub name: &'static str,
}

impl<'a> Shelf<'a> {
    pub fn of(world: &'a World, name: &'static str) -> Self {
        let ecr = world.lab.ecr();
        ecr.create_repository(name);
        Self { ecr, name }
    }

    /// With tags that may not move.
    pub fn fixed(world: &'a World, name: &'static str) -> Self {
        let ecr = world.lab.ecr();
        ecr.create_immutable_repository(name);
        Self { ecr, name }
    }

    /// Of a layer of its own, 1,000 bytes, and one that all share, 500.
    pub fn image(&self, word: &str, tag: Option<&str>, days: i64) -> String {
        self.noted(&manifest(word), tag, days)
    }

    /// What refers to another image.
    pub fn signature(&self, word: &str, subject: &str, days: i64) -> String {
        let mut manifest: Value = serde_json::from_str(&manifest(word)).unwrap();
        manifest["artifactType"] = "application/vnd.example.signature".into();
        manifest["subject"] = json!({"mediaType": IMAGE, "digest": subject, "size": 1});
        self.noted(&manifest.to_string(), None, days)
    }

    pub fn index(&self, tag: &str, parts: &[&String], days: i64) -> String {
        let parts: Vec<Value> = parts
            .iter()
            .map(|digest| json!({"mediaType": IMAGE, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": "amd64"}}))
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": parts, "annotations": {"tag": tag}});
        let at = days_ago(days);
        self.ecr.note_image(self.name, Some(tag), INDEX, &index.to_string(), at)
    }

    fn noted(&self, manifest: &str, tag: Option<&str>, days: i64) -> String {
        self.ecr.note_image(self.name, tag, IMAGE, manifest, days_ago(days))
    }

    /// `HOST/NAME:TAG`
    pub fn address(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.ecr.host(), self.name)
    }

    /// A function that was deployed from a tag when that named this digest.
    pub fn function(&self, name: &str, tag: &str, digest: &str) {
        let function = LabFunction::new(name, &self.address(tag)).resolved(digest);
        self.ecr.add_function(function);
    }

    /// The digests that are there.
    pub fn there(&self) -> BTreeSet<String> {
        self.ecr
            .images(self.name)
            .into_iter()
            .map(|image| image.digest)
            .collect()
    }

    /// The ids of each call that deleted some.
    pub fn deleted(&self) -> Vec<Vec<String>> {
        let requests = self.ecr.api_requests();
        let calls = requests.iter().filter(|request| request.action == "BatchDeleteImage");
        let ids = |body: &Value| -> Vec<String> {
            let ids = body["imageIds"].as_array().unwrap().iter();
            ids.map(|id| id["imageDigest"].as_str().unwrap().to_owned()).collect()
        };
        calls.map(|call| ids(&call.body)).collect()
    }
}

fn manifest(word: &str) -> String {
    let digest = |text: &str| ecr_lab::images::digest(text.as_bytes());
    let layer = |name: &str, size: u64| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(name), "size": size});
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&format!("config {word}")), "size": 10},
        "layers": [layer("shared", 500), layer(word, 1_000)],
    })
    .to_string()
}

/// `images prune`, where AWS's services are in this world.
pub fn prune(world: &World, arguments: &[&str]) -> Run {
    let run = world.keeper(&[&["images", "prune"], arguments].concat());
    with_services(world, run).env("ECR_KEEPER_USAGE__REGIONS", "eu-central-1")
}

/// The same as JSON.
pub async fn json_of(world: &World, arguments: &[&str]) -> Ran {
    prune(world, &[arguments, &["--output", "json"]].concat()).ran().await
}

/// The digests of a part of the report's first repository: `goes` or `kept`.
pub fn digests(report: &Value, part: &str) -> BTreeSet<String> {
    let all = report["repositories"][0][part].as_array().unwrap().iter();
    all.map(|one| one["digest"].as_str().unwrap().to_owned()).collect()
}

/// Why an image stays, or goes.
pub fn reason(report: &Value, digest: &str) -> String {
    let first = &report["repositories"][0];
    let mut all = ["goes", "kept"].iter().flat_map(|part| first[part].as_array().unwrap());
    let one = all.find(|one| one["digest"] == digest);
    let one = one.unwrap_or_else(|| panic!("{digest} is not in {report:#}"));
    one["because"]["reason"].as_str().unwrap().to_owned()
}

/// The digests that ended this way.
pub fn ended(report: &Value, outcome: &str) -> BTreeSet<String> {
    let all = report["repositories"].as_array().unwrap().iter();
    let goes = all.flat_map(|one| one["goes"].as_array().unwrap());
    let ended = goes.filter(|one| one["outcome"] == outcome);
    ended.map(|one| one["digest"].as_str().unwrap().to_owned()).collect()
}
