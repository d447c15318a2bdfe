//! The direct engine: from registry to registry, nothing lost. What other programs say of the result is what counts.

mod content;
mod economy;
mod referrers;
mod registries;
mod targets;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ecr_lab::images::{
    Artifact, Compression, Format, Image, Index, IndexKind, Layer, Place, Platform, Pushed, multi, tiny,
};
use ecr_lab::{
    Act, EcrReferrers, Fault, Front, LabOptions, Logged, Referrers, RegistryLogin, RegistryOptions, RegistryTls,
    Software, Store,
};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{KEYWORD, Ran, World};

const REPOSITORY: &str = "base/image/app";
const UPSTREAM: &str = "library/app";

async fn world() -> World {
    World::without_daemon(LabOptions::default()).await
}

/// Requests for content or for names, as `METHOD PATH`.
fn asked(front: &Front, which: impl Fn(&Logged) -> bool) -> Vec<String> {
    let requests = front.requests();
    let which = requests.iter().filter(|request| which(request));
    which
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

fn writes(front: &Front) -> Vec<String> {
    asked(front, |request| !matches!(request.method.as_str(), "GET" | "HEAD"))
}

fn layers(front: &Front) -> Vec<String> {
    asked(front, |request| {
        request.method == "GET" && request.path.contains("/blobs/")
    })
}

fn oci(platform: Platform, text: &str) -> Image {
    Image::new(platform)
        .format(Format::Oci)
        .layer(Layer::new().file("etc/lab", text.as_bytes()))
}

/// One of each kind that the lab can make, upstream as `library/app`.
async fn every_kind(world: &World) -> Vec<(&'static str, Pushed)> {
    let zstd = Layer::new().file("etc/lab", b"zstd").compression(Compression::Zstd);
    let zstd = Image::new(Platform::amd64()).format(Format::Oci).layer(zstd);
    let list = Index::new(IndexKind::DockerList)
        .image(tiny("list amd64"))
        .image(Image::new(Platform::arm64()).layer(Layer::new().file("etc/lab", b"list arm64")));
    let nested = Index::new(IndexKind::Oci)
        .index(multi("inner"))
        .image(oci(Platform::amd64(), "outer"));
    let empty = Image::new(Platform::amd64())
        .format(Format::Oci)
        .layer(Layer::nothing());
    vec![
        ("schema2", world.upstream(UPSTREAM, "schema2", tiny("schema2")).await),
        (
            "oci",
            world.upstream(UPSTREAM, "oci", oci(Platform::amd64(), "oci")).await,
        ),
        ("index", world.upstream(UPSTREAM, "index", multi("index")).await),
        ("list", world.upstream(UPSTREAM, "list", list).await),
        (
            "attested",
            world.upstream(UPSTREAM, "attested", multi("attested").attested()).await,
        ),
        ("zstd", world.upstream(UPSTREAM, "zstd", zstd).await),
        ("nested", world.upstream(UPSTREAM, "nested", nested).await),
        ("empty-layer", world.upstream(UPSTREAM, "empty-layer", empty).await),
    ]
}

/// What another program says that a name's top digest is.
async fn digest_by(program: &str, world: &World, image: &str) -> String {
    let login = format!("AWS:{}", world.lab.ecr().issue_token());
    let output = match program {
        "skopeo" => {
            let mut command = Command::new("skopeo");
            command.args(["inspect", "--raw", "--tls-verify=false", "--creds", &login]);
            command.arg(format!("docker://{image}"));
            command.output().await
        }
        "crane" => {
            let mut command = Command::new(ecr_lab::peer("crane"));
            command
                .args(["digest", "--insecure", image])
                .env("DOCKER_CONFIG", docker_config(world, &login));
            command.output().await
        }
        _ => {
            let host = image.split('/').next().unwrap();
            let mut command = Command::new(ecr_lab::peer("regctl"));
            let options = format!("reg={host},tls=disabled");
            command.args(["--host", &options, "image", "digest", image]);
            command
                .env("DOCKER_CONFIG", docker_config(world, &login))
                .env("HOME", world.folder());
            command.output().await
        }
    };
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {image}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    match program {
        "skopeo" => format!("sha256:{}", sha256(&output.stdout)),
        _ => String::from_utf8(output.stdout).unwrap().trim().to_owned(),
    }
}

/// By coreutils.
fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut sum = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = sum.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

fn docker_config(world: &World, login: &str) -> std::path::PathBuf {
    use base64::Engine;
    let folder = world.folder().join("peers");
    std::fs::create_dir_all(&folder).unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode(login);
    let config = serde_json::json!({"auths": {world.lab.ecr().host(): {"auth": auth}}});
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    folder
}

async fn plain(world: &World, options: RegistryOptions) -> ecr_lab::ExtraRegistry {
    world.lab.registry(options).await.expect("the registry starts")
}
