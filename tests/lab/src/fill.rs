//! The content of demonstrations: an upstream that has moved on, and an ECR that lags behind.
//!
//! | upstream | `base/image/…` in ECR |
//! |---|---|
//! | `library/busybox:1.35` (index) | the same digest |
//! | `library/busybox:1.36` (index) | one platform's manifest only |
//! | `library/busybox:1.37`, `latest` (index) | an older index; `latest` is missing |
//! | – | `busybox:1.34`, which vanished upstream, and an untagged image |
//! | `library/hello:1.0` (Docker, one platform) | the same digest |
//! | `library/hello:1.1` | the same content, packed again as a classic daemon does |
//! | `library/hello:1.2` | older content |
//! | `tools/zstd:1` (OCI, zstd layers) | older content |
//! | `tools/attested:1`, `2` (index with attestations) | the same digest; an older index |
//! | `grafana/grafana:10.4` (small), `11.0` (50 MB in 5 layers) | the same digest; older content |
//! | `prometheus/node-exporter:v1.8` (Docker's manifest list) | the same digest |
//!
//! `other/team/app` in ECR is for no keyword. The busybox image of the machine's own platform holds
//! Debian's static busybox and can be run; the other platform's holds a text in its place.

use std::fs;

use anyhow::{Context, Result};

use crate::images::{Compression, Format, Image, Index, IndexKind, Layer, Place, Platform, tiny};
use crate::lab::Lab;

/// The repositories that [`demo`] creates in ECR.
pub const REPOSITORIES: [&str; 7] = [
    "base/image/busybox",
    "base/image/hello",
    "base/image/tools/zstd",
    "base/image/tools/attested",
    "base/image/grafana/grafana",
    "base/image/prometheus/node-exporter",
    "other/team/app",
];

/// Fills upstream and ECR's first region, and clears the logs after.
///
/// # Errors
/// When a push fails.
pub async fn demo(lab: &Lab) -> Result<()> {
    for name in REPOSITORIES {
        lab.ecr().create_repository(name);
    }
    let upstream = Place::of(lab.upstream());
    let ecr = Place::ecr(lab.ecr());
    busybox(&upstream, &ecr).await.context("fill busybox")?;
    hello(&upstream, &ecr).await.context("fill hello")?;
    tools(&upstream, &ecr).await.context("fill tools")?;
    grafana(&upstream, &ecr).await.context("fill grafana")?;
    exporter(&upstream, &ecr).await.context("fill node-exporter")?;
    tiny("the team's own").push(&ecr, "other/team/app", "1").await?;
    lab.upstream().clear_requests();
    for region in lab.regions() {
        region.front().clear_requests();
    }
    Ok(())
}

async fn busybox(upstream: &Place, ecr: &Place) -> Result<()> {
    let (from, to) = ("library/busybox", "base/image/busybox");
    let busybox = Busybox::new();
    for version in ["1.35", "1.36", "1.37"] {
        busybox.index(version).push(upstream, from, version).await?;
    }
    busybox.index("1.37").push(upstream, from, "latest").await?;
    busybox.index("1.35").push(ecr, to, "1.35").await?;
    busybox.image("1.36", Platform::host()).push(ecr, to, "1.36").await?;
    // The first push of 1.37 stays as an untagged image.
    busybox.index("1.37 first").push(ecr, to, "1.37").await?;
    busybox.index("1.37 second").push(ecr, to, "1.37").await?;
    busybox.index("1.34").push(ecr, to, "1.34").await?;
    Ok(())
}

/// The layer that all its images share, for the machine's own platform and for others.
struct Busybox {
    own: Layer,
    other: Layer,
}

impl Busybox {
    fn new() -> Busybox {
        let other = Layer::new().file("bin/busybox.txt", b"stands in for busybox\n");
        let own = match fs::read("/bin/busybox") {
            Ok(program) => Layer::new().program("bin/busybox", &program),
            Err(_) => other.clone(),
        };
        Busybox { own, other }
    }

