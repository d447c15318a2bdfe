//! A registry of very many repositories, and how what it costs to look at it grows.

use anyhow::{Result, ensure};
use ecr_lab::{Lab, LabOptions};

use crate::keeping::{Way, at_ecr, keeper};
use crate::measure::{self, clean};
use crate::table::{Goal, Table};
use crate::tools::{Programs, Told, Tool};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Each repository's.
const TAGS: usize = 20;

/// Looks at a half of so many repositories, and at all of them.
pub async fn measure(lab: &Lab, programs: &Programs, rounds: usize, repositories: usize) -> Result<Table> {
    let title = format!("Discovery: {repositories} repositories with {TAGS} tags each");
    let mut table = Table::new(&title);
    let options = LabOptions {
        parent: Some(lab.dir().to_owned()),
        ..LabOptions::default()
    };
    let fresh = Lab::start(options).await?;
    let folder = lab.dir().join("run");
    let mut filled = 0;
    let mut medians = Vec::new();
    for count in [repositories / 2, repositories] {
        for repository in filled..count {
            let name = format!("base/image/team-{}/app-{repository}", repository % 100);
            fresh.ecr().create_repository(&name);
            for tag in 0..TAGS {
                let manifest = format!(
                    "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"annotations\":{{\"tag\":\"{tag}\"}}}}"
                );
                fresh
                    .ecr()
                    .list_image(&name, &format!("1.{tag}.0"), MANIFEST, &manifest);
            }
        }
        filled = count;
        let label = format!("ecr-keeper plan, immutable_tags: '.*', {count} repositories");
        let way = Way {
            label: &label,
            told: Told::Other,
            settings: "immutable_tags: '.*'\n",
        };
        let mut walls = Vec::new();
        for round in 0..rounds {
            clean(&folder)?;
            let line = keeper(
                programs,
                &fresh,
                &folder,
                &fresh.endpoint(),
                "127.0.0.1:9",
                &way,
                &["plan"],
            )?;
            fresh.ecr().clear_api_requests();
            let mut run = measure::run(&line, &folder).await?;
            let listings = fresh.ecr().api_requests();
            let listings = listings.iter().filter(|call| call.action == "DescribeImages").count();
            ensure!(listings == count, "{listings} of {count} repositories were listed");
            run.target = at_ecr(&fresh);
            run.target
                .methods
                .insert("of the API".to_owned(), fresh.ecr().api_requests().len() as u64);
            eprintln!("{title}, round {}: {}: {:.2} s", round + 1, line.label, run.wall);
            walls.push(run.wall);
            table.add(Tool::Keeper, way.told, line.label, run);
        }
        medians.push(measure::median(walls));
    }
    fresh.stop().await;
    table.note("none of the peers does this; the lab lists 100 repositories, or images, on a page, and works on the same cores");
    let growth = medians[1] / medians[0];
    table
        .goals
        .push(Goal::at_most("wall of all ÷ wall of a half (2: linear)", growth, 2.2));
    table
        .goals
        .push(Goal::at_most("peak memory, MiB", table.memory(), 128.0));
    Ok(table)
}
