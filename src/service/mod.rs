//! What a process that stays tells of itself: its state, over HTTP.

mod door;
mod moment;
mod pages;
mod status;

pub use door::{Door, DoorError};
pub use moment::Moment;
pub use status::{Run, RunOutcome, Status};
