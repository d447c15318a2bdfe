//! Real servers as child processes that never outlive the lab.
//!
//! Each runs under a small `/bin/sh` whose standard input is a pipe that this
//! process holds. The pipe ends when the handle is dropped and also when this
//! process is killed with no chance to act; the shell then ends the server.
//! `PR_SET_PDEATHSIG` would not do: it fires when the spawning *thread* ends.

mod keeper;
mod supervised;

pub(crate) use keeper::Keeper;
pub(crate) use supervised::{Command, Supervised, until_ready};
