//! The program against real parts: a Docker daemon, docker-registry, and ECR's API over HTTP from the lab.

mod support;

mod bad_input;
mod daemon;
mod sync;
mod telling;
