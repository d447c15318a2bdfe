//! A registry of very many repositories, and how what it costs to look at it grows.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ecr_lab::{Lab, LabOptions};

use crate::keeping::{Way, at_ecr, keeper};
use crate::measure::{self, Run, clean, median};
use crate::table::{Goal, Table};
use crate::tools::{Programs, Told, Tool};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Each repository's.
const TAGS: usize = 20;

/// Looks at a half of so many repositories, and at all of them.
pub async fn measure(lab: &Lab, programs: &Programs, rounds: usize, repositories: usize) -> Result<Table> {
    let title = format!("Discovery: {repositories} repositories with {TAGS} tags each");
    let mut table = Table::new(&title);
    let mut turns = [filled(lab, repositories / 2).await?, filled(lab, repositories).await?];
    let [half, all] = turns.each_ref().map(|(_, count)| *count);
    let mut walls: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        for (lab_of, count) in &turns {
            let run = look(lab_of, lab, programs, *count).await?;
            walls.entry(*count).or_default().push(run.1.wall);
            table.take(Tool::Keeper, Told::Other, round, Ok(Some(run)))?;
        }
        turns.reverse();
    }
    for (lab_of, _) in turns {
        lab_of.stop().await;
    }
    table.note("none of the peers does this; the lab lists 100 repositories, or images, on a page, and works on the same cores");
    let wall = |count| median(walls.get(&count).cloned().unwrap_or_default());
    let growth = wall(all) / wall(half);
    table
        .goals
        .push(Goal::at_most("wall of all ÷ wall of a half (2: linear)", growth, 2.2));
    table
        .goals
        .push(Goal::at_most("peak memory, MiB", table.memory(), 128.0));
    Ok(table)
}

/// A registry with so many repositories.
async fn filled(lab: &Lab, repositories: usize) -> Result<(Lab, usize)> {
    let options = LabOptions {
        parent: Some(lab.dir().to_owned()),
        ..LabOptions::default()
    };
    let fresh = Lab::start(options).await?;
    for repository in 0..repositories {
        let name = format!("base/image/team-{}/app-{repository}", repository % 100);
        fresh.ecr().create_repository(&name);
        for tag in 0..TAGS {
            let manifest =
                format!("{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"annotations\":{{\"tag\":\"{tag}\"}}}}");
            fresh
                .ecr()
                .list_image(&name, &format!("1.{tag}.0"), MANIFEST, &manifest);
        }
    }
    Ok((fresh, repositories))
}

/// One look at all of a registry.
async fn look(at: &Lab, lab: &Lab, programs: &Programs, count: usize) -> Result<(String, Run)> {
    let folder = lab.dir().join("run");
    let label = format!("ecr-keeper plan, immutable_tags: '.*', {count} repositories");
    let way = Way {
        label: &label,
        told: Told::Other,
        settings: "immutable_tags: '.*'\n",
    };
    clean(&folder)?;
    let line = keeper(programs, at, &folder, &at.endpoint(), "127.0.0.1:9", &way, &["plan"])?;
    at.ecr().clear_api_requests();
    let mut run = measure::run(&line, &folder).await?;
    let asked = at.ecr().api_requests();
    let listings = asked.iter().filter(|call| call.action == "DescribeImages").count();
    ensure!(listings == count, "{listings} of {count} repositories were listed");
    run.target = at_ecr(at);
    run.target.methods.insert("of the API".to_owned(), asked.len() as u64);
    Ok((line.label, run))
}