    fn index(&self, version: &str) -> Index {
        let other = match Platform::host() == Platform::amd64() {
            true => Platform::arm64(),
            false => Platform::amd64(),
        };
        Index::new(IndexKind::Oci)
            .image(self.image(version, Platform::host()))
            .image(self.image(version, other))
    }

    fn image(&self, version: &str, platform: Platform) -> Image {
        let layer = match platform == Platform::host() {
            true => &self.own,
            false => &self.other,
        };
        let note = format!("busybox {version} of the lab\n");
        Image::new(platform)
            .format(Format::Oci)
            .layer(layer.clone())
            .layer(Layer::new().file("etc/lab", note.as_bytes()))
            .env("BUSYBOX_VERSION", version)
            .command(&["/bin/busybox", "cat", "/etc/lab"])
    }
}

async fn hello(upstream: &Place, ecr: &Place) -> Result<()> {
    let (from, to) = ("library/hello", "base/image/hello");
    for version in ["1.0", "1.1", "1.2"] {
        hello_image(version).push(upstream, from, version).await?;
    }
    hello_image("1.0").push(ecr, to, "1.0").await?;
    let repacked = hello_image("1.1").packed(Compression::Gzip(1));
    repacked.push(ecr, to, "1.1").await?;
    hello_image("1.2 before its fix").push(ecr, to, "1.2").await?;
    Ok(())
}

fn hello_image(version: &str) -> Image {
    // Long enough that another gzip level is other bytes.
    let text: Vec<String> = (0..400).map(|line| format!("{version}: line {line}")).collect();
    Image::new(Platform::host())
        .layer(Layer::new().file("hello.txt", text.join("\n").as_bytes()))
        .label("org.opencontainers.image.version", version)
}

async fn tools(upstream: &Place, ecr: &Place) -> Result<()> {
    let zstd = |text: &str| {
        let layer = Layer::random(7, 200_000).file("etc/lab", text.as_bytes());
        Image::new(Platform::host())
            .format(Format::Oci)
            .layer(layer.compression(Compression::Zstd))
            .annotation("org.opencontainers.image.title", "zstd layers")
    };
    zstd("new").push(upstream, "tools/zstd", "1").await?;
    zstd("old").push(ecr, "base/image/tools/zstd", "1").await?;
    let attested = |text: &str| crate::images::multi(text).attested();
    attested("one").push(upstream, "tools/attested", "1").await?;
    attested("two").push(upstream, "tools/attested", "2").await?;
    attested("one").push(ecr, "base/image/tools/attested", "1").await?;
    attested("two, before")
        .push(ecr, "base/image/tools/attested", "2")
        .await?;
    Ok(())
}

async fn grafana(upstream: &Place, ecr: &Place) -> Result<()> {
    let (from, to) = ("grafana/grafana", "base/image/grafana/grafana");
    tiny("grafana 10.4").push(upstream, from, "10.4").await?;
    tiny("grafana 10.4").push(ecr, to, "10.4").await?;
    let large = (1..=5).fold(Image::new(Platform::host()), |image, seed| {
        // Random bytes gain nothing from gzip but time.
        image.layer(Layer::random(seed, 10_000_000).compression(Compression::Gzip(1)))
    });
    large.env("GF_VERSION", "11.0").push(upstream, from, "11.0").await?;
    tiny("grafana 11.0-rc").push(ecr, to, "11.0").await?;
    Ok(())
}

async fn exporter(upstream: &Place, ecr: &Place) -> Result<()> {
    let image = |platform: Platform| {
        let text = format!("node-exporter for {platform}");
        Image::new(platform).layer(Layer::new().file("etc/lab", text.as_bytes()))
    };
    let index = Index::new(IndexKind::DockerList)
        .image(image(Platform::amd64()))
        .image(image(Platform::arm64()))
        .image(image(Platform::new("linux", "arm").variant("v7")));
    let name = "prometheus/node-exporter";
    index.push(upstream, name, "v1.8").await?;
    index.push(ecr, &format!("base/image/{name}"), "v1.8").await?;
    Ok(())
}
