//! Workloads of a whole registry: nothing to do, and a base that all images share.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use ecr_lab::images::{Compression, Format, Image, Layer, Place, Platform, tiny};
use ecr_lab::{Asked, BareRegistry, Lab, LabOptions};
use futures::{StreamExt, TryStreamExt, stream};

use crate::copies::holds;
use crate::measure::{self, Line, clean};
use crate::table::{Goal, Table};
use crate::tools::{Job, Programs, Told, Tool};

/// Images that are pushed at once when a workload is set up.
const PUSHES: usize = 8;

/// What ecr-keeper is told besides, for one row of a table.
pub struct Way<'a> {
    pub label: &'a str,
    pub told: Told,
    pub settings: &'a str,
}

/// Tags that are what their upstream is, both sides far away.
pub struct Unchanged {
    pub repositories: usize,
    pub tags: usize,
    pub latency: Duration,
}

impl Unchanged {
    pub async fn measure(&self, lab: &Lab, programs: &Programs, rounds: usize) -> Result<Table> {
        let all = self.repositories * self.tags;
        let both = lab.bare_registry(None, false).await?;
        let ecr = Place::ecr(lab.ecr());
        let names: Vec<(String, String)> = (0..self.repositories)
            .flat_map(|repository| (0..self.tags).map(move |tag| (format!("team/app-{repository}"), tag.to_string())))
            .collect();
        for repository in 0..self.repositories {
            lab.ecr()
                .create_repository(&format!("base/image/team/app-{repository}"));
        }
        let put = async |(repository, tag): &(String, String)| -> Result<()> {
            let target = format!("base/image/{repository}");
            tiny(tag).push(&both.place(), repository, tag).await?;
            tiny(tag).push(&both.place(), &target, tag).await?;
            tiny(tag).push(&ecr, &target, tag).await?;
            Ok(())
        };
        stream::iter(&names)
            .map(put)
            .buffer_unordered(PUSHES)
            .try_collect::<Vec<()>>()
            .await?;
        let upstream = lab.bare_registry(Some(both.storage()), false).await?;
        let toxiproxy = lab.toxiproxy().await?;
        let far = self.latency;
        let way = toxiproxy.way(upstream.host(), far).await?;
        let target_way = toxiproxy.way(both.host(), far).await?;
        let api = toxiproxy.way(lab.endpoint().trim_start_matches("http://"), far).await?;
        let job = Job {
            images: names
                .iter()
                .map(|(repository, tag)| {
                    let image = format!("{repository}:{tag}");
                    (
                        format!("{way}/{image}"),
                        vec![format!("{target_way}/base/image/{image}")],
                    )
                })
                .collect(),
            hosts: vec![(way.clone(), None), (target_way, None)],
        };
        let title = format!(
            "Nothing changed: {all} tags in {} repositories, {} ms on every answer",
            self.repositories,
            self.latency.as_millis()
        );
        let mut table = Table::new(&title);
        let ways = [
            Way {
                // The direct engine asks four questions for each image that may be copied at once.
                label: "ecr-keeper sync, concurrency: 4",
                told: Told::AtOnce(16),
                settings: "concurrency: 4\n",
            },
            Way {
                label: "ecr-keeper sync",
                told: Told::Nothing,
                settings: "",
            },
        ];
        let fixed = Way {
            label: "ecr-keeper sync, immutable_tags: '.*'",
            told: Told::Other,
            settings: "immutable_tags: '.*'\n",
        };
        let folder = lab.dir().join("run");
        let mut images_at_target = 0;
        for round in 0..rounds {
            for own in ways.iter().chain([&fixed]) {
                clean(&folder)?;
                let line = sync(programs, lab, &folder, &format!("http://{api}"), &way, own)?;
                let before = upstream.asked().await?;
                lab.ecr().front().clear_requests();
                lab.ecr().clear_api_requests();
                let mut run = measure::run(&line, &folder).await?;
                run.upstream = upstream.asked().await?.since(&before);
                run.target = at_ecr(lab);
                images_at_target = images_at_target.max(run.target.methods.values().sum::<u64>());
                *run.target.methods.entry("of the API".to_owned()).or_default() +=
                    lab.ecr().api_requests().len() as u64;
                let asked = run.upstream.methods.values().sum::<u64>() as usize;
                let expected = if own.told == Told::Other { 0 } else { all };
                ensure!(
                    asked == expected,
                    "the upstream was asked {asked} times, expected {expected}"
                );
                let unchanged = fs::read_to_string(folder.join("results/result_notupdate.txt"))?;
                let unchanged = unchanged.lines().count();
                ensure!(unchanged == all, "{unchanged} of {all} tags were found to be unchanged");
                eprintln!("{title}, round {}: {}: {:.2} s", round + 1, own.label, run.wall);
                table.add(Tool::Keeper, own.told, line.label, run);
            }
            for (tool, told) in [
                (Tool::Regsync, Told::AtOnce(16)),
                (Tool::Crane, Told::AtOnce(16)),
                (Tool::Skopeo, Told::Cannot),
                (Tool::Regsync, Told::Nothing),
            ] {
                clean(&folder)?;
                let Some(line) = tool.line(programs, &job, told, &folder)? else {
                    table.absent(tool);
                    continue;
                };
                let before = (upstream.asked().await?, both.asked().await?);
                let mut run = measure::run(&line, &folder).await?;
                run.upstream = upstream.asked().await?.since(&before.0);
                run.target = both.asked().await?.since(&before.1);
                let asked = run.upstream.methods.values().sum::<u64>() as usize;
                ensure!(
                    asked >= all,
                    "{}: the upstream was asked {asked} times for {all} tags",
                    line.label
                );
                eprintln!("{title}, round {}: {}: {:.2} s", round + 1, line.label, run.wall);
                table.add(tool, told, line.label, run);
            }
        }
        table.note("ecr-keeper lists the lab's ECR by its API; the peers ask a distribution 3 registry for each tag");
        table.note("at ECR bytes are bodies alone; crane by its defaults would take minutes, one tag after the other");
        table.ratio("wall ÷ best peer's, 16 at once", Told::AtOnce(16), 0.85);
        table.ratio("wall ÷ best peer's, each with its defaults", Told::Nothing, 0.5);
        let (_, none) = table.requests(Told::Other);
        table.goals.push(Goal::at_most(
            "requests for images at the target",
            images_at_target as f64,
            0.0,
        ));
        table
            .goals
            .push(Goal::at_most("requests upstream with immutable_tags", none, 0.0));
        both.remove().await?;
        Ok(table)
    }
}

