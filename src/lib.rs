//! ecr-keeper keeps the images in Amazon ECR current with their upstream.
//!
//! A run goes one way:
//!
//! ```text
//! settings ─▶ mapping ─▶ survey ─▶ plan ─▶ execute ─▶ report ─▶ record + notify
//!             what should  ask both  pure    the only    what        files, chats
//!             follow what  sides     values  writer      happened
//! ```
//!
//! - [`settings`]: what a run is told, checked whole. [`import`]: what other programs are told, in the words of these.
//! - [`image`]: the words of registries. [`mapping`]: which repository follows which. [`selection`]: which of its tags.
//! - [`aws`], [`credentials`], [`ledger`]: Amazon's APIs, who we are at a registry, what was made from what.
//! - [`survey`] reads, [`mod@plan`] decides without touching anything, [`mod@execute`] writes through an [`engine`].
//! - [`report`]: what happened, as a value; [`record`], [`notify`] and [`progress`] tell it.
//! - [`work`]: a run that several share, by a queue and what they keep in S3.
//! - [`schedule`]: when a process that stays begins runs. [`service`]: what it tells of itself over HTTP.
//! - [`usage`]: what registries hold over accounts and regions, and who runs it; [`census`] reads that.
//! - [`prune`]: which images of a repository go, and why the others stay.
//! - [`yaml`]: files as they were written, with their lines.
//! - [`commands`] and [`cli`]: the program around it. [`worker`]: the same for who asks by an event.

pub mod atomic;
pub mod aws;
pub mod census;
pub mod cli;
pub mod commands;
pub mod credentials;
pub mod engine;
pub mod events;
pub mod execute;
pub mod image;
pub mod import;
pub mod ledger;
pub mod mapping;
pub mod notify;
pub mod plan;
pub mod progress;
pub mod prune;
pub mod record;
pub mod registry;
pub mod report;
pub mod retry;
pub mod schedule;
pub mod selection;
pub mod service;
pub mod settings;
pub mod stop;
pub mod survey;
pub mod usage;
pub mod work;
pub mod worker;
pub mod yaml;
