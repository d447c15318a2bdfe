//! What registries do wrong, and what becomes of it: nothing wrong is ever tagged, and the message says which side broke what.

mod content;
mod transfer;

use ecr_lab::images::{Built, Image, Layer, Place, Platform, Pushed, tiny};
use ecr_lab::{Act, Fault, Front, LabOptions, Logged};
use serde_json::Value;

use crate::support::{Ran, Run, World};

const REPOSITORY: &str = "base/image/app";
const UPSTREAM: &str = "library/app";

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// One tag that moved upstream.
struct Case {
    world: World,
    /// What ECR has.
    old: String,
    /// What the upstream has.
    new: Pushed,
    built: Built,
}

/// With a layer that takes some reads.
fn image(seed: u64) -> Image {
    Image::new(Platform::amd64()).layer(Layer::random(seed, 300_000))
}

impl Case {
    async fn new() -> Self {
        let world = World::without_daemon(LabOptions::default()).await;
        let old = world.ecr(REPOSITORY, "1", tiny("old")).await.top;
        let new = world.upstream(UPSTREAM, "1", image(1)).await;
        world.forget_requests();
        let built = image(1).build().unwrap();
        Self { world, old, new, built }
    }

    /// After what worked: the tag moves once more.
    async fn moved(mut self, seed: u64) -> Self {
        self.old = self.world.digest_in_ecr(REPOSITORY, "1");
        self.new = self.world.upstream(UPSTREAM, "1", image(seed)).await;
        self.built = image(seed).build().unwrap();
        self.world.forget_requests();
        self
    }

    fn upstream(&self) -> &Front {
        self.world.lab.upstream()
    }

    fn target(&self) -> &Front {
        self.world.lab.ecr().front()
    }

    /// Something that reads and writes of the layer's blob go by.
    fn layer(&self) -> &str {
        &self.built.blobs[0].0
    }

    /// Reads of the layer go wrong.
    fn layer_is(&self, act: Act) -> &Self {
        self.upstream().fault(Fault::new(self.layer(), act).method("GET"));
        self
    }

    fn layer_of(&self, digest: &str, act: Act) {
        self.upstream().fault(Fault::new(digest, act).method("GET"));
    }

    fn run(&self) -> Run {
        self.world.keeper(&["sync", "--output", "json"])
    }

    /// The tag stays as it is, and the message has all these words. The faults are over then.
    async fn fails(&self, words: &[&str]) -> Ran {
        self.ends_badly(self.run().ran().await, words)
    }

    fn ends_badly(&self, ran: Ran, words: &[&str]) -> Ran {
        let ran = ran.code_is(1);
        let failure = ran.image("app:1")["failure"].clone();
        let message = failure["message"].as_str().unwrap_or_default();
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
        assert_eq!(self.world.digest_in_ecr(REPOSITORY, "1"), self.old, "{message}");
        self.upstream().clear_faults();
        self.target().clear_faults();
        ran
    }

    /// The tag names the upstream's digest in the end. The faults are over then.
    async fn works(&self) -> Ran {
        self.ends_well(self.run().ran().await)
    }

    fn ends_well(&self, ran: Ran) -> Ran {
        let ran = ran.well();
        assert_eq!(ran.outcome("app:1"), "updated");
        assert_eq!(self.world.digest_in_ecr(REPOSITORY, "1"), self.new.top);
        self.upstream().clear_faults();
        self.target().clear_faults();
        ran
    }

    /// Puts a manifest of these bytes upstream, which the registry takes without looking closely.
    async fn has(&mut self, media_type: &str, manifest: &Value) {
        let place = Place::of(self.upstream());
        let put = place.put_manifest(UPSTREAM, "1", media_type, manifest.to_string());
        self.new.top = put.await.unwrap();
    }

    /// The upstream answers these bytes for the tag and their digest, whatever a registry would say to them.
    async fn answers(&mut self, media_type: &str, bytes: &[u8]) {
        self.new.top = Place::of(self.upstream()).put_blob(UPSTREAM, bytes).await.unwrap();
        let path = format!("/manifests/(1|{})$", self.new.top);
        self.upstream()
            .fault(Fault::new(&path, answer(media_type, &self.new.top, bytes)));
    }

    /// The upstream's manifest as JSON, to be changed.
    fn manifest(&self) -> Value {
        serde_json::from_slice(&self.built.manifest).unwrap()
    }
}

fn answer(media_type: &str, digest: &str, bytes: &[u8]) -> Act {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Act::Answer {
        status: 200,
        headers: vec![
            header("Content-Type", media_type),
            header("Docker-Content-Digest", digest),
        ],
        body: bytes.to_owned(),
    }
}

/// What a hotel answers to everything.
fn web_page() -> Act {
    Act::Answer {
        status: 200,
        headers: vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())],
        body: b"<!DOCTYPE html><html><body>Welcome! Please accept our terms.</body></html>".to_vec(),
    }
}

fn requests(front: &Front, which: impl Fn(&Logged) -> bool) -> Vec<Logged> {
    front.requests().into_iter().filter(which).collect()
}

fn reads(front: &Front, what: &str) -> Vec<Logged> {
    requests(front, |request| request.method == "GET" && request.path.contains(what))
}

const DIGEST: &str = "Docker-Content-Digest";

fn without(header: &str) -> Act {
    Act::RemoveHeader(header.to_owned())
}
