//! A base that many images share.

use anyhow::{Result, ensure};
use ecr_lab::images::{Compression, Format, Image, Layer, Place, Platform, tiny};
use ecr_lab::{BareRegistry, Lab, LabOptions};

use crate::copies::holds;
use crate::keeping::{BY_ITSELF, COPYING_16, Turn, Way, at_ecr, sync};
use crate::measure::{self, Line, Run, clean};
use crate::table::{Goal, Table};
use crate::tools::{Job, Programs, Told, Tool};

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
        let peers = Tool::PEERS.map(|tool| match tool {
            Tool::Skopeo => Turn::Peer(tool, Told::Cannot),
            tool => Turn::Peer(tool, Told::AtOnce(16)),
        });
        let mut turns = vec![Turn::Own(&COPYING_16), Turn::Own(&BY_ITSELF)];
        turns.extend(peers);
        for round in 0..rounds {
            for &turn in &turns {
                let (tool, told, done) = match turn {
                    Turn::Own(own) => {
                        let done = self.own(own, lab, programs, &upstream, &names).await?;
                        (Tool::Keeper, own.told, Ok(Some(done)))
                    }
                    Turn::Peer(tool, told) => (tool, told, self.peer(tool, lab, programs, &upstream, &names).await),
                };
                let done = done.map(|ran| ran.map(|(line, run)| (line.label, run)));
                table.take(tool, told, round, done)?;
            }
            turns.rotate_left(1);
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

    /// Ours, into repositories that hold something else: what is there decides which tags are looked after.
    async fn own(
        &self,
        own: &Way<'_>,
        lab: &Lab,
        programs: &Programs,
        upstream: &BareRegistry,
        names: &[(String, String)],
    ) -> Result<(Line, Run)> {
        let fresh = Lab::start(LabOptions {
            blob_mounting: true,
            parent: Some(lab.dir().to_owned()),
            ..LabOptions::default()
        })
        .await?;
        for (name, _) in names {
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
        for (name, digest) in names {
            let found = fresh.ecr().digest_of(&format!("base/image/{name}"), "1");
            ensure!(
                found.as_deref() == Some(digest),
                "{name} is {found:?} in ECR, expected {digest}"
            );
        }
        fresh.stop().await;
        Ok((line, run))
    }

    async fn peer(
        &self,
        tool: Tool,
        lab: &Lab,
        programs: &Programs,
        upstream: &BareRegistry,
        names: &[(String, String)],
    ) -> Result<Option<(Line, Run)>> {
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
