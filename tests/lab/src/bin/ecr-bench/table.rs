//! What was measured, as people read it.

use std::fmt::Write;

use anyhow::Result;

use crate::measure::{Run, median};
use crate::tools::{Told, Tool};

const HEAD: &str = "\
| tool | wall (s) | ratio | CPU (s) | all others (s) | idle, stolen (s) | memory (MiB) | upstream: requests | MB sent | target: requests | MB received |
|---|---|---|---|---|---|---|---|---|---|---|
";

/// One workload.
#[derive(Debug)]
pub struct Table {
    title: String,
    rows: Vec<Row>,
    absent: Vec<Tool>,
    failed: Vec<(Tool, String)>,
    notes: Vec<&'static str>,
    pub goals: Vec<Goal>,
}

#[derive(Debug)]
struct Row {
    tool: Tool,
    told: Told,
    label: String,
    runs: Vec<Run>,
}

/// A number and how large it may be.
#[derive(Debug)]
pub struct Goal {
    what: String,
    is: f64,
    most: f64,
    /// The same of each round, where it is a ratio: what is said is their median.
    rounds: Vec<f64>,
}

impl Goal {
    pub fn at_most(what: &str, is: f64, most: f64) -> Self {
        Self {
            what: what.to_owned(),
            is,
            most,
            rounds: Vec::new(),
        }
    }

    /// A ratio of each round; not a number where there are none.
    fn of_rounds(what: &str, rounds: Vec<f64>, most: f64) -> Self {
        Self {
            is: median(rounds.iter().copied()),
            rounds,
            ..Self::at_most(what, f64::NAN, most)
        }
    }

    /// The number, and from where to where it went.
    fn shown(&self) -> String {
        let (least, largest) = (
            self.rounds.iter().copied().fold(f64::INFINITY, f64::min),
            self.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        );
        match self.rounds.len() {
            0 | 1 => format!("{:.2}", self.is),
            _ => format!("{:.2} ({least:.2} to {largest:.2})", self.is),
        }
    }

    fn verdict(&self) -> String {
        let met = self.rounds.iter().filter(|ratio| **ratio <= self.most).count();
        let all = self.rounds.len();
        match () {
            () if self.is.is_nan() => "**unknown**".to_owned(),
            () if 0 < met && met < all => match self.is_met() {
                true => format!("met in {met} of {all} rounds"),
                false => format!("**missed**, met in {met} of {all} rounds"),
            },
            () if self.is_met() => "met".to_owned(),
            () => "**missed**".to_owned(),
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
            failed: Vec::new(),
            notes: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub fn add(&mut self, tool: Tool, told: Told, label: String, run: Run) {
        let own = self.rows.iter_mut().find(|row| row.tool == tool && row.label == label);
        match own {
            Some(row) => row.runs.push(run),
            None => self.rows.push(Row {
                tool,
                told,
                label,
                runs: vec![run],
            }),
        }
    }

    fn absent(&mut self, tool: Tool) {
        if !self.absent.contains(&tool) {
            self.absent.push(tool);
        }
    }

    /// What a tool did in a turn of its own: a run, nothing where it cannot be had, or a failure, which is a peer's own matter and ends
    /// everything where it is ours.
    pub fn take(&mut self, tool: Tool, told: Told, round: usize, done: Result<Option<(String, Run)>>) -> Result<()> {
        match done {
            Ok(Some((label, run))) => {
                eprintln!("{}, round {}: {label}: {:.2} s", self.title, round + 1, run.wall);
                self.add(tool, told, label, run);
            }
            Ok(None) => self.absent(tool),
            Err(error) if tool == Tool::Keeper => return Err(error),
            Err(error) => {
                eprintln!("{}, round {}: {} failed: {error:#}", self.title, round + 1, tool.name());
                let first = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
                self.failed.push((tool, first));
            }
        }
        Ok(())
    }

    pub fn note(&mut self, text: &'static str) {
        self.notes.push(text);
    }

    /// Our most requests of one run, at the targets and upstream, in the rows of what was told so.
    pub fn requests(&self, told: Told) -> (f64, f64) {
        let rows = self
            .rows
            .iter()
            .filter(|row| row.tool == Tool::Keeper && row.told == told);
        let runs: Vec<&Run> = rows.flat_map(|row| &row.runs).collect();
        let sum = |asked: &ecr_lab::Asked| asked.methods.values().sum::<u64>() as f64;
        (
            largest(runs.iter().map(|run| sum(&run.target))),
            largest(runs.iter().map(|run| sum(&run.upstream))),
        )
    }

    /// Our wall time over that of the fastest peer that was told the same, in the same round: the machine's mood changes from one to
    /// the next.
    pub fn ratio(&mut self, what: &str, told: Told, most: f64) {
        let of = |ours: bool, round: usize| {
            let rows = self
                .rows
                .iter()
                .filter(move |row| (row.tool == Tool::Keeper) == ours && told.is_beside(row.told));
            rows.filter_map(|row| row.runs.get(round).map(|run| run.wall))
                .min_by(f64::total_cmp)
        };
        let ratio = |round: usize| Some(of(true, round)? / of(false, round)?);
        // Without a peer nobody knows which is the best.
        let rounds = match self.absent.is_empty() && self.failed.is_empty() {
            true => (0..).map_while(ratio).collect(),
            false => Vec::new(),
        };
        self.goals.push(Goal::of_rounds(what, rounds, most));
    }

    /// Our largest, in MiB.
    pub fn memory(&self) -> f64 {
        largest(self.ours().map(|run| run.memory))
    }

    /// What an upstream sent us at most in one run.
    pub fn upstream_bytes(&self) -> f64 {
        largest(self.ours().map(|run| run.upstream.sent as f64))
    }

    /// What we sent to targets at most in one run.
    pub fn target_bytes(&self) -> f64 {
        largest(self.ours().map(|run| run.target.received as f64))
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
            let best = |other: &&Row| other.tool != Tool::Keeper && row.told.is_beside(other.told);
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
                "| {} | {wall:.2} | {} | {:.2} | {:.1} | {:.1}, {:.1} | {:.0} | {} | {:.1} | {} | {:.1} |",
                row.label,
                best.map_or_else(|| "–".to_owned(), |best| format!("{:.2}", wall / best)),
                row.median(|run| run.cpu),
                row.median(|run| run.others),
                row.median(|run| run.idle),
                row.median(|run| run.stolen),
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
            let _ = writeln!(
                page,
                "- {}: {}, goal at most {}: {}",
                goal.what,
                goal.shown(),
                goal.most,
                goal.verdict()
            );
        }
        for note in &self.notes {
            let _ = writeln!(page, "- {note}");
        }
        if !self.absent.is_empty() {
            let names: Vec<&str> = self.absent.iter().map(|tool| tool.name()).collect();
            let _ = writeln!(page, "- absent: {}", names.join(", "));
        }
        for (tool, why) in &self.failed {
            let _ = writeln!(page, "- {} failed: {why}", tool.name());
        }
        page
    }
}

/// Not a number where there are none: then no goal is met.
fn largest(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.max_by(f64::total_cmp).unwrap_or(f64::NAN)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wall: f64) -> Run {
        Run { wall, ..Run::default() }
    }