/// Images with one base, each into a repository of its own that has not got it.
pub struct Shared {
    pub images: usize,
    /// Bytes.
    pub base: usize,
    pub own: usize,
}

impl Shared {
    pub async fn measure(&self, lab: &Lab, programs: &Programs, rounds: usize) -> Result<Table> {
        let upstream = lab.bare_registry(None, false).await?;
        let base = Layer::random(1, self.base).compression(Compression::None);
        let mut names = Vec::new();
        for number in 0..self.images {
            let own = Layer::random(number as u64 + 2, self.own).compression(Compression::None);
            let image = Image::new(Platform::amd64())
                .format(Format::Oci)
                .layer(base.clone())
                .layer(own);
            let name = format!("team/app-{number}");
            let pushed = image.push(&upstream.place(), &name, "1").await?;
            names.push((name, pushed.top));
        }
        let title = format!(
            "{} images that share {} MB, into {} new repositories",
            self.images,
            self.base / 1_000_000,
            self.images
        );
        let mut table = Table::new(&title);
        let ways = [
            Way {
                label: "ecr-keeper sync, concurrency: 16, direct.connections: 32",
                told: Told::AtOnce(16),
                settings: "concurrency: 16\ndirect: {connections: 32}\n",
            },
            Way {
                label: "ecr-keeper sync",
                told: Told::Nothing,
                settings: "",
            },
        ];
        for round in 0..rounds {
            for own in &ways {
                // Repositories that hold something else: what is there decides which tags are looked after.
                let fresh = Lab::start(LabOptions {
                    blob_mounting: true,
                    parent: Some(lab.dir().to_owned()),
                    ..LabOptions::default()
                })
                .await?;
                for (name, _) in &names {
                    let repository = format!("base/image/{name}");
                    fresh.ecr().create_repository(&repository);
                    tiny("old").push(&Place::ecr(fresh.ecr()), &repository, "1").await?;
                }
                let folder = lab.dir().join("run");
                clean(&folder)?;
                let line = sync(programs, &fresh, &folder, &fresh.endpoint(), upstream.host(), own)?;
                let before = upstream.asked().await?;
                fresh.ecr().front().clear_requests();
                let mut run = measure::run(&line, &folder).await?;
                run.upstream = upstream.asked().await?.since(&before);
                run.target = at_ecr(&fresh);
                for (name, digest) in &names {
                    let found = fresh.ecr().digest_of(&format!("base/image/{name}"), "1");
                    ensure!(
                        found.as_deref() == Some(digest),
                        "{name} is {found:?} in ECR, expected {digest}"
                    );
                }
                fresh.stop().await;
                eprintln!("{title}, round {}: {}: {:.2} s", round + 1, line.label, run.wall);
                table.add(Tool::Keeper, own.told, line.label, run);
            }
            for tool in Tool::PEERS {
                match self.peer(tool, lab, programs, &upstream, &names).await? {
                    Some((line, run)) => {
                        eprintln!("{title}, round {}: {}: {:.2} s", round + 1, line.label, run.wall);
                        let told = if tool == Tool::Skopeo {
                            Told::Cannot
                        } else {
                            Told::AtOnce(16)
                        };
                        table.add(tool, told, line.label, run);
                    }
                    None => table.absent(tool),
                }
            }
        }
        table.note(
            "ecr-keeper copies into the lab's ECR, a distribution 2.8 that mounts, with an older image in each repository; the peers \
             into an empty distribution 3",
        );
        table.ratio("wall ÷ best peer's, 16 at once", Told::AtOnce(16), 0.5);
        let unique = (self.base + self.images * self.own) as f64;
        let uploaded = table.target_bytes() / unique;
        table
            .goals
            .push(Goal::at_most("bytes uploaded ÷ unique bytes", uploaded, 1.05));
        upstream.remove().await?;
        Ok(table)
    }

