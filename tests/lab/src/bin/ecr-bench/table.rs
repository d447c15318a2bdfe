//! What was measured, as people read it.

use std::fmt::Write;

use crate::measure::{Run, median};
use crate::tools::Tool;

const HEAD: &str = "\
| tool | wall (s) | ratio | CPU (s) | memory (MiB) | upstream: requests | MB sent | target: requests | MB received |
|---|---|---|---|---|---|---|---|---|
";

/// One workload.
#[derive(Debug)]
pub struct Table {
    title: String,
    rows: Vec<Row>,
    absent: Vec<Tool>,
    notes: Vec<&'static str>,
    pub goals: Vec<Goal>,
}

#[derive(Debug)]
struct Row {
    tool: Tool,
    at_once: Option<usize>,
    label: String,
    runs: Vec<Run>,
}

/// A number and how large it may be.
#[derive(Debug)]
pub struct Goal {
    what: String,
    is: f64,
    most: f64,
}

impl Goal {
    pub fn at_most(what: &str, is: f64, most: f64) -> Self {
        Self {
            what: what.to_owned(),
            is,
            most,
        }
    }

    pub fn is_met(&self) -> bool {
        self.is <= self.most
    }
}

impl Table {
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            rows: Vec::new(),
            absent: Vec::new(),
            notes: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub fn add(&mut self, tool: Tool, at_once: Option<usize>, label: String, run: Run) {
        let own = self.rows.iter_mut().find(|row| row.tool == tool && row.label == label);
        match own {
            Some(row) => row.runs.push(run),
            None => self.rows.push(Row {
                tool,
                at_once,
                label,
                runs: vec![run],
            }),
        }
    }

    pub fn absent(&mut self, tool: Tool) {
        if !self.absent.contains(&tool) {
            self.absent.push(tool);
        }
    }

    pub fn note(&mut self, text: &'static str) {
        self.notes.push(text);
    }

    /// Most requests of one run, at the targets and upstream.
    pub fn requests(&self, tool: Tool, at_once: Option<usize>) -> (f64, f64) {
        let rows = self
            .rows
            .iter()
            .filter(|row| row.tool == tool && row.at_once == at_once);
        let sum = |asked: &ecr_lab::Asked| asked.methods.values().sum::<u64>() as f64;
        rows.flat_map(|row| &row.runs)
            .fold((0.0, 0.0), |(target, upstream), run| {
                (
                    f64::max(target, sum(&run.target)),
                    f64::max(upstream, sum(&run.upstream)),
                )
            })
    }

    /// Our wall time over that of the fastest peer that was told the same.
    pub fn ratio(&mut self, what: &str, at_once: Option<usize>, most: f64) {
        let of = |ours: bool| {
            let rows = self
                .rows
                .iter()
                .filter(move |row| (row.tool == Tool::Keeper) == ours && row.at_once == at_once);
            rows.map(|row| row.median(|run| run.wall))
                .min_by(f64::total_cmp)
                .unwrap_or(f64::NAN)
        };
        let ratio = of(true) / of(false);
        self.goals.push(Goal::at_most(what, ratio, most));
    }

    /// Our largest, in MiB.
    pub fn memory(&self) -> f64 {
        self.ours().map(|run| run.memory).fold(0.0, f64::max)
    }

    /// What an upstream sent us at most in one run.
    pub fn upstream_bytes(&self) -> f64 {
        self.ours().map(|run| run.upstream.sent as f64).fold(0.0, f64::max)
    }

    /// What we sent to targets at most in one run.
    pub fn target_bytes(&self) -> f64 {
        self.ours().map(|run| run.target.received as f64).fold(0.0, f64::max)
    }

    fn ours(&self) -> impl Iterator<Item = &Run> {
        self.rows
            .iter()
            .filter(|row| row.tool == Tool::Keeper)
            .flat_map(|row| &row.runs)
    }

    pub fn markdown(&self) -> String {
        let mut page = format!("### {}\n\n", self.title);
        if !self.rows.is_empty() {
            page += HEAD;
        }
        for row in &self.rows {
            let best = |other: &&Row| other.tool != Tool::Keeper && other.at_once == row.at_once;
            let best = self
                .rows
                .iter()
                .filter(best)
                .map(|row| row.median(|run| run.wall))
                .min_by(f64::total_cmp);
            let wall = row.median(|run| run.wall);
            // The counts of all rounds are the same but for what chance does; the last is shown.
            let last = row.runs.last().cloned().unwrap_or_default();
            let _ = writeln!(
                page,
                "| {} | {wall:.2} | {} | {:.2} | {:.0} | {} | {:.1} | {} | {:.1} |",
                row.label,
                best.map_or_else(|| "–".to_owned(), |best| format!("{:.2}", wall / best)),
                row.median(|run| run.cpu),
                row.runs.iter().map(|run| run.memory).fold(0.0, f64::max),
                methods(&last.upstream),
                last.upstream.sent as f64 / 1e6,
                methods(&last.target),
                last.target.received as f64 / 1e6,
            );
        }
        if !self.rows.is_empty() {
            page += "\n";
        }
        for goal in &self.goals {
            let met = if goal.is_met() { "met" } else { "**missed**" };
            let _ = writeln!(
                page,
                "- {}: {:.2}, goal at most {}: {met}",
                goal.what, goal.is, goal.most
            );
        }
        for note in &self.notes {
            let _ = writeln!(page, "- {note}");
        }
        if !self.absent.is_empty() {
            let names: Vec<&str> = self.absent.iter().map(|tool| tool.name()).collect();
            let _ = writeln!(page, "- absent: {}", names.join(", "));
        }
        page
    }
}

impl Row {
    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(of))
    }
}

fn methods(asked: &ecr_lab::Asked) -> String {
    let counts: Vec<String> = asked
        .methods
        .iter()
        .map(|(method, count)| format!("{count} {method}"))
        .collect();
    counts.join(", ")
}