    #[test]
    fn a_ratio_is_of_each_round_and_to_the_best_who_was_told_the_same() {
        let mut table = Table::new("a");
        // The second round was one in which everything took four times as long.
        for slow in [1.0, 4.0, 1.0] {
            table.add(Tool::Keeper, Told::AtOnce(16), "ours".to_owned(), run(2.0 * slow));
            table.add(
                Tool::Keeper,
                Told::Nothing,
                "ours by itself".to_owned(),
                run(0.1 * slow),
            );
            table.add(Tool::Crane, Told::AtOnce(16), "crane".to_owned(), run(5.0 * slow));
            table.add(
                Tool::Crane,
                Told::Nothing,
                "crane by itself".to_owned(),
                run(0.5 * slow),
            );
            table.add(Tool::Skopeo, Told::Cannot, "skopeo".to_owned(), run(4.0 * slow));
            table.add(Tool::Keeper, Told::Other, "ours, another way".to_owned(), run(0.01));
        }
        table.ratio("told", Told::AtOnce(16), 0.5);
        table.ratio("not told", Told::Nothing, 0.1);
        let ratios: Vec<f64> = table.goals.iter().map(|goal| goal.is).collect();
        assert_eq!(ratios, [0.5, 0.2]);
        assert_eq!(table.goals.iter().map(Goal::is_met).collect::<Vec<_>>(), [true, false]);
        let page = table.markdown();
        assert!(
            page.contains("| ours, another way | 0.01 | – |"),
            "nobody is beside it: {page}"
        );
    }

    #[test]
    fn a_goal_that_some_rounds_meet_says_how_many() {
        let goal = |rounds: &[f64]| Goal::of_rounds("ratio", rounds.to_vec(), 0.7);
        assert_eq!(goal(&[0.5, 0.6, 0.7]).verdict(), "met");
        assert_eq!(goal(&[0.5, 0.6, 0.8]).verdict(), "met in 2 of 3 rounds");
        assert_eq!(goal(&[0.5, 0.8, 0.9]).verdict(), "**missed**, met in 1 of 3 rounds");
        assert_eq!(goal(&[0.8]).verdict(), "**missed**");
        assert_eq!(goal(&[]).verdict(), "**unknown**");
        assert_eq!(goal(&[0.5, 0.6, 0.8]).shown(), "0.60 (0.50 to 0.80)");
    }

    #[test]
    fn no_goal_is_met_of_which_nothing_is_known() {
        let mut table = Table::new("a");
        table.add(Tool::Crane, Told::Nothing, "crane".to_owned(), run(5.0));
        table.ratio("nothing of ours", Told::Nothing, 1.0);
        table.goals.push(Goal::at_most("memory", table.memory(), 1.0));
        table
            .goals
            .push(Goal::at_most("requests", table.requests(Told::Nothing).0, 1.0));
        table.add(Tool::Keeper, Told::Nothing, "ours".to_owned(), run(1.0));
        table.take(Tool::Skopeo, Told::Cannot, 0, Ok(None)).unwrap();
        table.ratio("a peer is absent", Told::Nothing, 1.0);
        assert!(!table.goals.iter().any(Goal::is_met));
        assert_eq!(table.markdown().matches("**unknown**").count(), 4);
    }

    #[test]
    fn a_peer_that_fails_is_named_and_no_ratio_is_taken_without_it() {
        let mut table = Table::new("a");
        let ran = |wall| Ok(Some(("a tool".to_owned(), run(wall))));
        let failed = || Err(anyhow::anyhow!("it broke off\nand said more"));
        table.take(Tool::Keeper, Told::Nothing, 0, ran(1.0)).unwrap();
        table.take(Tool::Crane, Told::Nothing, 0, ran(2.0)).unwrap();
        table.take(Tool::Regsync, Told::Nothing, 0, failed()).unwrap();
        table.ratio("a peer failed", Told::Nothing, 1.0);
        assert!(!table.goals[0].is_met());
        assert!(
            table.markdown().contains("- regsync failed: it broke off\n"),
            "{}",
            table.markdown()
        );
        table.take(Tool::Keeper, Told::Nothing, 0, failed()).unwrap_err();
    }
}