    async fn peer(
        &self,
        tool: Tool,
        lab: &Lab,
        programs: &Programs,
        upstream: &BareRegistry,
        names: &[(String, String)],
    ) -> Result<Option<(Line, measure::Run)>> {
        let target = lab.bare_registry(None, false).await?;
        let (from, to) = (upstream.host(), target.host());
        let image =
            |(name, _): &(String, String)| (format!("{from}/{name}:1"), vec![format!("{to}/base/image/{name}:1")]);
        let job = Job {
            images: names.iter().map(image).collect(),
            hosts: vec![(from.to_owned(), None), (to.to_owned(), None)],
        };
        let folder = lab.dir().join("run");
        clean(&folder)?;
        let Some(line) = tool.line(programs, &job, Told::AtOnce(16), &folder)? else {
            return Ok(None);
        };
        let before = (upstream.asked().await?, target.asked().await?);
        let mut run = measure::run(&line, &folder).await?;
        run.upstream = upstream.asked().await?.since(&before.0);
        run.target = target.asked().await?.since(&before.1);
        for (name, digest) in names {
            holds(target.storage(), &format!("base/image/{name}"), "1", digest)?;
        }
        target.remove().await?;
        Ok(Some((line, run)))
    }
}

fn sync(programs: &Programs, lab: &Lab, folder: &Path, endpoint: &str, upstream: &str, way: &Way<'_>) -> Result<Line> {
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
