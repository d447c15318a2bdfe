//! What registries hold over accounts and regions, and who runs it. Pure: what was read makes the report.
//!
//! [`Report`] is the contract (`docs/usage-report.md`): its JSON is printed, compared with later ones and drawn as a page. What was [`Found`]
//! becomes [`Joined`], which learns what manifests consist of, as far as they were read, and makes the report.

mod account;
mod address;
mod by_region;
mod candidates;
mod changes;
mod contents;
mod coverage;
mod failed;
mod found;
mod holdings;
mod join;
mod report;
mod runs;
mod terms;
mod totals;
mod who;

pub use account::{Account, Answer, Asked, Region};
pub use address::Address;
pub use by_region::ByRegion;
pub use candidates::{Candidate, CandidateBecause};
pub use changes::{Change, Changes, NotCompared, NotComparedBecause, RepositoryChange};
pub use contents::{Contents, Manifest};
pub use coverage::{Coverage, CoverageState, CoverageTotals, Covered, UncheckedBecause, Upstream};
pub use failed::{Failed, FailureKind, Service};
pub use found::{Found, FoundAccount, FoundFunction, FoundRegion};
pub use holdings::{Image, Repository, Use};
pub use report::{Joined, Outside, Report, SCHEMA_VERSION};
pub use runs::{Container, FoundBy, Function, LastRun, RanImage, Service as EcsService};
pub use terms::{Rules, Runner, Terms};
pub use totals::{CandidateTotals, ImageTotals, RegionTotals, RepositoryTotals, Totals};
pub use who::{Answered, Run, Unresolved, UsersOf, WhoRuns};

/// Bytes of a GB, as AWS bills them.
pub const GB: f64 = 1e9;

/// What so many bytes cost a month, to two places.
fn cost(bytes: u64, price: f64) -> f64 {
    (bytes as f64 / GB * price * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
