//! Workloads that copy one image between registries that stand by themselves.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ecr_lab::images::{Compression, Format, Image, Layer, Platform, Pushed};
use ecr_lab::{Asked, BareRegistry, Lab, Toxiproxy};

use futures::{StreamExt, TryStreamExt, stream};

use crate::measure::{self, Run};
use crate::narrow::Narrow;
use crate::table::{Goal, Table};
use crate::tools::{Job, Programs, Told, Tool};

/// One image, and the way to where it goes.
#[derive(Debug, Clone)]
pub struct Copies {
    pub title: &'static str,
    pub layers: u64,
    /// Bytes of a layer.
    pub size: usize,
    pub tls: bool,
    /// How far away both sides are.
    pub latency: Option<Duration>,
    pub targets: usize,
    /// Layers at once, for every tool.
    pub at_once: usize,
    /// Whether everybody does it as it comes as well.
    pub as_it_comes: bool,
}

/// What a table of copies is judged by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// Wall time over the best peer's, both with the same number at once.
    pub ratio: f64,
    /// The same, each as it comes.
    pub ratio_as_it_comes: Option<f64>,
    /// MiB.
    pub memory: Option<f64>,
    /// Whether the upstream's layers may be read only once.
    pub read_once: bool,
    /// Wall time of all targets over that of one, where the upstream is what takes the time.
    pub narrow: Option<f64>,
}

/// Bytes a second of an upstream that is what takes the time.
const NARROW: u64 = 50_000_000;

const REPOSITORY: &str = "team/app";

/// Images that were made, each in a registry of its own: several workloads copy the same.
#[derive(Default)]
pub struct Sources(Vec<Source>);

struct Source {
    layers: u64,
    size: usize,
    registry: BareRegistry,
    pushed: Pushed,
}

impl Sources {
    async fn of(&mut self, lab: &Lab, layers: u64, size: usize) -> Result<&Source> {
        let is_it = |source: &Source| (source.layers, source.size) == (layers, size);
        let at = match self.0.iter().position(is_it) {
            Some(at) => at,
            None => {
                self.0.push(Source::make(lab, layers, size).await?);
                self.0.len() - 1
            }
        };
        Ok(&self.0[at])
    }
}

impl Source {
    async fn make(lab: &Lab, layers: u64, size: usize) -> Result<Source> {
        let registry = lab.bare_registry(None, false).await?;
        let mut image = Image::new(Platform::amd64()).format(Format::Oci);
        for layer in 0..layers {
            image = image.layer(Layer::random(layer + 1, size).compression(Compression::None));
        }
        let pushed = image.push(&registry.place(), REPOSITORY, "1").await?;
        Ok(Source {
            layers,
            size,
            registry,
            pushed,
        })
    }
}

impl Copies {
    pub async fn measure(
        &self,
        lab: &Lab,
        programs: &Programs,
        sources: &mut Sources,
        rounds: usize,
        bounds: Bounds,
    ) -> Result<Table> {
        let source = sources.of(lab, self.layers, self.size).await?;
        let upstream = lab.bare_registry(Some(source.registry.storage()), self.tls).await?;
        let toxiproxy = match self.latency {
            Some(_) => Some(lab.toxiproxy().await?),
            None => None,
        };
        let bench = Bench {
            lab,
            programs,
            upstream: &upstream,
            tls: self.tls,
            far: toxiproxy.as_ref().zip(self.latency),
            pushed: &source.pushed,
        };
        let mut table = Table::new(self.title);
        let same = Told::AtOnce(self.at_once);
        let mut runs = vec![
            (Tool::Keeper, same),
            (Tool::Crane, same),
            (Tool::Regsync, same),
            (Tool::Skopeo, Told::Cannot),
            (Tool::Keeper, Told::Nothing),
        ];
        if self.as_it_comes {
            runs.extend([(Tool::Crane, Told::Nothing), (Tool::Regsync, Told::Nothing)]);
        }
        for round in 0..rounds {
            for &(tool, told) in &runs {
                let done = bench.run(tool, told, self.targets, None).await;
                table.take(tool, told, round, done)?;
            }
            // The machine's mood should be nobody's advantage.
            runs.rotate_left(1);
        }
        self.judge(&mut table, bounds);
        if let Some(most) = bounds.narrow {
            bench.narrow(&mut table, self, rounds, most).await?;
        }
        // What it showed is the next workload's too.
        drop(upstream);
        Ok(table)
    }

