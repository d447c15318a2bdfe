//! Many tags: what it costs to choose among them beside listing them.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use ecr_lab::Lab;
use ecr_lab::images::tiny;
use futures::{StreamExt, TryStreamExt, stream};

use crate::measure::{self, Line, clean, median};
use crate::table::{Goal, Table};
use crate::tools::{Programs, Told, Tool};

/// Tags that are pushed at once.
const PUSHES: usize = 8;

const RULES: [&str; 6] = [
    "--constraint",
    ">= 1.2, < 9",
    "--suffix",
    "alpine",
    "--newest-per",
    "minor",
];

/// `3.14.15-alpine3.2` and the like; each once.
fn tag(number: usize) -> String {
    let core = format!("{}.{}.{}", number / 2000, number / 20 % 100, number / 2 % 10);
    match number % 2 {
        0 => core,
        _ => format!("{core}-alpine3.{}", number % 20),
    }
}

pub async fn measure(lab: &Lab, programs: &Programs, rounds: usize, tags: usize, alone: usize) -> Result<Table> {
    let title = format!("Choosing among {tags} tags, and among {alone} without a registry");
    let mut table = Table::new(&title);
    let registry = lab.bare_registry(None, false).await?;
    stream::iter(0..tags)
        .map(async |number| tiny("app").push(&registry.place(), "team/app", &tag(number)).await)
        .buffer_unordered(PUSHES)
        .try_collect::<Vec<_>>()
        .await?;
    let folder = lab.dir().join("run");
    let upstream = format!("{}/team/app", registry.host());
    let keeper = programs.keeper.display().to_string();
    let listing = ("ecr-keeper tags", vec![upstream.clone()]);
    let choosing = (
        "ecr-keeper tags, with rules",
        [vec![upstream], RULES.map(str::to_owned).to_vec()].concat(),
    );
    let mut walls = [Vec::new(), Vec::new()];
    let mut turns = [0, 1];
    for round in 0..rounds {
        for turn in turns {
            let (label, arguments) = &[&listing, &choosing][turn];
            let line = Line {
                label: (*label).to_owned(),
                words: [vec![keeper.clone(), "tags".to_owned()], arguments.clone()].concat(),
                environment: Vec::new(),
            };
            clean(&folder)?;
            let before = registry.asked().await?;
            let mut run = measure::run(&line, &folder).await?;
            run.upstream = registry.asked().await?.since(&before);
            walls[turn].push(run.wall);
            table.take(Tool::Keeper, Told::Other, round, Ok(Some((line.label, run))))?;
        }
        turns.reverse();
    }
    let [listed, chose] = walls.map(median);
    registry.remove().await?;
    clean(&folder)?;
    let file = folder.join("tags");
    let all: Vec<String> = (0..alone).map(tag).collect();
    fs::write(&file, all.join("\n"))?;
    let mut took = Vec::new();
    for _ in 0..rounds * 3 {
        let chosen = tokio::process::Command::new(&programs.keeper)
            .args(["--log-level", "debug", "tags", "--from-file"])
            .arg(&file)
            .args(RULES)
            .output()
            .await?;
        ensure!(
            chosen.status.success() && !chosen.stdout.is_empty(),
            "nothing was chosen: {chosen:?}"
        );
        took.push(time_to_choose(&String::from_utf8(chosen.stderr)?)?);
    }
    let goals = [
        Goal::at_most("wall with rules ÷ listing alone", chose / listed, 1.2),
        Goal::at_most("ms to choose without a registry, median", median(took), 100.0),
    ];
    table.goals.extend(goals);
    Ok(table)
}

/// In milliseconds, as the program itself tells: beside it stand its start, reading the file and printing.
fn time_to_choose(log: &str) -> Result<f64> {
    let told = log.lines().find_map(|line| line.split_once(" tags in "));
    let (_, took) = told.with_context(|| format!("no time is told: {log}"))?;
    let number = took.trim().trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = &took.trim()[number.len()..];
    let times = match unit {
        "s" => 1000.0,
        "ms" => 1.0,
        "µs" => 0.001,
        _ => bail!("no duration: {took}"),
    };
    Ok(number.parse::<f64>()? * times)
}
