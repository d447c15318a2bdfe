//! The program as a function of AWS Lambda, started by the runtime API: events, their answers, and the time that there is.

mod cargo_lambda;
mod chat;
mod deadline;
mod events;
mod own;
mod queue;
mod usage;

use std::time::Duration;

use ecr_lab::images::tiny;
use ecr_lab::{Invoked, LabOptions, LambdaApi};
use serde_json::{Value, json};

use crate::support::{Run, Running, World};

const MINUTE: Duration = Duration::from_secs(60);
const REPOSITORY: &str = "base/image/app";

/// `library/app` has two versions and `latest`; the repository has the first of them, as it was once.
async fn world() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    for tag in ["1.0", "1.1", "latest"] {
        world.upstream("library/app", tag, tiny(tag)).await;
    }
    world.ecr(REPOSITORY, "1.0", tiny("old")).await;
    world.forget_requests();
    world
}

/// One warm process and its runtime API.
struct Function {
    api: LambdaApi,
    running: Running,
}

impl Function {
    async fn start(world: &World) -> Self {
        Self::with(world, |run| run).await
    }

    async fn with(world: &World, how: impl FnOnce(Run) -> Run) -> Self {
        let api = world.lab.lambda().await.expect("the runtime API starts");
        let running = how(world.function(api.address())).started();
        Self { api, running }
    }

    async fn invoke(&self, event: Value) -> Invoked {
        self.api.invoke(&event, MINUTE).await.expect("an answer")
    }

    /// The answer to an event that can be used.
    async fn answered(&self, event: Value) -> Value {
        self.invoke(event).await.answer.expect("no error")
    }

    /// The error that a bad event is answered with: its type and message.
    async fn refused(&self, event: Value) -> (String, String) {
        let error = self.invoke(event).await.answer.expect_err("an error");
        let text = |name: &str| error[name].as_str().expect("text").to_owned();
        (text("errorType"), text("errorMessage"))
    }

    /// Ends it; answers all that it has logged.
    async fn log(self) -> String {
        self.running.signal("TERM");
        self.running.end().await.stderr
    }
}

/// What an image of an answer became.
fn outcome(answer: &Value, image: &str) -> String {
    let images = answer["images"].as_array().cloned().unwrap_or_default();
    let found = images.iter().find(|one| one["image"] == image);
    let found = found.unwrap_or_else(|| panic!("{image} is not in {answer:#}"));
    found["outcome"].as_str().expect("an outcome").to_owned()
}

fn arn(name: &str) -> String {
    format!("arn:aws:ecr:eu-central-1:123456789012:repository/{name}")
}

/// lambda-ecr-image-sync's, of one image.
fn old_event() -> Value {
    json!({
        "ecr_repo_prefix": "base/image",
        "images": [{"image_name": "docker.io/app", "constraint": "~> 1.0", "include_tags": ["latest"]}],
        "check_digest": true
    })
}
