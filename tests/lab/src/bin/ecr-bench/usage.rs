//! What three regions hold and run: how near the report's time is to what AWS's quotas leave no way around.

use std::time::Duration;

use anyhow::{Result, ensure};
use ecr_lab::{ApiFault, EcrRegion, Lab, LabFunction, LabOptions};
use jiff::Timestamp;

use crate::keeping::{Way, keeper};
use crate::measure::{self, Line, Run, clean, median};
use crate::table::{Goal, Table};
use crate::tools::{Programs, Told, Tool};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const REGIONS: [&str; 3] = ["ap-northeast-2", "eu-central-1", "us-east-1"];

/// Of each region.
pub struct Usage {
    pub repositories: usize,
    /// In each repository.
    pub images: usize,
    pub functions: usize,
    /// On every answer.
    pub latency: Duration,
}

/// Of DescribeLogStreams in a second, which no other call of the chain is as scarce as.
const QUOTA: f64 = 25.0;
/// Functions on a page of ListFunctions.
const PAGE: usize = 50;

impl Usage {
    /// The shortest time that a region's chain takes: all functions listed page by page, then a look at the log of each.
    fn bound(&self) -> f64 {
        let latency = self.latency.as_secs_f64();
        let pages = self.functions.div_ceil(PAGE) as f64;
        pages * latency + self.functions as f64 / QUOTA + latency
    }

    pub async fn measure(&self, lab: &Lab, programs: &Programs, rounds: usize) -> Result<Table> {
        let title = format!(
            "Usage: {} regions with {} repositories of {} images and {} functions each",
            REGIONS.len(),
            self.repositories,
            self.images,
            self.functions
        );
        let mut table = Table::new(&title);
        let there = self.filled(lab).await?;
        let mut walls = Vec::new();
        for round in 0..rounds {
            let run = self.look(&there, lab, programs).await?;
            walls.push(run.1.wall);
            table.take(Tool::Keeper, Told::Other, round, Ok(Some(run)))?;
        }
        there.stop().await;
        table.note("none of the peers does this; every answer takes 20 ms, and the lab has AWS's quotas");
        let ratio = median(walls) / self.bound();
        table.goals.push(Goal::at_most(
            "wall ÷ what the quota of one region's log streams leaves",
            ratio,
            1.3,
        ));
        table
            .goals
            .push(Goal::at_most("peak memory, MiB", table.memory(), 128.0));
        Ok(table)
    }

    async fn filled(&self, lab: &Lab) -> Result<Lab> {
        let options = LabOptions {
            parent: Some(lab.dir().to_owned()),
            regions: REGIONS
                .map(|region| ("123456789012".to_owned(), region.to_owned()))
                .to_vec(),
            ..LabOptions::default()
        };
        let fresh = Lab::start(options).await?;
        for region in fresh.regions() {
            self.fill(region);
        }
        Ok(fresh)
    }

    fn fill(&self, region: &EcrRegion) {
        for repository in 0..self.repositories {
            let name = format!("team/app-{repository}");
            region.create_repository(&name);
            for tag in 0..self.images {
                let manifest = format!(
                    "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"annotations\":{{\"tag\":\"{tag}\"}}}}"
                );
                region.list_image(&name, &format!("1.{tag}.0"), MANIFEST, &manifest);
            }
        }
        for number in 0..self.functions {
            let name = format!("function-{number}");
            let image = format!("{}/team/app-{}:1.0.0", region.host(), number % self.repositories);
            region.add_function(LabFunction::new(&name, &image));
            region.add_log_stream(&format!("/aws/lambda/{name}"), "one", Some(Timestamp::now()));
        }
        region.api_fault(ApiFault::slow("", self.latency).of_all());
    }

    /// One report.
    async fn look(&self, at: &Lab, lab: &Lab, programs: &Programs) -> Result<(String, Run)> {
        let folder = lab.dir().join("run");
        let way = Way {
            label: "ecr-keeper usage",
            told: Told::Other,
            settings: "",
        };
        clean(&folder)?;
        let regions = REGIONS.join(",");
        let command = ["usage", "--regions", &regions, "--output", "json"];
        let endpoint = at.endpoint();
        let mut line: Line = keeper(programs, at, &folder, &endpoint, "127.0.0.1:9", &way, &command)?;
        for service in ["STS", "LAMBDA", "CLOUDWATCH_LOGS"] {
            let variable = format!("AWS_ENDPOINT_URL_{service}");
            line.environment.push((variable, endpoint.clone()));
        }
        at.regions().iter().for_each(EcrRegion::clear_api_requests);
        let mut run = measure::run(&line, &folder).await?;
        let asked: Vec<_> = at.regions().iter().flat_map(EcrRegion::api_requests).collect();
        let throttled = asked.iter().filter(|call| call.status != 200).count();
        ensure!(throttled == 0, "{throttled} calls were refused");
        let looks = asked.iter().filter(|call| call.action == "DescribeLogStreams").count();
        ensure!(
            looks == self.functions * REGIONS.len(),
            "{looks} log groups were looked at"
        );
        run.target.methods.insert("of the APIs".to_owned(), asked.len() as u64);
        Ok((line.label, run))
    }
}
