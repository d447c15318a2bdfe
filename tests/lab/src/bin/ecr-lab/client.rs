//! The lab's own pages, on a terminal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ecr_lab::images::{self, Format, Image, Index, IndexKind, Layer, Place, Platform};
use ecr_lab::{ApiRequest, ImageRecord, Logged, Message};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::Value;

use crate::{Command, Running};

/// What is used of lab.json.
#[derive(Debug, Deserialize)]
struct About {
    pid: u32,
    endpoint: String,
    region: String,
    ecr: String,
    upstream: String,
    upstream_backend: String,
    webhook: String,
    docker_host: Option<String>,
    dockerd_pid: Option<u32>,
    registry_pids: Vec<u32>,
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(_) => bail!("serve is no page"),
        Command::Requests { lab, front } => requests(&lab, &front).await?,
        Command::Clear(lab) => {
            ask(&About::read(&lab.dir)?, Method::DELETE, "requests").await?;
        }
        Command::Messages(lab) => messages(&lab).await?,
        Command::Images { lab, repository } => show_images(&lab, repository.as_deref()).await?,
        Command::Move {
            image,
            text,
            single,
            lab,
        } => move_tag(&lab, &image, &text, single).await?,
        Command::Put {
            image,
            ecr,
            layers,
            size,
            seed,
            multi,
            lab,
        } => {
            let of = |platform| {
                (0..layers).fold(Image::new(platform).format(Format::Oci), |image, number| {
                    image.layer(Layer::random(seed * 1000 + number, size))
                })
            };
            let (repository, tag) = parts(&image)?;
            let place = place(&About::read(&lab.dir)?, ecr, repository).await?;
            let pushed = match multi {
                true => {
                    let index = Index::new(IndexKind::Oci);
                    let index = index.image(of(Platform::amd64())).image(of(Platform::arm64()));
                    index.push(&place, repository, tag).await?
                }
                false => of(Platform::amd64()).push(&place, repository, tag).await?,
            };
            println!("{image} is now {}", pushed.top);
        }
        Command::Remove { image, lab } => {
            let (repository, tag) = parts(&image)?;
            let page = format!("tag?repository={repository}&tag={tag}");
            ask(&About::read(&lab.dir)?, Method::DELETE, &page).await?;
        }
        Command::Status(lab) => return status(&lab),
    }
    Ok(ExitCode::SUCCESS)
}

async fn requests(lab: &Running, front: &str) -> Result<()> {
    let page = format!("requests?front={front}");
    let value = ask(&About::read(&lab.dir)?, Method::GET, &page).await?;
    if lab.json {
        println!("{value:#}");
    } else if front == "api" {
        for request in serde_json::from_value::<Vec<ApiRequest>>(value)? {
            println!(
                "{:.3} {} {} {}",
                request.at, request.status, request.action, request.body
            );
        }
    } else {
        for request in serde_json::from_value::<Vec<Logged>>(value)? {
            let query = match request.query.is_empty() {
                true => String::new(),
                false => format!("?{}", request.query),
            };
            println!(
                "{:.3} {} {:6} {}{query}  in {} out {}",
                request.at, request.status, request.method, request.path, request.bytes_in, request.bytes_out
            );
        }
    }
    Ok(())
}

async fn messages(lab: &Running) -> Result<()> {
    let value = ask(&About::read(&lab.dir)?, Method::GET, "messages").await?;
    if lab.json {
        println!("{value:#}");
        return Ok(());
    }
    for message in serde_json::from_value::<Vec<Message>>(value)? {
        println!("--- {:.3}", message.at);
        match message.content.is_empty() {
            true => println!("{:#}", message.json),
            false => println!("{}", message.content),
        }
    }
    Ok(())
}

async fn show_images(lab: &Running, repository: Option<&str>) -> Result<()> {
    let page = match repository {
        Some(repository) => format!("images?repository={repository}"),
        None => "images".to_owned(),
    };
    let value = ask(&About::read(&lab.dir)?, Method::GET, &page).await?;
    if lab.json {
        println!("{value:#}");
        return Ok(());
    }
    let all: BTreeMap<String, Vec<ImageRecord>> = serde_json::from_value(value)?;
    for (repository, images) in all {
        println!("{repository}");
        for image in images {
            let tags = match image.tags.is_empty() {
                true => "-".to_owned(),
                false => image.tags.join(" "),
            };
            println!(
                "  {:12} {}  {:>9} bytes  {}",
                tags, image.digest, image.size, image.media_type
            );
        }
    }
    Ok(())
}

async fn move_tag(lab: &Running, image: &str, text: &str, single: bool) -> Result<()> {
    let about = About::read(&lab.dir)?;
    let (repository, tag) = parts(image)?;
    let place = Place::new(&about.upstream_backend);
    let pushed = match single {
        true => images::tiny(text).push(&place, repository, tag).await?,
        false => images::multi(text).push(&place, repository, tag).await?,
    };
    match lab.json {
        true => println!("{}", serde_json::to_string_pretty(&pushed)?),
        false => println!("{image} is now {}", pushed.top),
    }
    Ok(())
}

/// Where to push: the upstream's own registry, or ECR with a new login.
async fn place(about: &About, ecr: bool, repository: &str) -> Result<Place> {
    if !ecr {
        return Ok(Place::new(&about.upstream_backend));
    }
    let page = format!("login?repository={repository}");
    let login = ask(about, Method::POST, &page).await?;
    let password = login["password"].as_str().context("a password")?;
    Ok(Place::new(&about.ecr).login("AWS", password))
}

fn status(lab: &Running) -> Result<ExitCode> {
    let about = About::read(&lab.dir)?;
    if !Path::new(&format!("/proc/{}", about.pid)).exists() {
        println!("the lab in {} does not run any more", lab.dir.display());
        return Ok(ExitCode::FAILURE);
    }
    println!("lab       pid {}", about.pid);
    println!("endpoint  {} ({})", about.endpoint, about.region);
    println!("ecr       {}", about.ecr);
    println!("upstream  {}", about.upstream);
    println!("webhook   {}", about.webhook);
    let pids: Vec<String> = about.registry_pids.iter().map(u32::to_string).collect();
    println!("registry  pids {}", pids.join(" "));
    match (about.docker_host, about.dockerd_pid) {
        (Some(host), Some(pid)) => println!("dockerd   pid {pid} {host}"),
        _ => println!("dockerd   none"),
    }
    Ok(ExitCode::SUCCESS)
}

fn parts(image: &str) -> Result<(&str, &str)> {
    image
        .rsplit_once(':')
        .with_context(|| format!("{image} is no REPOSITORY:TAG"))
}

async fn ask(about: &About, method: Method, page: &str) -> Result<Value> {
    let url = format!("{}/_lab/{page}", about.endpoint);
    let response = Client::new().request(method, &url).send().await;
    let response = response.with_context(|| format!("ask the lab (pid {})", about.pid))?;
    let status = response.status();
    let value: Value = response.json().await?;
    if !status.is_success() {
        bail!("{}", value["message"].as_str().unwrap_or("the lab refused"));
    }
    Ok(value)
}

impl About {
    fn read(dir: &Path) -> Result<About> {
        let path = dir.join("lab.json");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("no lab runs in {}", dir.display()))?;
        serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))
    }
}
