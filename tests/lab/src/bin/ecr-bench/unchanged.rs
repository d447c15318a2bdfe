//! A whole registry with nothing to do.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use ecr_lab::images::{Place, tiny};
use ecr_lab::{BareRegistry, Lab, Toxiproxy};
use futures::{StreamExt, TryStreamExt, stream};

use crate::keeping::{ASKING_16, BY_ITSELF, FIXED, Turn, Way, at_ecr, sync};
use crate::measure::{self, Line, Run, clean};
use crate::table::{Goal, Table};
use crate::tools::{Job, Programs, Told, Tool};

/// Images that are pushed at once when it is set up.
const PUSHES: usize = 8;

/// Tags that are what their upstream is, both sides far away.
pub struct Unchanged {
    pub repositories: usize,
    pub tags: usize,
    pub latency: Duration,
}

/// Both sides of what has not changed, and the ways to them.
struct Sides {
    both: BareRegistry,
    upstream: BareRegistry,
    /// Where the upstream is asked.
    way: String,
    /// Where ECR's API is asked.
    api: String,
    job: Job,
}

impl Unchanged {
    pub async fn measure(&self, lab: &Lab, programs: &Programs, rounds: usize) -> Result<Table> {
        let all = self.repositories * self.tags;
        let toxiproxy = lab.toxiproxy().await?;
        let sides = self.set_up(lab, &toxiproxy).await?;
        let title = format!(
            "Nothing changed: {all} tags in {} repositories, {} ms on every answer",
            self.repositories,
            self.latency.as_millis()
        );
        let mut table = Table::new(&title);
        let mut turns = vec![
            Turn::Own(&ASKING_16),
            Turn::Own(&BY_ITSELF),
            Turn::Own(&FIXED),
            Turn::Peer(Tool::Regsync, Told::AtOnce(16)),
            Turn::Peer(Tool::Crane, Told::AtOnce(16)),
            Turn::Peer(Tool::Skopeo, Told::Cannot),
            Turn::Peer(Tool::Regsync, Told::Nothing),
        ];
        let mut images_at_target = 0;
        for round in 0..rounds {
            for &turn in &turns {
                let (tool, told, done) = match turn {
                    Turn::Own(own) => {
                        let (line, run, at_target) = sides.own(lab, programs, own, all).await?;
                        images_at_target = images_at_target.max(at_target);
                        (Tool::Keeper, own.told, Ok(Some((line, run))))
                    }
                    Turn::Peer(tool, told) => (tool, told, sides.peer(lab, programs, tool, told, all).await),
                };
                let done = done.map(|ran| ran.map(|(line, run)| (line.label, run)));
                table.take(tool, told, round, done)?;
            }
            // The machine's mood should be nobody's advantage.
            turns.rotate_left(1);
        }
        table.note("ecr-keeper lists the lab's ECR by its API; the peers ask a distribution 3 registry for each tag");
        table.note("at ECR bytes are bodies alone; crane by its defaults would take minutes, one tag after the other");
        table.ratio("wall ÷ best peer's, 16 at once", Told::AtOnce(16), 0.85);
        table.ratio("wall ÷ best peer's, each with its defaults", Told::Nothing, 0.5);
        let (_, none) = table.requests(Told::Other);
        let at_target = images_at_target as f64;
        table.goals.extend([
            Goal::at_most("requests for images at the target", at_target, 0.0),
            Goal::at_most("requests upstream with immutable_tags", none, 0.0),
        ]);
        sides.both.remove().await?;
        Ok(table)
    }

    /// The same tags upstream, at a target for the peers, and in ECR.
    async fn set_up(&self, lab: &Lab, toxiproxy: &Toxiproxy) -> Result<Sides> {
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
        let far = self.latency;
        let way = toxiproxy.way(upstream.host(), far).await?;
        let target_way = toxiproxy.way(both.host(), far).await?;
        let api = toxiproxy.way(lab.endpoint().trim_start_matches("http://"), far).await?;
        let image = |(repository, tag): &(String, String)| {
            let image = format!("{repository}:{tag}");
            let target = format!("{target_way}/base/image/{image}");
            (format!("{way}/{image}"), vec![target])
        };
        let job = Job {
            images: names.iter().map(image).collect(),
            hosts: vec![(way.clone(), None), (target_way.clone(), None)],
        };
        Ok(Sides {
            both,
            upstream,
            way,
            api,
            job,
        })
    }
}

impl Sides {
    /// A sync of ours that finds `all` to be unchanged; answers also how many requests for images ECR had.
    async fn own(&self, lab: &Lab, programs: &Programs, own: &Way<'_>, all: usize) -> Result<(Line, Run, u64)> {
        let folder = lab.dir().join("run");
        clean(&folder)?;
        let line = sync(programs, lab, &folder, &format!("http://{}", self.api), &self.way, own)?;
        let before = self.upstream.asked().await?;
        lab.ecr().front().clear_requests();
        lab.ecr().clear_api_requests();
        let mut run = measure::run(&line, &folder).await?;
        run.upstream = self.upstream.asked().await?.since(&before);
        run.target = at_ecr(lab);
        let at_target = run.target.methods.values().sum::<u64>();
        *run.target.methods.entry("of the API".to_owned()).or_default() += lab.ecr().api_requests().len() as u64;
        let asked = run.upstream.methods.values().sum::<u64>() as usize;
        let expected = if own.told == Told::Other { 0 } else { all };
        ensure!(
            asked == expected,
            "the upstream was asked {asked} times, expected {expected}"
        );
        let unchanged = fs::read_to_string(folder.join("results/result_notupdate.txt"))?;
        let unchanged = unchanged.lines().count();
        ensure!(unchanged == all, "{unchanged} of {all} tags were found to be unchanged");
        Ok((line, run, at_target))
    }

    /// A peer's look at each of `all`; nothing where it cannot be had.
    async fn peer(
        &self,
        lab: &Lab,
        programs: &Programs,
        tool: Tool,
        told: Told,
        all: usize,
    ) -> Result<Option<(Line, Run)>> {
        let folder = lab.dir().join("run");
        clean(&folder)?;
        let Some(line) = tool.line(programs, &self.job, told, &folder)? else {
            return Ok(None);
        };
        let before = (self.upstream.asked().await?, self.both.asked().await?);
        let mut run = measure::run(&line, &folder).await?;
        run.upstream = self.upstream.asked().await?.since(&before.0);
        run.target = self.both.asked().await?.since(&before.1);
        let asked = run.upstream.methods.values().sum::<u64>() as usize;
        ensure!(
            asked >= all,
            "{}: the upstream was asked {asked} times for {all} tags",
            line.label
        );
        Ok(Some((line, run)))
    }
}
