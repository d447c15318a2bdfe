//! The program against real parts: a Docker daemon, docker-registry, and ECR's API over HTTP from the lab.

mod support;

mod aws_login;
mod bad_input;
mod by_hand;
mod chat;
mod creation;
mod daemon;
mod direct;
mod engine_contract;
mod entries;
mod faults;
mod images;
mod import;
mod lambda;
mod ledger;
mod listing;
mod logins;
mod long_night;
mod many;
mod people;
mod plan;
mod policy;
mod reach;
mod results;
mod room;
mod secrets;
mod serve;
mod shards;
mod stores;
mod sync;
mod tags;
mod targets;
mod telling;
mod unbegun;
mod work;
