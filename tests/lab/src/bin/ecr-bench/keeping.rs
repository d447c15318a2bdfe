//! Runs of ours over a whole registry, and who takes turns with them.

use std::fs;
use std::path::Path;

use anyhow::Result;
use ecr_lab::{Asked, Lab};

use crate::measure::Line;
use crate::tools::{Programs, Told, Tool};

/// What ecr-keeper is told besides, for one row of a table.
pub struct Way<'a> {
    pub label: &'a str,
    pub told: Told,
    pub settings: &'a str,
}

/// Who is next.
#[derive(Clone, Copy)]
pub enum Turn {
    Own(&'static Way<'static>),
    Peer(Tool, Told),
}

/// The direct engine asks four questions for each image that may be copied at once.
pub const ASKING_16: Way<'static> = Way {
    label: "ecr-keeper sync, concurrency: 4",
    told: Told::AtOnce(16),
    settings: "concurrency: 4\n",
};
pub const BY_ITSELF: Way<'static> = Way {
    label: "ecr-keeper sync",
    told: Told::Nothing,
    settings: "",
};
pub const FIXED: Way<'static> = Way {
    label: "ecr-keeper sync, immutable_tags: '.*'",
    told: Told::Other,
    settings: "immutable_tags: '.*'\n",
};
pub const COPYING_16: Way<'static> = Way {
    label: "ecr-keeper sync, concurrency: 16, direct.connections: 32",
    told: Told::AtOnce(16),
    settings: "concurrency: 16\ndirect: {connections: 32}\n",
};

/// A sync, with its results beside.
pub fn sync(
    programs: &Programs,
    lab: &Lab,
    folder: &Path,
    endpoint: &str,
    upstream: &str,
    way: &Way<'_>,
) -> Result<Line> {
    let command = ["sync", "--results-dir", "results"];
    keeper(programs, lab, folder, endpoint, upstream, way, &command)
}

/// A run of a command with Docker Hub at `upstream` and ECR's API at `endpoint`.
pub fn keeper(
    programs: &Programs,
    lab: &Lab,
    folder: &Path,
    endpoint: &str,
    upstream: &str,
    way: &Way<'_>,
    command: &[&str],
) -> Result<Line> {
    let settings = format!(
        "engine: direct\nkeyword: base/image\necr: {}\nregistries:\n  docker.io: {{mirrors: ['{upstream}']}}\n{}",
        lab.ecr().host(),
        way.settings
    );
    fs::write(folder.join("settings.yaml"), settings)?;
    let program = programs.keeper.display().to_string();
    let words = [
        &program,
        "-c",
        "settings.yaml",
        "--ledger",
        "ledger.json",
        "--progress",
        "none",
    ];
    let environment = [
        ("AWS_ACCESS_KEY_ID", "LABACCESSKEY"),
        ("AWS_SECRET_ACCESS_KEY", "lab-secret-access-key"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ENDPOINT_URL_ECR", endpoint),
    ];
    Ok(Line {
        label: way.label.to_owned(),
        words: words.iter().chain(command).map(|word| (*word).to_owned()).collect(),
        environment: environment
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    })
}

/// What the lab's ECR was asked for images: `/v2/` itself is the login.
pub fn at_ecr(lab: &Lab) -> Asked {
    let mut asked = Asked::default();
    for request in lab.ecr().front().requests() {
        if request.path != "/v2/" {
            *asked.methods.entry(request.method).or_default() += 1;
        }
        asked.received += request.bytes_in;
        asked.sent += request.bytes_out;
    }
    asked
}