    fn judge(&self, table: &mut Table, bounds: Bounds) {
        let same = Told::AtOnce(self.at_once);
        table.ratio(
            &format!("wall ÷ best peer's, {} at once", self.at_once),
            same,
            bounds.ratio,
        );
        if let Some(most) = bounds.ratio_as_it_comes {
            table.ratio("wall ÷ best peer's, each with its defaults", Told::Nothing, most);
        }
        if let Some(most) = bounds.memory {
            table
                .goals
                .push(Goal::at_most("peak memory, MiB", table.memory(), most));
        }
        if bounds.read_once {
            let bytes = (self.layers as usize * self.size) as f64;
            table.goals.push(Goal::at_most(
                "bytes read upstream ÷ the image's",
                table.upstream_bytes() / bytes,
                1.01,
            ));
        }
    }
}

struct Bench<'a> {
    lab: &'a Lab,
    programs: &'a Programs,
    upstream: &'a BareRegistry,
    tls: bool,
    far: Option<(&'a Toxiproxy, Duration)>,
    pushed: &'a Pushed,
}

impl Bench<'_> {
    /// One target and all of them, over a narrow way from the upstream.
    async fn narrow(&self, table: &mut Table, copies: &Copies, rounds: usize, most: f64) -> Result<()> {
        let mut medians = Vec::new();
        for targets in [1, copies.targets] {
            let mut walls = Vec::new();
            for round in 0..rounds {
                let run = self
                    .run(Tool::Keeper, Told::AtOnce(copies.at_once), targets, Some(NARROW))
                    .await?;
                let (_, run) = run.context("ecr-keeper itself")?;
                let label = format!("ecr-keeper, upstream at {} MB/s, {targets} targets", NARROW / 1_000_000);
                eprintln!("{}, round {}: {label}: {:.2} s", copies.title, round + 1, run.wall);
                walls.push(run.wall);
                table.add(Tool::Keeper, Told::Other, label, run);
            }
            medians.push(measure::median(walls));
        }
        let what = format!(
            "wall of {} targets ÷ of one, upstream at {} MB/s",
            copies.targets,
            NARROW / 1_000_000
        );
        table.goals.push(Goal::at_most(&what, medians[1] / medians[0], most));
        Ok(())
    }

    /// Into so many empty targets, and checks what came.
    async fn run(&self, tool: Tool, told: Told, targets: usize, rate: Option<u64>) -> Result<Option<(String, Run)>> {
        let targets = stream::iter(0..targets).then(|_| self.lab.bare_registry(None, self.tls));
        let targets: Vec<BareRegistry> = targets.try_collect().await?;
        let narrow = match rate {
            Some(rate) => Some(Narrow::to(self.upstream.host(), rate).await?),
            None => None,
        };
        let mut hosts = Vec::new();
        for registry in [self.upstream].into_iter().chain(&targets) {
            let host = match (self.far, &narrow) {
                (Some((toxiproxy, time)), _) => toxiproxy.way(registry.host(), time).await?,
                (None, Some(narrow)) if hosts.is_empty() => narrow.host().to_owned(),
                _ => registry.host().to_owned(),
            };
            hosts.push((host, self.tls.then(|| registry.certificates())));
        }
        let images: Vec<String> = hosts.iter().map(|(host, _)| format!("{host}/{REPOSITORY}:1")).collect();
        let job = Job {
            images: vec![(images[0].clone(), images[1..].to_vec())],
            hosts,
        };
        let folder = self.lab.dir().join("run");
        measure::clean(&folder)?;
        let Some(line) = tool.line(self.programs, &job, told, &folder)? else {
            return Ok(None);
        };
        let before = self.asked(&targets).await?;
        let mut run = measure::run(&line, &folder).await?;
        let after = self.asked(&targets).await?;
        (run.upstream, run.target) = (after.0.since(&before.0), after.1.since(&before.1));
        for target in targets {
            holds(target.storage(), REPOSITORY, "1", self.pushed.digest())?;
            target.remove().await?;
        }
        Ok(Some((line.label, run)))
    }

    async fn asked(&self, targets: &[BareRegistry]) -> Result<(Asked, Asked)> {
        let mut all = Asked::default();
        for target in targets {
            all.add(&target.asked().await?);
        }
        Ok((self.upstream.asked().await?, all))
    }
}

/// Makes sure that a tag names a digest, as the registry keeps it.
pub fn holds(storage: &Path, repository: &str, tag: &str, digest: &str) -> Result<()> {
    let link = storage.join(format!(
        "docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link"
    ));
    let found = fs::read_to_string(&link).unwrap_or_default();
    ensure!(found == digest, "{repository}:{tag} is {found:?}, expected {digest}");
    Ok(())
}
